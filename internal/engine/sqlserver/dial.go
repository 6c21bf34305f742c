package sqlserver

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
)

// The server's possible answers about encryption ([MS-TDS] 2.2.6.5, "PRELOGIN", option
// ENCRYPTION).
const (
	encryptUnknown      = -1
	encryptNotSupported = 2
)

// errSecondDial ends an attempt that would log in twice. If the server redirects the
// client, the driver follows, and a refused login there would count towards a lockout
// again.
var errSecondDial = errors.New("the server routes to another one")

// dialer makes one TCP connection and observes it. It resolves the host's name within the
// context's deadline, which the driver does not do.
type dialer struct{ wire *wire }

// HostName makes the driver leave name resolution to DialContext.
func (d *dialer) HostName() string { return "" }

// DialContext connects. It sets a deadline for the whole login, because the driver's TLS
// handshake ignores the context.
func (d *dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.wire.Conn != nil {
		return nil, errSecondDial
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		d.wire.unreached = err
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	d.wire.Conn = conn
	return d.wire, nil
}

// wire is a TCP connection that records the server's first packet and whether the network
// failed. The driver's errors reveal neither.
type wire struct {
	net.Conn
	unreached error // why connecting failed

	mu     sync.Mutex
	first  []byte // the beginning of the server's first packet
	failed bool
	late   bool // the deadline has passed
}

const headerLength = 8

// firstPacketLimit is larger than any PRELOGIN answer.
const firstPacketLimit = 512

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.mu.Lock()
	defer w.mu.Unlock()
	if room := firstPacketLimit - len(w.first); room > 0 {
		w.first = append(w.first, b[:min(n, room)]...)
	}
	w.note(err)
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note(err)
	return n, err
}

func (w *wire) note(err error) {
	w.failed = w.failed || err != nil
	w.late = w.late || errors.Is(err, os.ErrDeadlineExceeded)
}

func (w *wire) timedOut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late
}

func (w *wire) lost() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// encryption returns the server's answer in PRELOGIN, or encryptUnknown.
func (w *wire) encryption() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.first) < headerLength {
		return encryptUnknown
	}
	end := min(int(binary.BigEndian.Uint16(w.first[2:])), len(w.first))
	if end < headerLength {
		return encryptUnknown
	}
	const (
		optionLength     = 5 // token, offset, length
		optionEncryption = 1
		terminator       = 0xff
	)
	body := w.first[headerLength:end]
	for i := 0; i+optionLength <= len(body) && body[i] != terminator; i += optionLength {
		offset := int(binary.BigEndian.Uint16(body[i+1:]))
		if body[i] == optionEncryption && offset < len(body) {
			return int(body[offset])
		}
	}
	return encryptUnknown
}
