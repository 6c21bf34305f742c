package mongodb_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/mongodb"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

func TestUnreachable(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := closed.Addr().(*net.TCPAddr).Port
	closed.Close()
	t.Run("port closed", func(t *testing.T) {
		doc := local(port, nil)
		expect(t, connect(t, doc), fault.DatabaseUnreachable, doc, "refuses connections", `"port"`)
	})
	t.Run("no such host", func(t *testing.T) {
		doc := local(port, nil)
		doc.Host = "cluster.invalid"
		expect(t, connect(t, doc), fault.DatabaseUnreachable, doc, "host name", "VPC")
	})
}

// A listener that accepts and never says anything, at each stage of a login.
func TestSilence(t *testing.T) {
	t.Parallel()
	for name, ssl := range map[string]any{"when asked for TLS": nil, "when TLS is required": true, "when greeted": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			heard := make(chan []byte, 2)
			port := enginetest.Serve(t, func(conn net.Conn) {
				data, _ := io.ReadAll(conn)
				heard <- data
			})
			doc := local(port, func(keys map[string]any) {
				if ssl != nil {
					keys["ssl"] = ssl
				}
			})
			began := time.Now()
			err := connect(t, doc)
			took := time.Since(began)
			expect(t, err, fault.DatabaseUnreachable, doc, "no answer within 5s")
			if took < engine.ConnectTimeout/2 || took > 2*engine.ConnectTimeout {
				t.Errorf("it took %v", took)
			}
			if data := <-heard; ssl != false && bytes.Contains(data, []byte("isMaster")) {
				t.Error("something was sent unencrypted after a silence")
			}
		})
	}
	t.Run("when logging in", func(t *testing.T) {
		t.Parallel()
		f := startFake(t)
		f.silentOn = "saslStart"
		expect(t, connect(t, f.superuser()), fault.DatabaseUnreachable, f.superuser(), "no answer within 5s")
	})
}

func TestCancelledWhileConnecting(t *testing.T) {
	t.Parallel()
	doc := local(enginetest.Serve(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }), nil)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	_, err := mongodb.Engine{}.Connect(ctx, doc)
	expect(t, err, fault.DatabaseUnreachable, doc, "cancelled")
	if took := time.Since(began); took > engine.ConnectTimeout-time.Second {
		t.Errorf("it took %v to notice", took)
	}
}

// What something else than a database answers, with and without TLS.
func TestAnotherProtocol(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ssl    any
		answer string
		code   fault.Code
	}{
		"SSH, absent":          {nil, "SSH-2.0-x\r\n", fault.DatabaseError},
		"SSH, required":        {true, "SSH-2.0-x\r\n", fault.DatabaseError},
		"HTTP, off":            {false, "HTTP/1.1 400 Bad Request\r\n\r\n", fault.DatabaseError},
		"hangs up, absent":     {nil, "", fault.DatabaseUnavailable},
		"hangs up, required":   {true, "", fault.DatabaseUnavailable},
		"hangs up, off":        {false, "", fault.DatabaseUnavailable},
		"TLS alert, absent":    {nil, "\x15\x03\x03\x00\x02\x02\x28", fault.TLSUnavailable},
		"TLS, then hangs up":   {nil, "\x16\x03\x03", fault.DatabaseUnavailable},
		"an absurd length":     {false, strings.Repeat("\xff", 64), fault.DatabaseError},
		"no answer to us":      {false, "\x24\x00\x00\x00" + strings.Repeat("\x00", 32), fault.DatabaseError},
		"a half answer":        {false, "\x30\x00\x00\x00\x00\x00", fault.DatabaseUnavailable},
		"an answer without ok": {false, "\x29\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00" + strings.Repeat("\x00", 20) + "\x05\x00\x00\x00\x00", fault.DatabaseError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := enginetest.Serve(t, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, tc.answer)
			})
			doc := local(port, func(keys map[string]any) {
				if tc.ssl != nil {
					keys["ssl"] = tc.ssl
				}
			})
			expect(t, connect(t, doc), tc.code, doc)
		})
	}
}

// Refusals of a login.
func TestLoginRefused(t *testing.T) {
	t.Parallel()
	for code, want := range map[int32]fault.Code{
		18: fault.LoginRefused, 11: fault.LoginRefused, 334: fault.DatabaseError, 13: fault.PrivilegeMissing,
		91: fault.DatabaseUnavailable, 11600: fault.DatabaseUnavailable, 13436: fault.DatabaseUnavailable, 8000: fault.DatabaseError,
	} {
		f := startFake(t)
		f.fail("saslStart", code)
		expect(t, connect(t, f.superuser()), want, f.superuser(), "code")
		if n := f.logins(); n != 1 {
			t.Errorf("code %d: %d logins", code, n)
		}
	}
	f := startFake(t)
	f.fail("isMaster", 9)
	expect(t, connect(t, f.superuser()), fault.DatabaseError, f.superuser())
	f = startFake(t)
	f.hangUpOn = "saslContinue"
	expect(t, connect(t, f.superuser()), fault.DatabaseUnavailable, f.superuser(), "closed the connection")
}

