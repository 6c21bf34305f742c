package oracle

import (
	"net"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// Where statements can be read on the way, none with a password is sent, unless the
// secret says that there is to be no encryption.
func TestNoPasswordInClear(t *testing.T) {
	for name, tc := range map[string]struct {
		clear bool
		ssl   *bool
		sent  bool
	}{
		"clear, ssl absent":     {true, nil, false},
		"clear, ssl false":      {true, new(false), true},
		"encrypted, ssl absent": {false, nil, true},
		"TLS":                   {false, new(true), true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.add("APP", "c4nary-Pa55word")
			f.add("ADMIN", "c4nary-of-the-admin")
			f.clear = tc.clear
			for _, user := range []string{"APP", "ADMIN"} {
				s := f.session(user)
				s.target = newTarget(document(t, 1521, tc.ssl))
				err := s.SetPassword(t.Context(), "APP", redact.New(next))
				_, cloned := s.EnsureClone(t.Context(), request(false))
				if !tc.sent {
					expect(t, err, fault.TLSUnavailable, `"ssl": false`)
					expect(t, cloned, fault.TLSUnavailable, `"ssl": false`)
				} else if err != nil || fault.Is(cloned, fault.TLSUnavailable) {
					t.Error(err, cloned)
				}
			}
			if sent := f.take(); strings.Contains(sent, "IDENTIFIED") != tc.sent {
				t.Errorf("sent: %s", sent)
			}
		})
	}
}

// What others on the network hear tells whether they can read.
func TestOverheard(t *testing.T) {
	wide := strings.ReplaceAll(lockTimeoutSQL, "", "\x00")
	for name, tc := range map[string]struct {
		sent  []string
		clear bool
	}{
		"nothing":       {nil, false},
		"other things":  {[]string{"SELECT 1 FROM DUAL", strings.ToLower(lockTimeoutSQL)}, false},
		"in clear":      {[]string{"\x00\x40" + lockTimeoutSQL + "\x00"}, true},
		"in two pieces": {[]string{"x" + lockTimeoutSQL[:20], lockTimeoutSQL[20:]}, true},
		"wide":          {[]string{wide}, true},
		"wide, in two":  {[]string{wide[:31], wide[31:]}, true},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			go func() {
				for buffer := make([]byte, 4096); ; {
					if _, err := far.Read(buffer); err != nil {
						return
					}
				}
			}()
			l := &line{}
			conn := &overheard{Conn: near, line: l}
			for _, s := range tc.sent {
				if _, err := conn.Write([]byte(s)); err != nil {
					t.Fatal(err)
				}
			}
			_ = conn.Close()
			if got := (&connection{line: l}).readable(); got != tc.clear {
				t.Errorf("got %t", got)
			}
		})
	}
}
