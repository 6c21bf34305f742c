package mysql

import (
	"errors"
	"strings"
)

// errSyntax says that a server's answer could not be taken apart. A right that
// is not understood must not be lost silently.
var errSyntax = errors.New("mysql: not understood")

// scanner takes apart what SHOW GRANTS and SHOW CREATE USER show in a session
// that prepareSQL has prepared.
type scanner struct{ rest string }

// take consumes a prefix, if it is there.
func (s *scanner) take(prefix string) bool {
	rest, ok := strings.CutPrefix(s.rest, prefix)
	if ok {
		s.rest = rest
	}
	return ok
}

// until consumes what comes before one of the characters, or all.
func (s *scanner) until(any string) string {
	n := strings.IndexAny(s.rest, any)
	if n < 0 {
		n = len(s.rest)
	}
	head := s.rest[:n]
	s.rest = s.rest[n:]
	return head
}

// quoted consumes a quoted name or string and returns what it means. A quote
// within is doubled; in strings it may have a backslash before it, too, which
// some versions write whatever the sql_mode.
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

// grantee consumes the account in any of the ways in which servers show one:
// MySQL 5.6 does not even escape it.
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
