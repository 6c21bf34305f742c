package mysql_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// scenes are accounts and servers of the family as people have them on RDS.
func (s *server) scenes() []enginetest.Scene {
	scene := func(name string, statements ...string) enginetest.Scene {
		return enginetest.Scene{Name: name, Set: func(t testing.TB, user string) {
			for _, statement := range statements {
				s.Exec(strings.ReplaceAll(statement, "?", at(user)))
			}
		}}
	}
	// server changes the server, and undoes it; statements beginning with - are for that.
	server := func(name string, statements ...string) enginetest.Scene {
		return enginetest.Scene{Name: name, Set: func(t testing.TB, user string) {
			for _, statement := range statements {
				if undo, ok := strings.CutPrefix(statement, "-"); ok {
					t.Cleanup(func() { s.Exec(strings.NewReplacer("?", at(user), "!", at(user+"_clone")).Replace(undo)) })
				} else {
					s.Exec(strings.ReplaceAll(statement, "?", at(user)))
				}
			}
		}}
	}
	scenes := []enginetest.Scene{
		scene("rights of every level", "GRANT SELECT, CREATE TEMPORARY TABLES ON *.* TO ?", "GRANT UPDATE ON shop.* TO ? WITH GRANT OPTION",
			"GRANT DELETE ON shop.orders TO ?", "GRANT UPDATE (note), INSERT (id) ON shop.orders TO ?"),
		scene("limits", "GRANT USAGE ON *.* TO ? WITH MAX_USER_CONNECTIONS 7"),
	}
	if s.newer() {
		scenes[1] = scene("limits", "ALTER USER ? WITH MAX_USER_CONNECTIONS 7")
	}
	if s.tls {
		encrypted := scene("REQUIRE SSL", "ALTER USER ? REQUIRE SSL")
		encrypted.Encrypted = true
		scenes = append(scenes, encrypted)
	}
	if s.name != mysql56.name {
		roles := []string{
			"-DROP ROLE scene_a", "-DROP ROLE scene_b", "CREATE ROLE scene_a", "CREATE ROLE scene_b", "GRANT DELETE ON shop.* TO scene_b",
			"GRANT scene_a TO ? WITH ADMIN OPTION", "GRANT scene_b TO ?", map[bool]string{true: "SET DEFAULT ROLE scene_b TO ?", false: "SET DEFAULT ROLE scene_b FOR ?"}[s.newer()],
		}
		if s.name == mariaDB.name { // whose roles are passed on by who may, each
			theirs := server("a role that the superuser may not pass on", roles...)
			theirs.Code = fault.PrivilegeMissing
			theirs.CloneOnly = true
			scenes = append(scenes, theirs)
			master := at(s.super.Username)
			roles = append(roles, "GRANT scene_a TO "+master+" WITH ADMIN OPTION", "GRANT scene_b TO "+master+" WITH ADMIN OPTION")
		}
		scenes = append(scenes, server("roles, one of them with admin option and one by default", roles...))
	}
	if s.name == mariaDB.name {
		scenes = append(scenes,
			server("default_password_lifetime", "-SET GLOBAL default_password_lifetime = 0", "SET GLOBAL default_password_lifetime = 1"),
			server("max_password_errors of one", "-SET GLOBAL max_password_errors = DEFAULT", "-FLUSH PRIVILEGES", "SET GLOBAL max_password_errors = 1"))
	}
	if s.newer() {
		scenes = append(scenes,
			scene("FAILED_LOGIN_ATTEMPTS 1", "ALTER USER ? FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME UNBOUNDED"),
			scene("PASSWORD REQUIRE CURRENT", "ALTER USER ? PASSWORD REQUIRE CURRENT"),
			scene("dynamic privileges", "GRANT BACKUP_ADMIN ON *.* TO ? WITH GRANT OPTION"),
			server("mandatory_roles", "-DROP ROLE scene_m", "-SET GLOBAL mandatory_roles = ''", "CREATE ROLE scene_m", "GRANT SELECT ON shop.* TO scene_m", "SET GLOBAL mandatory_roles = 'scene_m'"),
			server("mandatory_roles that are active on login", "-DROP ROLE scene_m", "-SET GLOBAL mandatory_roles = ''", "-SET GLOBAL activate_all_roles_on_login = OFF",
				"CREATE ROLE scene_m", "GRANT SELECT ON shop.* TO scene_m", "SET GLOBAL mandatory_roles = 'scene_m'", "SET GLOBAL activate_all_roles_on_login = ON"),
			server("partial_revokes", "-SET GLOBAL partial_revokes = OFF", "-DROP USER IF EXISTS ?, !", "SET GLOBAL partial_revokes = ON", "GRANT SELECT ON *.* TO ?", "REVOKE SELECT ON mysql.* FROM ?"),
			server("validate_password", "-UNINSTALL COMPONENT 'file://component_validate_password'", "INSTALL COMPONENT 'file://component_validate_password'"))
	}
	return scenes
}

