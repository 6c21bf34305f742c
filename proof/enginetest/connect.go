package enginetest

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

func (s *suite) connectCases() []testCase {
	hasTLS := unless(s.TLS != nil, "the server has no TLS")
	counts := unless(s.Logins != nil, "the server does not count logins")
	return []testCase{
		{"connect/probe", "", s.probe},
		{"connect/one accepted login", counts, s.oneLogin},
		{"connect/wrong password", "", s.wrongPassword},
		{"connect/one refused login", counts, s.oneRefusedLogin},
		{"connect/unknown user", "", func(t *testing.T) {
			s.refuses(t, s.Engine, s.Fixture.Document("nobody"+s.name(t)[:4], s.password("")), fault.LoginRefused)
		}},
		{"connect/disabled account", s.bars(fault.AccountDisabled), func(t *testing.T) { s.barred(t, fault.AccountDisabled) }},
		{"connect/expired password", s.bars(fault.PasswordExpired), func(t *testing.T) { s.barred(t, fault.PasswordExpired) }},
		{"connect/nothing listens", "", s.nothingListens},
		{"connect/no such host", "", func(t *testing.T) {
			doc := s.super
			doc.Host = "no-such-host.invalid"
			s.refuses(t, s.Engine, doc, fault.DatabaseUnreachable)
		}},
		{"connect/black hole", "", s.blackHole},
		{"connect/cancelled", "", s.cancelled},
		{"connect/something else answers", "", s.somethingElse},
		{"tls/verified", hasTLS, func(t *testing.T) { s.encrypted(t, new(true)) }},
		{"tls/by default", hasTLS, func(t *testing.T) { s.encrypted(t, nil) }},
		{"tls/switched off", hasTLS, func(t *testing.T) {
			s.under(t, withSSL(s.super, new(false)), false)
		}},
		{"tls/untrusted authority", hasTLS, func(t *testing.T) {
			s.refuses(t, s.TLS.Distrusting, withSSL(s.super, new(true)), fault.CertificateRejected)
		}},
		{"tls/untrusted authority is no reason for plaintext", hasTLS, s.noFallback},
		{"tls/wrong host name", hasTLS, func(t *testing.T) {
			for _, ssl := range []*bool{new(true), nil} {
				doc := withSSL(s.super, ssl)
				doc.Host = s.TLS.WrongHost
				s.refuses(t, s.Engine, doc, fault.CertificateRejected)
			}
		}},
		{"tls/required and not there", unless(s.NoTLS != nil, "there is no server without TLS"), func(t *testing.T) {
			s.refuses(t, s.Engine, withSSL(*s.NoTLS, new(true)), fault.TLSUnavailable)
		}},
		{"tls/not required and not there", unless(s.NoTLS != nil, "there is no server without TLS"), func(t *testing.T) {
			s.under(t, withSSL(*s.NoTLS, nil), false)
		}},
	}
}

func withSSL(doc secretdoc.Document, ssl *bool) secretdoc.Document {
	doc.SSL = ssl
	return doc
}

