// Package budget holds what a rotation may cost: budgets.txt. Its test counts, and fails
// when a count has changed. How to count is shared with proof/bench.
package budget

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"os"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
)

// Database is a server whose log tells what a rotation did on it.
type Database struct {
	Name   string // product and version
	Engine string // as in a secret
	Host   string
	Port   int
	log    string // its path
	Stop   func()

	admin         string
	adminPassword redact.String
	exec          func(ctx context.Context, sql string) error
	createUser    string // the statement, with %u and %p

	// What the lines of the log look like.
	accepted, refused, statement *regexp.Regexp
}

// StartPostgres starts one, whose log tells all.
func StartPostgres(ctx context.Context) (*Database, error) {
	s, err := dbserver.StartPostgres(ctx, dbserver.Postgres{Settings: map[string]string{"log_connections": "on", "log_statement": "all"}})
	if err != nil {
		return nil, err
	}
	return &Database{
		Name: "PostgreSQL " + s.Version, Engine: "postgres", Host: s.Host, Port: s.Port, log: s.LogPath, Stop: s.Stop,
		admin: s.AdminUser, adminPassword: s.AdminPassword, createUser: "CREATE ROLE %u LOGIN PASSWORD '%p'",
		exec: func(ctx context.Context, sql string) error {
			conn, err := s.Admin(ctx)
			if err != nil {
				return err
			}
			defer conn.Close(ctx)
			_, err = conn.Exec(ctx, sql).ReadAll()
			return err
		},
		accepted:  regexp.MustCompile(`(?m)connection authorized: user=`),
		refused:   regexp.MustCompile(`(?m)password authentication failed`),
		statement: regexp.MustCompile(`(?m)LOG:  (statement|execute [^:]*): `),
	}, nil
}

// StartMariaDB starts one, whose log tells all.
func StartMariaDB(ctx context.Context) (*Database, error) {
	return startFamily(ctx, "mariadb", dbserver.StartMariaDB)
}

// StartMySQL starts one, whose log tells all.
func StartMySQL(ctx context.Context) (*Database, error) {
	return startFamily(ctx, "mysql", dbserver.StartMySQL)
}

func startFamily(ctx context.Context, engine string, start func(context.Context, dbserver.MySQL) (*dbserver.MySQLServer, error)) (*Database, error) {
	s, err := start(ctx, dbserver.MySQL{GeneralLog: true})
	if err != nil {
		return nil, err
	}
	db, err := s.Admin(ctx)
	if err != nil {
		s.Stop()
		return nil, err
	}
	version, _, _ := strings.Cut(s.Version, "-")
	return &Database{
		Name: s.Product + " " + version, Engine: engine, Host: s.Host, Port: s.Port, log: s.GeneralLogPath,
		Stop:  func() { closeQuietly(db); s.Stop() },
		admin: s.AdminUser, adminPassword: s.AdminPassword, createUser: "CREATE USER %u@'%' IDENTIFIED BY '%p'",
		exec: func(ctx context.Context, sql string) error {
			_, err := db.ExecContext(ctx, sql)
			return err
		},
		// The general log has a line for each, with the command after the thread's
		// number. A refusal is a second Connect.
		accepted:  regexp.MustCompile(`(?m)\d Connect\t.* using `),
		refused:   regexp.MustCompile(`(?m)\d Connect\tAccess denied`),
		statement: regexp.MustCompile(`(?m)\d (Query|Execute)\t`),
	}, nil
}

func closeQuietly(db *sql.DB) { _ = db.Close() }

// CreateSecret makes a user and its secret, which names the superuser's.
func (d *Database) CreateSecret(ctx context.Context, client aws.Config, user string) error {
	secrets := secretsmanager.NewFromConfig(client)
	password := rand.Text()
	create := strings.NewReplacer("%u", user, "%p", password).Replace(d.createUser)
	if err := d.exec(ctx, create); err != nil {
		return err
	}
	store := func(name, user, password, superuser string) (string, error) {
		keys := map[string]any{"engine": d.Engine, "host": d.Host, "port": d.Port, "username": user, "password": password}
		if d.Engine == "mysql" {
			keys["ssl"] = false // its own certificate is nobody's
		}
		if superuser != "" {
			keys["masterarn"] = superuser
		}
		raw, err := json.Marshal(keys)
		if err != nil {
			return "", err
		}
		out, err := secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String(string(raw))})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.ARN), nil
	}
	superuser, err := store(user+"-superuser", d.admin, d.adminPassword.Reveal(), "")
	if err != nil {
		return err
	}
	_, err = store(user, user, password, superuser)
	return err
}

// Counts is what the log tells.
type Counts struct{ Accepted, Refused, Statements int }

// During counts what a function makes of the server.
func (d *Database) During(f func() error) (Counts, error) {
	before, err := os.Stat(d.log)
	if err != nil {
		return Counts{}, err
	}
	if err := f(); err != nil {
		return Counts{}, err
	}
	text, err := os.ReadFile(d.log)
	if err != nil {
		return Counts{}, err
	}
	news := text[before.Size():]
	count := func(r *regexp.Regexp) int { return len(r.FindAll(news, -1)) }
	c := Counts{count(d.accepted), count(d.refused), count(d.statement)}
	if d.Engine != "postgres" { // its log has a refused login as one that came and one that was denied
		c.Accepted -= c.Refused
	}
	return c, nil
}