// Whoever answers in the database's place and knows no password is found out.
func TestImpostor(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	f.impostor = true
	expect(t, connect(t, f.superuser()), fault.DatabaseError, f.superuser(), "prove")
}

func TestChecksums(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	f.checksums = true
	accepted(t, f.superuser())
}

// Refusals of a change.
func TestCommandRefused(t *testing.T) {
	t.Parallel()
	for code, want := range map[int32]fault.Code{
		13: fault.PrivilegeMissing, 18: fault.PrivilegeMissing, 10107: fault.DatabaseReadOnly, 13435: fault.DatabaseReadOnly,
		10058: fault.DatabaseReadOnly, 13436: fault.DatabaseUnavailable, 11: fault.DatabaseError, 2: fault.PasswordRejected,
		50687: fault.PasswordRejected, 50692: fault.PasswordRejected, 59: fault.DatabaseError, 8000: fault.DatabaseError,
		// The server may have made the change before it failed.
		11600: fault.OutcomeUnknown, 11602: fault.OutcomeUnknown, 91: fault.OutcomeUnknown, 189: fault.OutcomeUnknown,
		64: fault.OutcomeUnknown, 50: fault.OutcomeUnknown, 262: fault.OutcomeUnknown,
	} {
		f := startFake(t)
		f.fail("updateUser", code)
		f.fail("usersInfo", code)
		f.fail("ping", code)
		session := open(t, mongodb.Engine{}, f.superuser())
		doc := f.document("app", "n3xt-Pa55word")
		err := session.SetPassword(t.Context(), "app", doc.Password)
		expect(t, err, want, doc, "code", `"app"`)
		if strings.Contains(err.Error(), "c4nary") {
			t.Error("the error shows the server's text")
		}
		// Reading can never leave a change in doubt, nor be about a password.
		_, err = session.Privileges(t.Context(), "app")
		if fault.Is(err, fault.OutcomeUnknown, fault.PasswordRejected) || err == nil {
			t.Errorf("code %d while reading: %v", code, err)
		}
		if err := session.Probe(t.Context()); fault.Is(err, fault.OutcomeUnknown, fault.PasswordRejected) || err == nil {
			t.Errorf("code %d while probing: %v", code, err)
		}
	}
}

// The connection is lost at the worst moments.
func TestConnectionLost(t *testing.T) {
	const next = "n3xt-Pa55word"
	isChange := func(data []byte) bool { return bytes.Contains(data, []byte("updateUser")) }
	off := func(d *db, p *enginetest.Proxy) secretdoc.Document {
		return d.document(func(keys map[string]any) { keys["port"], keys["ssl"] = p.Port, false })
	}
	t.Run("before the change arrives", func(t *testing.T) {
		d := ferret(t)
		p := (&enginetest.Proxy{BeforeRequest: func(data []byte) bool { return !isChange(data) }}).Start(t, d.Host, d.Port)
		doc := off(d, p)
		expect(t, open(t, mongodb.Engine{}, doc).SetPassword(t.Context(), d.User, redact.New(next)), fault.OutcomeUnknown, doc, "may or may not")
		accepted(t, d.document(nil))
	})
	t.Run("after the change was made", func(t *testing.T) {
		d := ferret(t)
		changing := make(chan struct{})
		p := (&enginetest.Proxy{
			BeforeRequest: func(data []byte) bool {
				if isChange(data) {
					close(changing)
				}
				return true
			},
			BeforeAnswer: func([]byte) bool {
				select {
				case <-changing:
					return false
				default:
					return true
				}
			},
		}).Start(t, d.Host, d.Port)
		doc := off(d, p)
		expect(t, open(t, mongodb.Engine{}, doc).SetPassword(t.Context(), d.User, redact.New(next)), fault.OutcomeUnknown, doc, "may or may not")
		accepted(t, d.document(nil).WithPassword(redact.New(next)))
	})
	t.Run("the answer never comes", func(t *testing.T) {
		f := startFake(t)
		f.silentOn = "updateUser"
		session := open(t, mongodb.Engine{}, f.superuser())
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		expect(t, session.SetPassword(ctx, "app", redact.New(next)), fault.OutcomeUnknown, f.superuser(), "no answer in time")
	})
	t.Run("before anything is sent", func(t *testing.T) {
		f := startFake(t)
		session := open(t, mongodb.Engine{}, f.superuser())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		expect(t, session.SetPassword(ctx, "app", redact.New(next)), fault.DatabaseUnavailable, f.superuser(), "cancelled before anything was changed")
	})
	t.Run("after it was closed", func(t *testing.T) {
		f := startFake(t)
		session := open(t, mongodb.Engine{}, f.superuser())
		session.Close()
		expect(t, session.SetPassword(t.Context(), "app", redact.New(next)), fault.DatabaseUnavailable, f.superuser(), "before anything was changed")
	})
}
