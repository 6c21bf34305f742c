package sandbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
)

const recoveringMaria = `{"secretId":"maria/app","superuserSecretId":"maria/admin","recoverPassword":true}`

// mysqlServers are the products that one name may be several accounts on.
var mysqlServers = map[string]func(t testing.TB, key string, cfg dbserver.MySQL) *dbtest.MySQLServer{
	"MariaDB": dbtest.MariaDB, "MySQL 5.6": dbtest.MySQL56, "MySQL 8+": dbtest.MySQL,
}

// mysqlCurrent returns AWSCURRENT of maria/app.
func (w *world) mysqlCurrent() secretdoc.Document {
	w.Helper()
	out, err := w.secrets.GetSecretValue(w.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("maria/app")})
	w.check(err)
	doc, err := secretdoc.Parse(redact.New(aws.ToString(out.SecretString)))
	w.check(err)
	return doc
}

func (w *world) mysqlAccepts(doc secretdoc.Document) bool {
	_, ok, _ := w.mysql.As(doc.Username, doc.Password, "SELECT 1")
	return ok
}

// mysqlRotated rotates as preflight has foretold.
func (w *world) mysqlRotated(request string) {
	w.Helper()
	if result := w.preflight(request); !result.WouldRotate {
		w.Fatalf("preflight: %+v", result)
	}
	if e := w.rotate(request); e.State != "Rotated" {
		w.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
	}
}

// Issue 11, case 1: applications log in to whichever account the server chooses for
// their address, and the rotation functions to another one.
func TestSeveralAccountsOfOneName(t *testing.T) {
	for product, start := range mysqlServers {
		for way, request := range map[string]string{"single-user": recoveringMaria, "alternating-users": alternatingMaria} {
			t.Run(product+"/"+way, func(t *testing.T) {
				w, user := newMySQLWorld(t, start(t, "several", dbserver.MySQL{}), masterOf)
				first := w.mysqlCurrent()
				locals := []string{}
				for _, host := range []string{"localhost", "10.0.%"} {
					w.mysql.Quietly(fmt.Sprintf("CREATE USER %s@'%s' IDENTIFIED BY %s", dbtest.MySQLText(user), host, dbtest.MySQLText(first.Password.Reveal())))
					for _, name := range []string{user, user + "_clone"} {
						locals = append(locals, fmt.Sprintf("%s@'%s'", dbtest.MySQLText(name), host))
					}
				}
				t.Cleanup(func() {
					for _, local := range locals {
						_ = w.mysql.Try("DROP USER " + local)
					}
				})
				var versions []secretdoc.Document
				for range 3 {
					w.mysqlRotated(request)
					versions = append(versions, w.mysqlCurrent())
				}
				// Now the server chooses the account for any host.
				for _, local := range locals {
					_ = w.mysql.Try("DROP USER " + local)
				}
				if !w.mysqlAccepts(versions[2]) {
					t.Error("an application at another address is refused AWSCURRENT")
				}
				if w.mysqlAccepts(first) {
					t.Error("the first password is accepted at another address")
				}
				if way == "alternating-users" && !w.mysqlAccepts(versions[1]) {
					t.Error("an application at another address is refused AWSPREVIOUS")
				}
				w.mysqlRotated(request)
			})
		}
	}
}

// Issue 11, case 1: alone, a user changes one of its accounts and sees no other, which
// preflight says.
func TestSeveralAccountsWithoutASuperuser(t *testing.T) {
	for product, start := range mysqlServers {
		t.Run(product, func(t *testing.T) {
			w, _ := newMySQLWorld(t, start(t, "several", dbserver.MySQL{}))
			if got := verdict(t, w.preflight(`{"secretId":"maria/app"}`), "privileges"); !got.OK || !strings.Contains(got.Hint, "accounts for other hosts") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// Issue 11, case 4: a second password that has leaked is not accepted after a rotation.
func TestSecondPasswordIsDiscarded(t *testing.T) {
	for way, request := range map[string]string{"single-user": recoveringMaria, "alternating-users": alternatingMaria} {
		t.Run(way, func(t *testing.T) {
			w, user := newMySQLWorld(t, dbtest.MySQL(t, "several", dbserver.MySQL{}), masterOf)
			now := w.mysqlCurrent()
			leaked := now.WithPassword(dbtest.Password())
			w.mysql.Quietly("ALTER USER "+account(user)+" IDENTIFIED BY "+dbtest.MySQLText(leaked.Password.Reveal()),
				"ALTER USER "+account(user)+" IDENTIFIED BY "+dbtest.MySQLText(now.Password.Reveal())+" RETAIN CURRENT PASSWORD")
			if !w.mysqlAccepts(leaked) {
				t.Fatal("there is no second password")
			}
			for range map[string]int{"single-user": 1, "alternating-users": 2}[way] {
				w.mysqlRotated(request)
			}
			if w.mysqlAccepts(leaked) {
				t.Error("the leaked password is accepted")
			}
		})
	}
}

// Issue 11, case 5: what a superuser holds for a schema it may grant for its routines.
func TestPreflightOfRoutines(t *testing.T) {
	for product, start := range mysqlServers {
		t.Run(product, func(t *testing.T) {
			w, user := newMySQLWorld(t, start(t, "several", dbserver.MySQL{}), "GRANT CREATE USER ON *.* TO ADMIN", "GRANT SELECT ON mysql.* TO ADMIN",
				"GRANT SELECT, INSERT, EXECUTE, ALTER ROUTINE ON `shop.x`.* TO ADMIN WITH GRANT OPTION", "GRANT SELECT, INSERT ON `shop`.* TO ADMIN WITH GRANT OPTION")
			w.mysql.Exec("CREATE DATABASE `shop.x`")
			t.Cleanup(func() { w.mysql.Exec("DROP DATABASE `shop.x`") })
			w.mysql.Exec("CREATE PROCEDURE `shop.x`.p () SELECT 1", "CREATE FUNCTION `shop.x`.f () RETURNS INT DETERMINISTIC NO SQL RETURN 1",
				"GRANT EXECUTE ON PROCEDURE `shop.x`.p TO "+account(user), "GRANT EXECUTE, ALTER ROUTINE ON FUNCTION `shop.x`.f TO "+account(user))
			w.mysqlRotated(alternatingMaria)
		})
	}
}
