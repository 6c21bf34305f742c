package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// TestHostileTenants: users that own a database each, on servers as they come and on
// servers whose sessions begin with a mode in which quotes mean something else.
func TestHostileTenants(t *testing.T) {
	const mode = "ANSI_QUOTES,IGNORE_SPACE,PIPES_AS_CONCAT,HIGH_NOT_PRECEDENCE,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES"
	for name, settings := range map[string]map[string]string{
		"":                   nil,
		", with an own mode": {"init_connect": "SET SESSION sql_mode = '" + mode + "', group_concat_max_len = 4, sql_select_limit = 1, sql_quote_show_create = 0, sql_big_selects = 0"},
	} {
		for _, p := range []product{mariaDB, mysql56, mysql9} {
			t.Run(p.name+name, func(t *testing.T) {
				if settings != nil && p.name == mysql9.name {
					settings = map[string]string{"init_connect": strings.ReplaceAll(settings["init_connect"], "PAD_CHAR_TO_FULL_LENGTH,", "")}
				}
				s := p.own(t, "hostile"+name, settings)
				s.super = s.master(t)
				if mode, _, err := s.As(s.super.Username, s.super.Password, "SELECT @@sql_mode"); err != nil || settings != nil && !strings.Contains(mode[0][0], "ANSI_QUOTES") {
					t.Fatal(mode, err)
				}
				enginetest.Hostile(t, enginetest.Target{
					Name: s.Product + " " + s.Version + name, Engine: s.engine, Fixture: fixture{s},
					Rights: []enginetest.Right{s.right("SELECT", "shop.*", "SELECT 1")}, Tenancy: s.tenancy(),
					UserName: func(name string) bool { return len(name) < 16 },
				})
			})
		}
	}
}

