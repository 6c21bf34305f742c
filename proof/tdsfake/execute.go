package tdsfake

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
)

// Numbers of errors, from "Database Engine events and errors".
const (
	errReadOnly      = 3906
	errServerScope   = 4621
	errOwnerGrant    = 4624
	errCascade       = 4611
	errNoDBAccess    = 916
	errLoginExists   = 15025
	errUserExists    = 15023
	errSIDInUse      = 15433
	errNotFound      = 15151
	errOwns          = 15138
	errNotPermitted  = 15247
	errTooComplex    = 15118
	errNotContained  = 33233
	errNoSuchDefault = 15010
)

// password finds what a trace must not show.
var passwords = regexp.MustCompile(`(PASSWORD = N')(?:[^']|'')*(')`)

// execute runs a query or a statement.
func (s *Server) execute(who *identity, r request) (*result, *sqlError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q, ok := queries[r.text]; ok {
		return q(s, who, r.args), nil
	}
	if r.procedure {
		return nil, refuse(errSyntax)
	}
	run := parse(r.text)
	if run == nil {
		return nil, refuse(errSyntax)
	}
	text := passwords.ReplaceAllString(r.text, "${1}***${2}")
	s.log = append(s.log, entry{who.database.name, text})
	err := run(s, who)
	if err == nil && ddlOfDatabase.MatchString(text) && who.login != nil {
		for _, t := range who.database.triggers {
			s.fired = append(s.fired, fmt.Sprintf("%s as %s: %s", t, who.login.name, text))
		}
	}
	return nil, err
}

// ddlOfDatabase are the statements that are events of a database, and not of the server
// ("DDL Events").
var ddlOfDatabase = regexp.MustCompile(`^(CREATE USER|ALTER USER|DROP USER|ALTER ROLE|GRANT|DENY|REVOKE|SET XACT_ABORT ON) `)

// Exec runs a statement as sa in a database, for setting a scene. It takes the
// engine's own statements only.
func (s *Server) Exec(database, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	run := parse(text)
	if run == nil {
		return refuse(errSyntax)
	}
	who := &identity{login: s.find("sa"), database: s.databases[database]}
	if err := run(s, who); err != nil {
		return err
	}
	return nil
}

func useDatabase(name string) statement {
	return func(s *Server, who *identity) *sqlError {
		d := s.databases[name]
		if d == nil {
			return refuse(911)
		}
		if !s.access(who, d) {
			return refuse(errNoDBAccess)
		}
		who.database = d
		return nil
	}
}

// weak is the password policy: eight characters of three kinds.
func weak(password string) bool {
	kinds := 0
	for _, class := range []string{`[a-z]`, `[A-Z]`, `[0-9]`, `[^a-zA-Z0-9]`} {
		if regexp.MustCompile(class).MatchString(password) {
			kinds++
		}
	}
	return len(password) < 8 || kinds < 3
}

func settingsOf(options map[string]string, settings tsql.LoginSettings) tsql.LoginSettings {
	if v, ok := options["DEFAULT_DATABASE"]; ok {
		settings.Database = v
	}
	if v, ok := options["DEFAULT_LANGUAGE"]; ok {
		settings.Language = v
	}
	if v, ok := options["CHECK_POLICY"]; ok {
		settings.CheckPolicy = v == "ON"
	}
	if v, ok := options["CHECK_EXPIRATION"]; ok {
		settings.CheckExpiration = v == "ON"
	}
	return settings
}

func createLogin(name string, options map[string]string) statement {
	return func(s *Server, who *identity) *sqlError {
		settings := settingsOf(options, tsql.LoginSettings{Database: "master", Language: "us_english", CheckPolicy: true})
		sid := []byte(options["SID"])
		switch {
		case !s.alterLogins(who):
			return refuse(errNotPermitted)
		case s.find(name) != nil:
			return refuse(errLoginExists)
		case len(sid) != 0 && s.bySID(sid) != nil:
			return refuse(errSIDInUse)
		case s.databases[settings.Database] == nil:
			return refuse(errNoSuchDefault)
		case settings.CheckPolicy && weak(options["PASSWORD"]):
			return refuse(errTooComplex)
		}
		id := s.id()
		if len(sid) == 0 {
			sid = slices.Concat([]byte("a login's number"), []byte{byte(id), byte(id >> 8)})
		}
		s.principals = append(s.principals, &principal{
			id: id, name: name, kind: "S", sid: sid, password: options["PASSWORD"], settings: settings,
		})
		s.permissions = append(s.permissions, permission{grantee: id, class: "SERVER", state: tsql.Grant, name: "CONNECT SQL"})
		return nil
	}
}