// RDS's require_secure_transport, which keeps the fixture out.
func TestRequireSecureTransport(t *testing.T) {
	for _, p := range []product{mariaDB, mysql9} {
		t.Run(p.name, func(t *testing.T) {
			s := p.server(t)
			user, old := s.user(t)
			admin, err := s.Admin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer admin.Close()
			admin.SetMaxOpenConns(1) // which is open already
			set := func(value string) {
				if _, err := admin.ExecContext(t.Context(), "SET GLOBAL require_secure_transport = "+value); err != nil {
					t.Fatal(err)
				}
			}
			fresh, reset, clone := dbtest.Password(), dbtest.Password(), dbtest.Password()
			set("ON")
			ownErr := s.open(t, s.Document(user, old)).SetPassword(t.Context(), user, fresh)
			super := s.open(t, s.super)
			superErr := super.SetPassword(t.Context(), user, reset)
			_, cloneErr := super.EnsureClone(t.Context(), engine.CloneRequest{Original: user, Clone: user + "_clone", Password: clone, Mark: mark})
			plain, plainErr := s.engine.Connect(t.Context(), s.Document(user, reset, func(keys map[string]any) { keys["ssl"] = false }))
			if plainErr == nil {
				plain.Close()
			}
			set("OFF")
			if ownErr != nil || superErr != nil || cloneErr != nil || !s.accepts(user, reset) || !s.accepts(user+"_clone", clone) {
				t.Errorf("own %v, by superuser %v, clone %v", ownErr, superErr, cloneErr)
			}
			if !fault.Is(plainErr, fault.DatabaseError, fault.LoginRefused) {
				t.Errorf("without TLS: %v", plainErr)
			}
		})
	}
}

// catalogue lists an account's rows in the tables of rights of the schema mysql, as
// they are, without its name.
func (s *server) catalogue(t testing.TB, user string, _ redact.String) (lines []string) {
	name := dbtest.MySQLText(user)
	add := func(table, account string, without ...string) {
		rows := s.Exec("SELECT column_name FROM information_schema.columns WHERE table_schema = 'mysql' AND table_name = '" + table + "'")
		var columns []string
		for _, row := range rows {
			if !slices.Contains(append(without, account, "Timestamp", "timestamp", "Grantor", "grantor", "With_grant"), row[0]) {
				columns = append(columns, "`"+row[0]+"`")
			}
		}
		if len(columns) == 0 {
			return // this server has no such table
		}
		for _, row := range s.Exec(fmt.Sprintf("SELECT %s FROM mysql.%s WHERE `%s` = %s", strings.Join(columns, ", "), table, account, name)) {
			lines = append(lines, table+": "+strings.Join(row, "|"))
		}
	}
	add("user", "User", "Password", "authentication_string", "password_last_changed", "User_attributes", "Password_reuse_history", "Password_reuse_time", "account_locked", "plugin")
	for _, table := range []string{"db", "tables_priv", "columns_priv", "procs_priv", "proxies_priv", "roles_mapping"} {
		add(table, "User")
	}
	add("global_grants", "USER")
	add("role_edges", "TO_USER")
	add("default_roles", "USER")
	slices.Sort(lines)
	return lines
}
