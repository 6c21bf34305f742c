package sqlserver_test

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/proof/tdsfake"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

func TestConnectOncePerCall(t *testing.T) {
	b := newBed(t)
	must(t, b.connect("app", appPassword, "app").Probe(t.Context()))
	want(t, b.login("app", "wrong", "app"), fault.LoginRefused)
	want(t, b.login("nobody", "wrong", "app"), fault.LoginRefused)
	if got := b.Counts(); got != (tdsfake.Counts{Accepted: 1, Refused: 2, Encrypted: 1}) {
		t.Errorf("logins %+v", got)
	}
}

// Every combination of the ssl key and of what the server has.
func TestTLS(t *testing.T) {
	foreign := certs.New("an authority nobody trusts")
	good := authority.Server("127.0.0.1")
	const absent, yes, no = "", `,"ssl":true`, `,"ssl":"false"`
	for name, tc := range map[string]struct {
		cfg    tdsfake.Config
		ssl    string
		code   fault.Code
		logins int
		secret int // logins whose session is encrypted
	}{
		"offered, absent":        {tdsfake.Config{Certificate: good}, absent, "", 1, 1},
		"offered, true":          {tdsfake.Config{Certificate: good}, yes, "", 1, 1},
		"offered, false":         {tdsfake.Config{Certificate: good}, no, "", 1, 0},
		"required, absent":       {tdsfake.Config{Certificate: good, Encryption: tdsfake.EncryptionRequired}, absent, "", 1, 1},
		"required, true":         {tdsfake.Config{Certificate: good, Encryption: tdsfake.EncryptionRequired}, yes, "", 1, 1},
		"required, false":        {tdsfake.Config{Certificate: good, Encryption: tdsfake.EncryptionRequired}, no, "", 1, 1},
		"none, absent":           {tdsfake.Config{}, absent, fault.TLSUnavailable, 0, 0}, // it may be a stranger's word
		"none, true":             {tdsfake.Config{}, yes, fault.TLSUnavailable, 0, 0},
		"none, false":            {tdsfake.Config{}, no, "", 1, 0},
		"foreign, absent":        {tdsfake.Config{Certificate: foreign.Server("127.0.0.1")}, absent, fault.CertificateRejected, 0, 0},
		"foreign, true":          {tdsfake.Config{Certificate: foreign.Server("127.0.0.1")}, yes, fault.CertificateRejected, 0, 0},
		"foreign, false":         {tdsfake.Config{Certificate: foreign.Server("127.0.0.1")}, no, "", 1, 0},
		"other name, absent":     {tdsfake.Config{Certificate: authority.Server("db.example")}, absent, fault.CertificateRejected, 0, 0},
		"other name, true":       {tdsfake.Config{Certificate: authority.Server("db.example")}, yes, fault.CertificateRejected, 0, 0},
		"expired, absent":        {tdsfake.Config{Certificate: authority.Expired("127.0.0.1")}, absent, fault.CertificateRejected, 0, 0},
		"old TLS, absent":        {tdsfake.Config{Certificate: good, MaxTLS: tls.VersionTLS11}, absent, fault.TLSUnavailable, 0, 0},
		"old TLS, true":          {tdsfake.Config{Certificate: good, MaxTLS: tls.VersionTLS11}, yes, fault.TLSUnavailable, 0, 0},
		"foreign, forced, false": {tdsfake.Config{Certificate: foreign.Server("x"), Encryption: tdsfake.EncryptionRequired}, no, "", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.Configure(tc.cfg)
			s, err := b.e.Connect(t.Context(), b.doc("app", appPassword, "app", tc.ssl))
			want(t, err, tc.code)
			if err == nil {
				defer s.Close()
				must(t, s.Probe(t.Context()))
			}
			if got := b.Counts(); got != (tdsfake.Counts{Accepted: tc.logins, Encrypted: tc.secret}) {
				t.Errorf("logins %+v, want %d accepted and %d of them encrypted", got, tc.logins, tc.secret)
			}
		})
	}
}

func TestLoginErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		numbers []int32
		code    fault.Code
	}{
		"password":      {[]int32{18456}, fault.LoginRefused},
		"locked":        {[]int32{18486}, fault.AccountDisabled},
		"expired":       {[]int32{18487}, fault.PasswordExpired},
		"must change":   {[]int32{18488}, fault.PasswordExpired},
		"disabled":      {[]int32{18470}, fault.AccountDisabled},
		"Windows only":  {[]int32{18452}, fault.AccountDisabled},
		"database":      {[]int32{4060, 18456}, fault.DatabaseError},
		"trigger":       {[]int32{17892}, fault.DatabaseError},
		"upgrade":       {[]int32{18401}, fault.DatabaseUnavailable},
		"shutdown":      {[]int32{6005}, fault.DatabaseUnavailable},
		"connections":   {[]int32{17809}, fault.DatabaseUnavailable},
		"recovering":    {[]int32{922, 18456}, fault.DatabaseUnavailable},
		"busy":          {[]int32{40613}, fault.DatabaseUnavailable},
		"resources":     {[]int32{49918}, fault.DatabaseUnavailable},
		"replica":       {[]int32{976}, fault.DatabaseReadOnly},
		"something new": {[]int32{999999}, fault.DatabaseError},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.RefuseLogins(tc.numbers...)
			want(t, b.login("app", appPassword, "app"), tc.code)
		})
	}
}

func TestConnectToNothing(t *testing.T) {
	t.Run("port closed", func(t *testing.T) {
		b := newBed(t)
		d := b.doc("app", appPassword, "app", "")
		b.Close()
		_, err := b.e.Connect(t.Context(), d)
		want(t, err, fault.DatabaseUnreachable)
	})
	t.Run("no such name", func(t *testing.T) {
		b := newBed(t)
		d := b.doc("app", appPassword, "app", "")
		d.Host = "no-such-host.invalid"
		_, err := b.e.Connect(t.Context(), d)
		want(t, err, fault.DatabaseUnreachable)
	})
	t.Run("silence", func(t *testing.T) {
		b := newBed(t)
		b.Mute(true)
		start := time.Now()
		want(t, b.login("app", appPassword, "app"), fault.DatabaseUnreachable)
		if took := time.Since(start); took < 4*time.Second || took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("another protocol", func(t *testing.T) {
		b := newBed(t)
		d := b.doc("app", appPassword, "app", "")
		d.Port = greeter(t, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
		_, err := b.e.Connect(t.Context(), d)
		want(t, err, fault.DatabaseError)
	})
	t.Run("hangs up", func(t *testing.T) {
		b := newBed(t)
		d := b.doc("app", appPassword, "app", "")
		d.Port = greeter(t, "")
		_, err := b.e.Connect(t.Context(), d)
		want(t, err, fault.DatabaseUnavailable)
	})
	t.Run("Windows account", func(t *testing.T) {
		b := newBed(t)
		want(t, b.login(`CORP\app`, appPassword, "app"), fault.InvalidSecret)
	})
}

// greeter says something to whoever connects and hangs up.
func greeter(t *testing.T, text string) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 512)
			_, _ = c.Read(buffer)
			_, _ = c.Write([]byte(text))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port
}