func alterLogin(name string, options map[string]string) statement {
	return func(s *Server, who *identity) *sqlError {
		l := s.find(name)
		old, proves := options["OLD_PASSWORD"]
		if l == nil || l.kind != "S" {
			return refuse(errNotFound)
		}
		_, changes := options["PASSWORD"]
		own := who.login == l && changes && proves
		if !own && !s.alterLogin(who, l) || proves && old != l.password {
			return refuse(errNotFound) // the server does not say which
		}
		if !own && s.powerful(l) && !s.may(who, tsql.ControlServer) {
			return refuse(errNotFound)
		}
		settings := settingsOf(options, l.settings)
		if changes && settings.CheckPolicy && weak(options["PASSWORD"]) {
			return refuse(errTooComplex)
		}
		l.settings = settings
		if changes {
			l.password = options["PASSWORD"]
		}
		return nil
	}
}

func enableLogin(name string) statement {
	return func(s *Server, who *identity) *sqlError {
		l := s.find(name)
		if l == nil || !s.alterLogin(who, l) || s.powerful(l) && !s.may(who, tsql.ControlServer) {
			return refuse(errNotFound)
		}
		l.disabled = false
		return nil
	}
}

// writable checks that the session may administer the current database.
func (s *Server) writable(who *identity) *sqlError {
	switch d := who.database; {
	case !s.administers(who, d):
		return refuse(errNotPermitted)
	case d.readOnly:
		return refuse(errReadOnly)
	}
	return nil
}

// changesUsers checks that the session may change users of the current database.
func (s *Server) changesUsers(who *identity) *sqlError {
	switch d := who.database; {
	case !s.mayIn(who, d, tsql.AlterAnyUser):
		return refuse(errNotPermitted)
	case d.readOnly:
		return refuse(errReadOnly)
	}
	return nil
}

func createUser(name, login string, options map[string]string) statement {
	return func(s *Server, who *identity) *sqlError {
		l := s.find(login)
		d := who.database
		switch err := s.changesUsers(who); {
		case err != nil:
			return err
		case l == nil:
			return refuse(15007)
		case d.find(name) != nil || d.bySID(l.sid) != nil:
			return refuse(errUserExists)
		}
		s.addUser(d, &principal{name: name, sid: l.sid, authentication: authInstance, schema: options["DEFAULT_SCHEMA"]})
		return nil
	}
}

func (s *Server) addUser(d *database, u *principal) {
	u.id, u.kind = s.id(), "S"
	d.principals = append(d.principals, u)
	d.permissions = append(d.permissions, permission{grantee: u.id, class: "DATABASE", state: tsql.Grant, name: "CONNECT"})
}

func createContained(name string, options map[string]string) statement {
	return func(s *Server, who *identity) *sqlError {
		d := who.database
		switch err := s.changesUsers(who); {
		case err != nil:
			return err
		case !d.contained:
			return refuse(errNotContained)
		case d.find(name) != nil:
			return refuse(errUserExists)
		case weak(options["PASSWORD"]):
			return refuse(errTooComplex)
		}
		s.addUser(d, &principal{
			name: name, authentication: authContained, password: options["PASSWORD"],
			schema: options["DEFAULT_SCHEMA"], language: options["DEFAULT_LANGUAGE"],
		})
		return nil
	}
}

func alterUser(name string, options map[string]string) statement {
	return func(s *Server, who *identity) *sqlError {
		d := who.database
		u := d.find(name)
		if u == nil {
			return refuse(errNotFound)
		}
		password, changes := options["PASSWORD"]
		old, proves := options["OLD_PASSWORD"]
		if changes && u.authentication != authContained {
			return refuse(errNotContained)
		}
		own := who.user == u && changes && proves
		if !own && !s.mayIn(who, d, tsql.AlterAnyUser) || proves && old != u.password {
			return refuse(errNotFound)
		}
		if d.readOnly {
			return refuse(errReadOnly)
		}
		if changes {
			if weak(password) {
				return refuse(errTooComplex)
			}
			u.password = password
		}
		if v, ok := options["DEFAULT_SCHEMA"]; ok {
			u.schema = v
		}
		if v, ok := options["DEFAULT_LANGUAGE"]; ok {
			u.language = v
		}
		return nil
	}
}

func dropUser(name string) statement {
	return func(s *Server, who *identity) *sqlError {
		d := who.database
		if err := s.changesUsers(who); err != nil {
			return err
		}
		u := d.find(name)
		if u == nil {
			return refuse(errNotFound)
		}
		if slices.ContainsFunc(d.securables, func(o *securable) bool { return o.owner == u.id }) {
			return refuse(errOwns)
		}
		d.drop(u)
		return nil
	}
}

func changeMembership(server, add bool, role, member string) statement {
	return func(s *Server, who *identity) *sqlError {
		scope := &who.database.scope
		if server {
			scope = &s.scope
		}
		r, m := scope.find(role), scope.find(member)
		if r == nil || m == nil {
			return refuse(errNotFound)
		}
		if server {
			// Whoever is in a fixed role may let others into it.
			if !s.sysadmin(who) && !s.isMember(r.id, who.login.id) {
				return refuse(errNotFound)
			}
		} else if err := s.writable(who); err != nil {
			return err
		}
		scope.members = slices.DeleteFunc(scope.members, func(x membership) bool { return x == membership{r.id, m.id} })
		if add {
			scope.members = append(scope.members, membership{r.id, m.id})
		}
		return nil
	}
}
