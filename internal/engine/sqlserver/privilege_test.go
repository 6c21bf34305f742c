package sqlserver_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// role makes a login a member of a server role, or a user one of a database role.
func role(name, member string) string { return tsql.Membership(false, true, name, member) }

func serverRole(name, member string) string { return tsql.Membership(true, true, name, member) }

// Who may change another's password, by whichever of the ways in which the server lets
// somebody do it ("ALTER LOGIN", "ALTER USER", "Server-level roles"). What preflight says the
// step does, and what it refuses the step refuses, for the same reason.
func TestWhoMayChangeAnother(t *testing.T) {
	control := "GRANT CONTROL SERVER TO "
	for name, tc := range map[string]struct {
		whom            string
		server, inBox   []string // what the helper gets, and what the account has
		missing, atHome string   // what the refusal names; the database that the helper works in
	}{
		"nothing":                {whom: "app", missing: "may not see"},
		"ALTER ANY LOGIN":        {whom: "app", server: []string{"GRANT ALTER ANY LOGIN TO [helper]"}},
		"ALTER on that login":    {whom: "app", server: []string{"GRANT ALTER ON LOGIN::[app] TO [helper]"}},
		"CONTROL on that login":  {whom: "app", server: []string{"GRANT CONTROL ON LOGIN::[app] TO [helper]"}},
		"ALTER on another login": {whom: "app", server: []string{"GRANT ALTER ON LOGIN::[admin] TO [helper]"}, missing: "may not see"},
		"securityadmin":          {whom: "app", server: []string{serverRole("securityadmin", "helper")}},
		"##MS_LoginManager##":    {whom: "app", server: []string{serverRole("##MS_LoginManager##", "helper")}},
		"CONTROL SERVER":         {whom: "app", server: []string{control + "[helper]"}},
		"sysadmin":               {whom: "app", server: []string{serverRole("sysadmin", "helper")}},
		"denied, though granted": {whom: "app", server: []string{serverRole("securityadmin", "helper"), "DENY ALTER ANY LOGIN TO [helper]"}, missing: "may not see"},
		"a sysadmin, by a securityadmin": {
			whom: "app", server: []string{serverRole("securityadmin", "helper"), serverRole("sysadmin", "app")}, missing: "CONTROL SERVER",
		},
		"CONTROL SERVER, by ALTER ANY LOGIN": {
			whom: "app", server: []string{"GRANT ALTER ANY LOGIN TO [helper]", control + "[app]"}, missing: "CONTROL SERVER",
		},
		"a sysadmin, by CONTROL SERVER": {whom: "app", server: []string{control + "[helper]", serverRole("sysadmin", "app")}},

		"contained, by nothing":          {whom: "lone", atHome: "my.box", missing: "may not see"},
		"contained, by ALTER ANY USER":   {whom: "lone", atHome: "my.box", inBox: []string{"GRANT ALTER ANY USER TO [helper]"}},
		"contained, by db_accessadmin":   {whom: "lone", atHome: "my.box", inBox: []string{role("db_accessadmin", "helper")}},
		"contained, by db_owner":         {whom: "lone", atHome: "my.box", inBox: []string{role("db_owner", "helper")}},
		"contained, by db_securityadmin": {whom: "lone", atHome: "my.box", inBox: []string{role("db_securityadmin", "helper")}, missing: "ALTER ANY USER"},
		"contained, by CONTROL SERVER":   {whom: "lone", atHome: "my.box", server: []string{control + "[helper]"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.AddDatabase("my.box", true) // no name without quotes
			b.exec("master", login("helper", adminPassword))
			b.exec("my.box", tsql.CreateContainedUser("lone", redact.New(appPassword), "dbo", "", "nobody's").Reveal(), tsql.CreateUser("helper", "helper", "dbo"))
			b.exec("master", tc.server...)
			b.exec("my.box", tc.inBox...)
			s := b.connect("helper", adminPassword, "master")
			_, told := s.(engine.Inspector).CanRotate(t.Context(), engine.InspectRequest{SetPassword: tc.whom})
			err := s.SetPassword(t.Context(), tc.whom, redact.New(newPassword))
			changed := b.Accepts(tc.whom, newPassword, max(tc.atHome, "master"))
			if changed != (tc.missing == "") {
				t.Errorf("changed: %t, by %v", changed, err)
			}
			if fmt.Sprint(told) != fmt.Sprint(err) {
				t.Errorf("preflight said\n%v, and the step\n%v", told, err)
			}
			if tc.missing == "" {
				must(t, err)
				return
			}
			want(t, err, fault.PrivilegeMissing)
			if !strings.Contains(err.Error(), tc.missing) {
				t.Errorf("%v does not say %q", err, tc.missing)
			}
		})
	}
}