func (s *suite) probe(t *testing.T) {
	user, password := s.user(t)
	session := s.connect(t, s.Fixture.Document(user, password))
	for range 3 {
		if err := session.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	session.Close()
	session.Close() // harmless
	if err := session.Probe(t.Context()); err == nil {
		t.Error("a closed session answers")
	}
}

func (s *suite) oneLogin(t *testing.T) {
	user, password := s.user(t)
	doc := s.Fixture.Document(user, password)
	accepted, refused := s.Logins(t)
	session := s.connect(t, doc)
	session.Close()
	a, r := s.Logins(t)
	between, _ := s.Logins(t)
	// Counting may itself take a login, always the same number.
	if a-accepted-(between-a) != 1 || r != refused {
		t.Errorf("one Connect made %d accepted and %d refused logins", a-accepted-(between-a), r-refused)
	}
}

func (s *suite) wrongPassword(t *testing.T) {
	user, password := s.user(t)
	s.refuses(t, s.Engine, s.Fixture.Document(user, s.password("")), fault.LoginRefused)
	s.connect(t, s.Fixture.Document(user, password))
}

func (s *suite) oneRefusedLogin(t *testing.T) {
	user, _ := s.user(t)
	for _, ssl := range []*bool{nil, new(false)} {
		_, before := s.Logins(t)
		s.refuses(t, s.Engine, withSSL(s.Fixture.Document(user, s.password("")), ssl), fault.LoginRefused)
		if _, after := s.Logins(t); after-before != 1 {
			t.Errorf("one Connect made %d refused logins", after-before)
		}
	}
}

// bars says why there is nothing to try, or "".
func (s *suite) bars(code fault.Code) string {
	has := slices.ContainsFunc(s.Barred, func(b Barred) bool { return b.Code == code })
	return unless(has, "the server has nothing that is "+string(code))
}

// barred: an account that is kept out does not have a wrong password, which would
// be repaired by a new one.
func (s *suite) barred(t *testing.T, code fault.Code) {
	for _, b := range s.Barred {
		if b.Code != code {
			continue
		}
		t.Run(b.Name, func(t *testing.T) {
			user, password := s.user(t)
			doc := s.Fixture.Document(user, password)
			s.connect(t, doc).Close()
			b.Bar(t, user)
			session, err := s.Engine.Connect(t.Context(), doc)
			if err == nil {
				session.Close()
			}
			s.want(t, err, code)
			if !strings.Contains(fault.From(err).Op, user) {
				t.Errorf("%q does not name the user", fault.From(err).Op)
			}
			t.Log(err)
		})
	}
}

func (s *suite) nothingListens(t *testing.T) {
	l := listen(t)
	doc := at(s.super, l)
	l.Close()
	s.refuses(t, s.Engine, doc, fault.DatabaseUnreachable)
}

// blackHole: something accepts the connection and never says a word.
func (s *suite) blackHole(t *testing.T) {
	doc := at(s.super, listen(t))
	began := time.Now()
	s.refuses(t, s.Engine, doc, fault.DatabaseUnreachable)
	if took := time.Since(began); took > 2*engine.ConnectTimeout {
		t.Errorf("it took %v to give up, want %v", took, engine.ConnectTimeout)
	}
}

func (s *suite) cancelled(t *testing.T) {
	doc := at(s.super, listen(t))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	session, err := s.Engine.Connect(ctx, doc)
	if err == nil {
		session.Close()
	}
	s.check(t, err)
	if !fault.Is(err, fault.DatabaseUnreachable) || time.Since(began) > engine.ConnectTimeout-time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

// somethingElse: a server of another kind, such as a web server, answers.
func (s *suite) somethingElse(t *testing.T) {
	l := listen(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	s.refuses(t, s.Engine, at(s.super, l), fault.DatabaseError, fault.DatabaseUnavailable, fault.DatabaseUnreachable)
}

func (s *suite) encrypted(t *testing.T, ssl *bool) {
	p := newProxy(t, s.super)
	doc := withSSL(p.document(s.super), ssl)
	user, password := s.user(t)
	mine := withSSL(p.document(s.Fixture.Document(user, password)), ssl)
	s.under(t, doc, true)
	s.under(t, mine, true)
	if p.sawPlain("SELECT") || p.sawPlain("select") {
		t.Error("a statement crossed the network in clear")
	}
}

// under expects a session that knows whether it is encrypted.
func (s *suite) under(t *testing.T, doc secretdoc.Document, tls bool) {
	t.Helper()
	session, tells := s.connect(t, doc).(engine.Encrypted)
	if !tells || session.Encrypted() != tls {
		t.Errorf("it tells: %t, and not that TLS is %t", tells, tls)
	}
}

// noFallback: with ssl absent a certificate that does not verify ends the
// attempt, and neither name nor password has been sent.
func (s *suite) noFallback(t *testing.T) {
	user, password := s.user(t)
	p := newProxy(t, s.super)
	s.refuses(t, s.TLS.Distrusting, p.document(s.Fixture.Document(user, password)), fault.CertificateRejected)
	if p.sawPlain(user) || p.connections() != 1 {
		t.Errorf("%d connections, or the login went out in clear", p.connections())
	}
}
