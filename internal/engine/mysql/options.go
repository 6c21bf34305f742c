package mysql

import (
	"maps"
	"slices"
	"strings"
)

// accountOptions is what an account has besides its rights. Password histories and marks
// are left out, because they are not copied to a clone.
type accountOptions struct {
	factors []factor // how to log in; the hashes only where the server shows them
	require string   // "NONE", "SSL", "X509" or conditions on the certificate
	limits  map[string]string
	expire  string // "DEFAULT", "NEVER" or "INTERVAL n DAY"
	lockout map[string]string
	current string // whether a change of its password needs the current one: "", "DEFAULT", "OPTIONAL" or "REQUIRED"
	roles   rights // active roles, on servers that show them in SHOW CREATE USER
	locked  bool   // ACCOUNT LOCK, which is not copied to a clone
}

// The limits that every server has, in the order of the grammar. MariaDB has one more.
var limitNames = []string{"MAX_QUERIES_PER_HOUR", "MAX_UPDATES_PER_HOUR", "MAX_CONNECTIONS_PER_HOUR", "MAX_USER_CONNECTIONS"}

const (
	statementTime  = "MAX_STATEMENT_TIME"
	failedAttempts = "FAILED_LOGIN_ATTEMPTS"
	lockTime       = "PASSWORD_LOCK_TIME"
	required       = "REQUIRED" // for PASSWORD REQUIRE CURRENT, for which the grammar has no such word
)

// list returns the options that differ from the default, in a canonical form.
func (o accountOptions) list() []string {
	var lines []string
	if o.require != "" && o.require != "NONE" {
		lines = append(lines, "REQUIRE "+o.require)
	}
	for _, options := range []map[string]string{o.limits, o.lockout} {
		for _, name := range slices.Sorted(maps.Keys(options)) {
			lines = append(lines, name+" "+options[name])
		}
	}
	if o.expire != "" && o.expire != "DEFAULT" {
		lines = append(lines, "PASSWORD EXPIRE "+o.expire)
	}
	if o.current != "" && o.current != "DEFAULT" {
		lines = append(lines, "PASSWORD REQUIRE CURRENT: "+o.current)
	}
	return lines
}

// grantTail parses what follows the account in a line of SHOW GRANTS.
func (s *scanner) grantTail() (o accountOptions, grantable bool, err error) {
	for s.rest != "" {
		switch {
		case s.take("IDENTIFIED "):
			var factors []factor
			if factors, err = s.identification(); err != nil {
				return o, false, err
			}
			o.factors = append(o.factors, factors...)
		case s.take("REQUIRE "):
			if o.require, err = s.require(); err != nil {
				return o, false, err
			}
		case s.take("WITH "):
		case s.take(grantOption):
			grantable = true
			s.take(" ")
		case strings.HasPrefix(s.rest, "MAX_"):
			if err := s.limit(&o); err != nil {
				return o, false, err
			}
		default:
			return o, false, errSyntax
		}
	}
	return o, grantable, nil
}

