package tdsfake

import (
	"fmt"
	"slices"
)

// Rights lists all that the model holds of a login, on the server and in each database,
// without its name: not by the catalogue queries that the engine sends.
func (s *Server) Rights(login string) (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	l := s.find(login)
	if l == nil {
		return nil
	}
	add("login %+v, disabled %v", l.settings, l.disabled)
	for _, line := range s.rightsOfPrincipal(l.id) {
		add("server: %s", line)
	}
	for name, d := range s.databases {
		u := d.bySID(l.sid)
		if u == nil {
			continue
		}
		add("%s: schema %q, language %q", name, u.schema, u.language)
		for _, line := range d.rightsOfPrincipal(u.id) {
			add("%s: %s", name, line)
		}
	}
	slices.Sort(lines)
	return lines
}

func (c *scope) rightsOfPrincipal(id int) (lines []string) {
	for _, m := range c.members {
		if m.member == id {
			lines = append(lines, "member of "+c.byID(m.role).name)
		}
	}
	for _, p := range c.permissions {
		if p.grantee == id {
			lines = append(lines, fmt.Sprintf("%s %s on %s %d, %d", p.state, p.name, p.class, p.major, p.sub))
		}
	}
	return lines
}