// tenancy is of users that own a database. What they plant counts when it is used as
// whoever uses it.
func (s *server) tenancy() *enginetest.Tenancy {
	lay := func(statements ...string) func(testing.TB, secretdoc.Document) {
		return func(t testing.TB, tenant secretdoc.Document) {
			t.Helper()
			for _, sql := range statements {
				if err := s.plant(t, tenant, sql); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
		}
	}
	var views, tables []string
	for _, name := range systemNames {
		views = append(views, "CREATE SQL SECURITY INVOKER VIEW `"+name+"` AS SELECT sprung() AS `User`, sprung() AS `Host`, sprung() AS `Db`")
		tables = append(tables, "CREATE TABLE `"+name+"` (`User` INT, `Host` INT)",
			"CREATE TRIGGER `on "+name+"` BEFORE INSERT ON `"+name+"` FOR EACH ROW SET NEW.`User` = sprung()")
	}
	var functions []string
	for _, name := range nativeFunctions {
		functions = append(functions, "CREATE FUNCTION `"+name+"` () RETURNS INT SQL SECURITY INVOKER RETURN sprung()")
	}
	column := "`c``, ``d) ON *.*`"
	if s.name == mysql56.name {
		column = "c" // see TestColumnsThatEndAGrant
	}
	return &enginetest.Tenancy{
		New: s.newTenant, Spoils: s.spoils,
		Plants: []enginetest.Plant{
			{Name: "views called as system tables", Lay: lay(views...)},
			{Name: "tables called as system tables, with triggers", Lay: lay(tables...)},
			{Name: "functions called as the server's", Lay: lay(functions...)},
			{Name: "names that end a statement", Lay: lay(
				"CREATE TABLE `t`` TO 'x'@'%'; --` ("+column+" INT)", "CREATE TABLE `' \\\" # /*!50000 x */` (a INT)",
				"GRANT SELECT ("+column+") ON `t`` TO 'x'@'%'; --` TO TENANT", "GRANT SELECT ON `' \\\" # /*!50000 x */` TO TENANT",
				"CREATE PROCEDURE `p``; GRANT ALL ON *.* TO 'x'@'%'` () SELECT 1", "GRANT EXECUTE ON PROCEDURE `p``; GRANT ALL ON *.* TO 'x'@'%'` TO TENANT")},
			{Name: "routines and events as somebody else", Lay: func(t testing.TB, tenant secretdoc.Document) {
				t.Helper()
				definer := "DEFINER = " + at(s.super.Username)
				for _, sql := range []string{
					"CREATE " + definer + " PROCEDURE deputy () INSERT INTO fired VALUES (CURRENT_USER())",
					"CREATE " + definer + " EVENT deputy ON SCHEDULE EVERY 1 SECOND DO INSERT INTO fired VALUES (CURRENT_USER())",
					"CREATE " + definer + " SQL SECURITY DEFINER VIEW deputy AS SELECT * FROM mysql.user",
				} {
					if err := s.plant(t, tenant, sql); err == nil {
						t.Errorf("the tenant may have others run what is its own: %s", sql)
					}
				}
				lay("CREATE EVENT own ON SCHEDULE EVERY 1 SECOND DO INSERT INTO own VALUES (1)", "CREATE TABLE own (n INT)",
					"CREATE PROCEDURE p () SQL SECURITY INVOKER SET @x = sprung()", "GRANT EXECUTE ON PROCEDURE p TO TENANT")(t, tenant)
			}},
		},
	}
}

// systemNames are tables of the schemas mysql and information_schema.
var systemNames = strings.Fields(`user db tables_priv columns_priv procs_priv proxies_priv global_priv roles_mapping role_edges default_roles
	global_grants password_history USER_PRIVILEGES SCHEMA_PRIVILEGES TABLE_PRIVILEGES APPLICABLE_ROLES ENABLED_ROLES PLUGINS USER_ATTRIBUTES dual_`)

// nativeFunctions are what statements call.
var nativeFunctions = strings.Fields(`version get_lock release_lock is_used_lock json_value json_extract json_unquote hex ifnull concat_ws sleep connection_id`)

// ownerPrivileges are what RDS's master user may grant on a database.
const ownerPrivileges = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, " +
	"EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER"

func (s *server) newTenant(t testing.TB, user string, password redact.String) secretdoc.Document {
	s.createUser(user, password)
	name := "db-" + user
	s.Exec("CREATE DATABASE `"+name+"`", "GRANT "+ownerPrivileges+" ON `"+name+"`.* TO "+at(user)+" WITH GRANT OPTION")
	t.Cleanup(func() { s.Exec("DROP DATABASE `" + name + "`") })
	tenant := s.Document(user, password, func(keys map[string]any) { keys["dbname"] = name })
	for _, sql := range []string{
		"CREATE TABLE fired (who VARCHAR(200)) ENGINE = MyISAM", // which no rollback empties
		"CREATE FUNCTION sprung () RETURNS INT SQL SECURITY INVOKER MODIFIES SQL DATA BEGIN INSERT INTO `" + name + "`.fired VALUES (CURRENT_USER()); RETURN 1; END",
	} {
		if err := s.plant(t, tenant, sql); err != nil {
			t.Fatal(err)
		}
	}
	return tenant
}

// plant runs a statement as the tenant in its database.
func (s *server) plant(t testing.TB, tenant secretdoc.Document, sql string) error {
	t.Helper()
	db, err := s.Login(t.Context(), tenant.Username, tenant.Password)
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, sql := range []string{"SET SESSION sql_mode = ''", "USE `" + tenant.DBName + "`", strings.ReplaceAll(sql, "TENANT", at(tenant.Username))} {
		if _, err := conn.ExecContext(t.Context(), sql); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) spoils(t testing.TB, tenant secretdoc.Document) []string {
	t.Helper()
	var all []string
	for _, row := range s.Exec("SELECT who, COUNT(*) FROM `" + tenant.DBName + "`.fired GROUP BY who") {
		all = append(all, fmt.Sprintf("what was planted has run %s times as %s", row[1], row[0]))
	}
	names := dbtest.MySQLText(tenant.Username) + ", " + dbtest.MySQLText(tenant.Username+"_clone") + ", 'x'"
	for _, row := range s.Exec("SELECT User, Super_priv, Create_user_priv, Grant_priv, Select_priv, Execute_priv FROM mysql.user WHERE User IN (" + names + ")") {
		if row[0] == "x" || strings.Contains(strings.Join(row[1:], ""), "Y") {
			all = append(all, "has rights on everything: "+strings.Join(row, " "))
		}
	}
	return all
}

// MySQL 5.6 shows the names of columns as they are, in GRANT statements that we read.
// None of them makes a right of something that its owner has not.
func TestColumnsThatEndAGrant(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.Exec("CREATE DATABASE IF NOT EXISTS shop", "CREATE TABLE IF NOT EXISTS shop.orders (id INT, note INT)")
		for _, column := range []string{
			"a) ON `shop`.`orders` TO 'x'@'%'; --", "a) ON `shop`.`orders` TO 'USER'@'%' -- x", "a), INSERT (b) ON `shop`.`orders` TO 'USER'@'%' #",
			"a) ON `shop`.* TO 'USER'@'%' WITH GRANT OPTION /*", "a`, `b", `a\`, "a', 'b) ON *.*",
		} {
			user, password := s.Name()[:8], dbtest.Password()
			s.dropLater(t, user)
			tenant := s.newTenant(t, user, password)
			column = "`" + strings.ReplaceAll(strings.ReplaceAll(column, "USER", user), "`", "``") + "`"
			for _, sql := range []string{"CREATE TABLE t (" + column + " INT)", "GRANT SELECT (" + column + ") ON t TO TENANT"} {
				if err := s.plant(t, tenant, sql); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			rights, err := s.open(t, s.super).Privileges(t.Context(), user)
			if err != nil && !fault.Is(err, fault.DatabaseError) {
				t.Error(err)
			}
			for _, right := range rights {
				if strings.Contains(right, " ON `shop`") && !strings.Contains(right, " ON `db-") || strings.Contains(right, " ON *.*") && !strings.Contains(right, " ON `db-") {
					t.Errorf("%s is read as %s", column, right)
				}
			}
			_, err = s.open(t, s.super).EnsureClone(t.Context(), engine.CloneRequest{Original: user, Clone: user + "_clone", Password: password, Mark: "m", Proven: true})
			if err != nil && !fault.Is(err, fault.DatabaseError) {
				t.Error(err)
			}
			if s.accepts(user+"_clone", password) {
				if _, _, err := s.As(user+"_clone", password, "SELECT * FROM shop.orders"); err == nil {
					t.Errorf("%s gives the clone another's table", column)
				}
			}
			if spoils := s.spoils(t, tenant); len(spoils) > 0 {
				t.Error(spoils)
			}
		}
	})
}

// The traps of TestHostileTenants work, or nothing is proven.
func TestTrapsSpring(t *testing.T) {
	s := mariaDB.own(t, "hostile", nil)
	s.super = s.master(t)
	tenancy := s.tenancy()
	for i, careless := range []string{"SELECT * FROM user", "INSERT INTO user VALUES (1, 1)"} {
		user, password := s.Name()[:8], dbtest.Password()
		s.dropLater(t, user)
		tenant := tenancy.New(t, user, password)
		tenancy.Plants[i].Lay(t, tenant)
		admin := s.super
		admin.DBName = tenant.DBName
		if err := s.plant(t, admin, careless); err != nil {
			t.Fatal(err)
		}
		if spoils := tenancy.Spoils(t, tenant); len(spoils) == 0 {
			t.Errorf("not even a careless statement springs them: %s", careless)
		}
	}
}
