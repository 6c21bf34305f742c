package mysql

import (
	"errors"
	"strings"
)

// errSyntax means that a server's answer could not be parsed. A right must not be lost
// silently because it was not understood.
var errSyntax = errors.New("mysql: not understood")

// scanner parses the answers to SHOW GRANTS and SHOW CREATE USER in a session prepared by
// prepareSQL.
type scanner struct{ rest string }

// take consumes a prefix and reports whether it was there.
func (s *scanner) take(prefix string) bool {
	rest, ok := strings.CutPrefix(s.rest, prefix)
	if ok {
		s.rest = rest
	}
	return ok
}

// until consumes the text up to one of the characters, or all of it.
func (s *scanner) until(any string) string {
	n := strings.IndexAny(s.rest, any)
	if n < 0 {
		n = len(s.rest)
	}
	head := s.rest[:n]
	s.rest = s.rest[n:]
	return head
}

// quoted consumes a quoted name or string and returns its value. A quote inside is
// doubled; in a string it may be escaped by a backslash instead, which some versions
// write whatever the sql_mode.
func (s *scanner) quoted(quote byte) (string, bool) {
	if s.rest == "" || s.rest[0] != quote {
		return "", false
	}
	var out strings.Builder
	for i := 1; i < len(s.rest); i++ {
		if s.rest[i] != quote {
			out.WriteByte(s.rest[i])
			continue
		}
		if i+1 < len(s.rest) && s.rest[i+1] == quote {
			out.WriteByte(quote)
			i++
			continue
		}
		s.rest = s.rest[i+1:]
		return out.String(), true
	}
	return "", false
}

// name consumes an identifier in backticks or in quotes.
func (s *scanner) name() (string, bool) {
	if name, ok := s.quoted('`'); ok {
		return name, true
	}
	return s.quoted('\'')
}

// word consumes a run of characters up to a space or a comma.
func (s *scanner) word() string {
	w := s.until(" ,")
	s.take(" ")
	return w
}

// value consumes a string in quotes, a number or a placeholder.
func (s *scanner) value() (string, bool) {
	if strings.HasPrefix(s.rest, "'") {
		v, ok := s.quoted('\'')
		s.take(" ")
		return v, ok
	}
	return s.word(), true
}

// grantee consumes the account in any of the forms in which servers show it. MySQL 5.6
// does not even escape it.
func (s *scanner) grantee(a account) bool {
	for _, form := range []string{
		identifier(a.user) + "@" + identifier(a.host),
		"'" + a.user + "'@'" + a.host + "'",
		a.sql(),
	} {
		rest, ok := strings.CutPrefix(s.rest, form)
		if ok && (rest == "" || rest[0] == ' ') {
			s.rest = strings.TrimPrefix(rest, " ")
			return true
		}
	}
	return false
}