// parseCreateUser reads the result of SHOW CREATE USER.
func parseCreateUser(line string, a account) (accountOptions, error) {
	var o accountOptions
	s := &scanner{rest: line}
	if !s.take("CREATE USER ") || !s.grantee(a) {
		return o, errSyntax
	}
	for s.rest != "" {
		if err := s.createClause(&o); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (s *scanner) createClause(o *accountOptions) (err error) {
	switch {
	case s.take("IDENTIFIED "), s.take("AND IDENTIFIED "):
		var factors []factor
		factors, err = s.identification()
		o.factors = append(o.factors, factors...)
	case s.take("DEFAULT ROLE "):
		err = s.activeRoles(o)
	case s.take("REQUIRE "):
		o.require, err = s.require()
	case s.take("WITH "):
	case strings.HasPrefix(s.rest, "MAX_"):
		err = s.limit(o)
	case s.take("ACCOUNT "):
		o.locked = s.word() == "LOCK"
	case s.take("PASSWORD EXPIRE"):
		s.take(" ")
		o.expire = s.expiry()
	case s.take("PASSWORD HISTORY "):
		s.word()
	case s.take("PASSWORD REQUIRE CURRENT"):
		s.take(" ")
		o.current = required
		for _, word := range []string{"DEFAULT", "OPTIONAL"} {
			if s.take(word) {
				o.current = word
				s.take(" ")
			}
		}
	case s.take("PASSWORD REUSE INTERVAL "):
		s.word()
		s.take("DAY")
		s.take(" ")
	case strings.HasPrefix(s.rest, failedAttempts), strings.HasPrefix(s.rest, lockTime):
		if o.lockout == nil {
			o.lockout = map[string]string{}
		}
		name := s.word()
		o.lockout[name] = s.word()
	case s.take("ATTRIBUTE "), s.take("COMMENT "):
		s.rest = "" // always the last clause; its quoting differs between versions
	default:
		err = errSyntax
	}
	return err
}

// identification: BY PASSWORD ['hash'] | VIA plugin [USING 'x'] [OR ...] | WITH 'plugin' [AS x].
func (s *scanner) identification() ([]factor, error) {
	if s.take("BY PASSWORD") {
		s.take(" ")
		f := factor{plugin: nativePassword}
		if strings.HasPrefix(s.rest, "'") {
			f.hash, _ = s.value()
		} else {
			s.take("<secret>")
			s.take(" ")
		}
		return []factor{f}, nil
	}
	if !s.take("VIA ") && !s.take("WITH ") {
		return nil, errSyntax
	}
	var factors []factor
	for {
		var f factor
		if name, ok := s.name(); ok {
			f.plugin = name
			s.take(" ")
		} else {
			f.plugin = s.word()
		}
		if s.take("USING ") || s.take("AS ") {
			var ok bool
			if f.hash, ok = s.value(); !ok {
				return nil, errSyntax
			}
		}
		factors = append(factors, f)
		if !s.take("OR ") {
			return factors, nil
		}
	}
}

// require: NONE | SSL | X509 | conditions.
func (s *scanner) require() (string, error) {
	for _, simple := range []string{"NONE", "SSL", "X509"} {
		if s.take(simple) {
			s.take(" ")
			return simple, nil
		}
	}
	var conditions []string
	for {
		switch {
		case s.take("AND "):
		case strings.HasPrefix(s.rest, "SUBJECT "), strings.HasPrefix(s.rest, "ISSUER "), strings.HasPrefix(s.rest, "CIPHER "):
			what := s.word()
			value, ok := s.value()
			if !ok {
				return "", errSyntax
			}
			conditions = append(conditions, what+" "+text(value))
		case len(conditions) == 0:
			return "", errSyntax
		default:
			slices.Sort(conditions)
			return strings.Join(conditions, " "), nil
		}
	}
}

func (s *scanner) limit(o *accountOptions) error {
	name := s.word()
	if !slices.Contains(limitNames, name) && name != statementTime {
		return errSyntax
	}
	if o.limits == nil {
		o.limits = map[string]string{}
	}
	o.limits[name] = s.word()
	return nil
}

// expiry: nothing (expired by hand) | DEFAULT | NEVER | INTERVAL n DAY.
func (s *scanner) expiry() string {
	switch {
	case s.take("INTERVAL "):
		days := s.word()
		s.take("DAY")
		s.take(" ")
		return "INTERVAL " + days + " DAY"
	case s.take("NEVER"):
		s.take(" ")
		return "NEVER"
	}
	s.take("DEFAULT")
	s.take(" ")
	return "DEFAULT"
}

func (s *scanner) activeRoles(o *accountOptions) error {
	for {
		name, ok := s.accountName()
		if !ok {
			return errSyntax
		}
		o.roles = append(o.roles, right{kind: activeRole, on: name})
		if !s.take(",") {
			s.take(" ")
			return nil
		}
		s.take(" ")
	}
}