// What makes a clone and levels it. A superuser that does not see which roles the original
// is in would take it for one that is in none: that is refused, and not called level.
func TestWhoMayMakeAClone(t *testing.T) {
	all := []string{"GRANT ALTER ANY LOGIN TO [helper]", "GRANT VIEW ANY DEFINITION TO [helper]"}
	within := []string{role("db_owner", "helper")}
	for name, tc := range map[string]struct {
		server, within []string
		missing        string
	}{
		"as RDS's master user":                {all, within, ""},
		"securityadmin, who sees all":         {[]string{serverRole("securityadmin", "helper")}, within, ""},
		"ALTER ANY LOGIN alone":               {all[:1], within, "VIEW ANY DEFINITION"},
		"VIEW ANY DEFINITION alone":           {all[1:], within, "ALTER ANY LOGIN"},
		"one login alone":                     {[]string{"GRANT ALTER ON LOGIN::[app] TO [helper]", all[1]}, within, "ALTER ANY LOGIN"},
		"ALTER ANY USER alone":                {all, []string{"GRANT ALTER ANY USER TO [helper]"}, "VIEW DEFINITION"},
		"db_accessadmin alone":                {all, []string{role("db_accessadmin", "helper")}, "VIEW DEFINITION"},
		"db_securityadmin alone":              {all, []string{role("db_securityadmin", "helper")}, "ALTER ANY USER"},
		"VIEW DEFINITION of a database alone": {all, []string{"GRANT VIEW DEFINITION TO [helper]"}, "ALTER ANY USER"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.exec("master", login("helper", adminPassword))
			b.exec("app", tsql.CreateUser("helper", "helper", "dbo"), role("db_datareader", "app"))
			b.exec("master", tc.server...)
			b.exec("app", tc.within...)
			s := b.connect("helper", adminPassword, "master")
			r := request(newPassword)
			told, refusal := s.(engine.Inspector).CanRotate(t.Context(), engine.InspectRequest{Clone: &r})
			before := len(b.Statements())
			done, err := s.EnsureClone(t.Context(), r)
			if fmt.Sprint(refusal) != fmt.Sprint(err) {
				t.Errorf("preflight said\n%v, and the step\n%v", refusal, err)
			}
			if tc.missing == "" {
				must(t, err)
				if !slices.Equal(told.Changes, done.Changes) {
					t.Errorf("preflight told %q, and done was %q", told.Changes, done.Changes)
				}
				if !slices.Contains(b.Rights("app_clone"), "app: member of db_datareader") {
					t.Errorf("the clone has %q", b.Rights("app_clone"))
				}
				return
			}
			want(t, err, fault.PrivilegeMissing)
			if !strings.Contains(err.Error(), tc.missing) {
				t.Errorf("%v does not say %q", err, tc.missing)
			}
			for _, sent := range b.Statements()[before:] {
				if !strings.HasPrefix(sent, "USE ") {
					t.Errorf("refused, and %s was sent", sent)
				}
			}
		})
	}
}

// The same of a contained user, all of which is in its database.
func TestWhoMayMakeAContainedClone(t *testing.T) {
	for name, tc := range map[string]struct {
		within  []string
		missing string
	}{
		"db_owner":              {[]string{role("db_owner", "helper")}, ""},
		"db_accessadmin alone":  {[]string{role("db_accessadmin", "helper")}, "VIEW DEFINITION"},
		"VIEW DEFINITION alone": {[]string{"GRANT VIEW DEFINITION TO [helper]"}, "ALTER ANY USER"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.AddDatabase("box", true)
			b.exec("master", login("helper", adminPassword))
			b.exec("box", tsql.CreateContainedUser("app", redact.New(appPassword), "dbo", "", "nobody's").Reveal(),
				tsql.CreateUser("helper", "helper", "dbo"), role("db_datareader", "app"))
			b.exec("box", tc.within...)
			s := b.connect("helper", adminPassword, "box")
			r := request(newPassword)
			_, told := s.(engine.Inspector).CanRotate(t.Context(), engine.InspectRequest{Clone: &r})
			_, err := s.EnsureClone(t.Context(), r)
			if fmt.Sprint(told) != fmt.Sprint(err) {
				t.Errorf("preflight said\n%v, and the step\n%v", told, err)
			}
			if made := b.Accepts("app_clone", newPassword, "box"); made != (tc.missing == "") {
				t.Errorf("made: %t", made)
			}
			if tc.missing != "" && (!fault.Is(err, fault.PrivilegeMissing) || !strings.Contains(err.Error(), tc.missing)) {
				t.Errorf("%v does not say %q", err, tc.missing)
			}
		})
	}
}
