package oracle

import (
	"encoding/binary"
	"io"
	"math/bits"
	"net"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// A listener and a server, as far as a login goes, for the driver as it is. The server
// checks no password: it answers what the test has it answer. Messages are those that
// go-ora reads: each begins with its kind, numbers are a length and the digits that it
// takes.

func number(n int) string {
	digits := binary.BigEndian.AppendUint64(nil, uint64(n))[bits.LeadingZeros64(uint64(n))/8:]
	return string(byte(len(digits))) + string(digits)
}

func bytesOf(s string) string { return string(byte(len(s))) + s }

func pairOf(key, value string, flag int) string {
	return number(len(key)) + bytesOf(key) + number(len(value)) + bytesOf(value) + number(flag)
}

const (
	kindEnd, kindParameters, kindWarning, kindNetwork = "\x04", "\x08", "\x0f", "\x17"
)

// ends is the end of an answer, with the error of that number unless it is 0.
func ends(code int, text string) string {
	end := kindEnd + number(0) + number(code) + strings.Repeat("\x00", 24)
	if code != 0 {
		end += bytesOf(text)
	}
	return end
}

func warns(code int, text string) string {
	return kindWarning + number(code) + number(len(text)) + number(0) + bytesOf(text)
}

// serveLogin answers to a login, and behind it to whatever comes.
func serveLogin(conn net.Conn, login string) {
	data := func(payload string) { _, _ = io.WriteString(conn, packet(6, "\x00\x00"+payload)) }
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		body := make([]byte, int(binary.BigEndian.Uint16(head))-len(head))
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		if head[4] == 1 { // connect
			accepted := make([]byte, 24)
			binary.BigEndian.PutUint16(accepted[0:], 314)
			binary.BigEndian.PutUint16(accepted[4:], 8192)
			binary.BigEndian.PutUint16(accepted[6:], 32767)
			binary.BigEndian.PutUint16(accepted[12:], 32) // where the data begins
			_, _ = io.WriteString(conn, packet(accept, string(accepted)))
			continue
		}
		if head[4] != 6 || len(body) < 3 { // markers, and the last packet
			continue
		}
		switch message := string(body[2:]); {
		case message[0] == 1: // protocol: AL32UTF8, and no capability but a login without padding
			data("\x01\x06\x00fake\x00\x69\x03\x00\x00\x00" + "\x00\x0b" + strings.Repeat("\x00", 9) + "\x07\xd0" +
				"\x08" + "\x00\x00\x00\x00\x02\x00\x00\x00" + "\x02\x00\x00" + strings.Repeat("\x00", 40))
		case message[0] == 2: // data types
			data("\x02\x00")
		case strings.HasPrefix(message, "\x03\x76"): // who logs in
			data(kindParameters + number(2) + pairOf("AUTH_SESSKEY", strings.Repeat("5A", 48), 0) +
				pairOf("AUTH_VFR_DATA", strings.Repeat("A5", 10), 6949) + ends(0, ""))
		case strings.HasPrefix(message, "\x03\x73"): // with which password
			data(login)
		case strings.HasPrefix(message, "\x03\x3b"): // version
			data(kindParameters + number(4) + bytesOf("fake") + number(19<<24))
		default:
			data(ends(0, ""))
		}
	}
}

// session is what comes with a login that succeeds.
var sessionOpened = kindParameters + number(2) + pairOf("AUTH_SESSION_ID", "7", 0) + pairOf("AUTH_SERIAL_NUM", "9", 0) +
	kindNetwork + "\x05" + number(0) + "\x00" + number(1) + "\x00" + pairOf("AUTH_NLS_LXLAN", "AMERICAN", 0) + number(0)

// Oracle lets users in whose password expires soon, with a warning beside the success
// (ORA-28002, and ORA-28011 of an account). The driver goes on after it. A number in the
// place of the success is another matter, whichever it is; it is never taken for a wrong
// password unless it says so.
func TestLoginWithWarning(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer   string
		code     fault.Code
		accepted bool // whether the password counts as right
	}{
		"no warning":                {sessionOpened + ends(0, ""), "", true},
		"expires in some days":      {sessionOpened + warns(28002, "ORA-28002: the password will expire within 7 days") + ends(0, ""), "", true},
		"expires soon":              {sessionOpened + warns(28011, "ORA-28011: the account will expire soon; change your password now") + ends(0, ""), "", true},
		"a warning comes first":     {warns(28002, "ORA-28002: the password will expire within 7 days") + sessionOpened + ends(0, ""), "", true},
		"28002 instead of success":  {ends(28002, "ORA-28002"), fault.DatabaseError, true},
		"28011 instead of success":  {ends(28011, "ORA-28011"), fault.DatabaseError, true},
		"has expired":               {ends(28001, "ORA-28001: the password has expired"), fault.PasswordExpired, true},
		"is wrong":                  {ends(1017, "ORA-01017: invalid username/password; logon denied"), fault.LoginRefused, false},
		"is locked":                 {ends(28000, "ORA-28000: the account is locked"), fault.AccountDisabled, false},
		"may not log in":            {ends(1045, "ORA-01045: user lacks CREATE SESSION privilege; logon denied"), fault.PrivilegeMissing, true},
		"is wrong, after a warning": {warns(28002, "ORA-28002") + ends(1017, "ORA-01017"), fault.LoginRefused, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := enginetest.Serve(t, func(conn net.Conn) { serveLogin(conn, tc.answer) })
			doc := document(t, port, nil)
			if err := connect(t, doc); fault.CodeOf(err) != tc.code {
				t.Errorf("the login ended with %v", err)
			}
			right, err := Engine{}.prove(t.Context(), newTarget(doc), "APP", redact.New("c4nary-Pa55word"))
			if err != nil || right != tc.accepted {
				t.Errorf("the password counts as right: %t, %v", right, err)
			}
		})
	}
}
