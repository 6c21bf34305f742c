package tdsfake

import (
	"encoding/binary"
	"time"
)

// identity is who has logged in.
type identity struct {
	login    *principal // nil for a contained user
	user     *principal // of a contained database
	home     *database  // the contained database that holds the password
	database *database  // the current one

	lockTimeout time.Duration // of the session; 0: none
}

// login answers LOGIN7 and reports whether the client is in.
func (c *conn) login(body []byte) bool {
	field := func(at int) string {
		offset := int(binary.LittleEndian.Uint16(body[at:]))
		length := 2 * int(binary.LittleEndian.Uint16(body[at+2:]))
		return text(body[offset : offset+length])
	}
	const user, password, database, fixed = 40, 44, 68, 94 // [MS-TDS] 2.2.6.4, OffsetLength
	if len(body) < fixed {
		return false
	}
	at, length := int(binary.LittleEndian.Uint16(body[password:])), 2*int(binary.LittleEndian.Uint16(body[password+2:]))
	for i := at; i < at+length; i++ { // scrambled, not encrypted
		b := body[i] ^ 0xa5
		body[i] = b<<4 | b>>4
	}
	var out reply
	who, errs := c.server.authenticate(field(user), field(password), field(database))
	if len(errs) > 0 {
		for _, number := range errs {
			out.error(refuse(number))
		}
		out.done(tokenDone, doneError, 0)
		_ = writeMessage(c.stream, packetReply, out.bytes)
		return false
	}
	c.who = who
	if c.stream != c.raw {
		c.server.encrypted()
	}
	const databaseChanged = 1
	out.environment(databaseChanged, who.database.name, "master")
	out.loginAck()
	out.done(tokenDone, 0, 0)
	return writeMessage(c.stream, packetReply, out.bytes) == nil
}

// Numbers of login errors.
const (
	errLoginFailed  = 18456
	errDisabled     = 18470
	errCannotOpenDB = 4060
)

// authenticate checks a password, really. A user of the contained database that
// is asked for comes before a login of the same name.
func (s *Server) authenticate(name, password, database string) (*identity, []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, errs := s.check(name, password, database)
	if len(errs) > 0 {
		s.counts.Refused++
	} else {
		s.counts.Accepted++
	}
	return who, errs
}

func (s *Server) encrypted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Encrypted++
}

func (s *Server) check(name, password, wanted string) (*identity, []int32) {
	if len(s.refuse) > 0 {
		return nil, s.refuse
	}
	db := s.databases[wanted]
	if db != nil && db.contained {
		if u := db.find(name); u != nil && u.authentication == authContained {
			if u.password != password {
				return nil, []int32{errLoginFailed}
			}
			return &identity{user: u, home: db, database: db}, nil
		}
	}
	l := s.find(name)
	switch {
	case l == nil || l.kind != "S" || l.password != password && l.trouble == 0:
		return nil, []int32{errLoginFailed}
	case l.disabled:
		return nil, []int32{errDisabled}
	case l.trouble != 0:
		return nil, []int32{l.trouble}
	}
	if wanted == "" {
		db = s.databases[l.settings.Database]
	}
	who := &identity{login: l, database: db}
	if db == nil || !s.access(who, db) {
		return nil, []int32{errCannotOpenDB, errLoginFailed}
	}
	return who, nil
}
