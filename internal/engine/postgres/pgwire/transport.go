package pgwire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine/rdsroots"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// link is a connection on which nobody has logged in yet.
type link struct {
	conn      net.Conn // what to speak on
	raw       net.Conn // the TCP connection below it
	encrypted bool
}

// sslRequest asks a PostgreSQL server for TLS. Source: PostgreSQL
// documentation, "Message Formats".
var sslRequest = []byte{0, 0, 0, 8, 4, 210, 22, 47}

// dial opens a TCP connection and negotiates TLS on it: required when ssl is
// true, none when it is false, and if it is nil what the server offers. A server
// without TLS says so in its answer to our request, and only then the
// connection goes on unencrypted: the same connection, not a second one.
func (t Target) dial(ctx context.Context, ssl *bool) (_ link, err error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.Address())
	if err != nil {
		return link{}, t.dialFault(err)
	}
	defer func() {
		if err != nil {
			_ = raw.Close()
		}
	}()
	if ssl != nil && !*ssl {
		return link{conn: raw, raw: raw}, nil
	}
	answer, err := askForTLS(ctx, raw)
	if err != nil {
		return link{}, t.brokenFault(err, "asking "+t.Address()+" for TLS")
	}
	switch {
	case answer == 'S':
		conn, err := t.handshake(ctx, raw)
		return link{conn: conn, raw: raw, encrypted: true}, err
	case answer == 'N' && ssl == nil:
		return link{conn: raw, raw: raw}, nil
	case answer == 'N':
		return link{}, fault.New(fault.TLSUnavailable, t.Address()+` has no TLS, and the secret says "ssl": true`,
			`Switch TLS on in the server (ssl=on), or remove "ssl" from the secret to allow an unencrypted connection`)
	case answer == 'E':
		// An error instead of an answer, which is what a server sends that
		// cannot start a process for the connection. Its text is not to be
		// trusted (CVE-2024-10977).
		return link{}, fault.New(fault.DatabaseUnavailable, t.Address()+" refused the connection before it began", hintBusy)
	default:
		return link{}, fault.New(fault.DatabaseError, t.Address()+" does not speak "+t.Product+"'s protocol",
			`Check "host", "port" and "engine" in the secret`)
	}
}

// askForTLS sends SSLRequest and returns the server's one-byte answer. It reads
// no further: what follows belongs to TLS.
func askForTLS(ctx context.Context, conn net.Conn) (byte, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(sslRequest); err != nil {
		return 0, errors.Join(ctx.Err(), err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return 0, errors.Join(ctx.Err(), err)
	}
	if !stop() {
		return 0, ctx.Err()
	}
	return answer[0], nil
}

// handshake verifies the server's certificate and its name.
func (t Target) handshake(ctx context.Context, raw net.Conn) (net.Conn, error) {
	roots := t.Roots
	if roots == nil {
		roots = rdsroots.Pool()
	}
	conn := tls.Client(raw, &tls.Config{
		RootCAs:    roots,
		ServerName: strings.TrimSuffix(t.Host, "."), // certificates have no trailing dot
		MinVersion: tls.VersionTLS12,
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, t.tlsFault(err)
	}
	return conn, nil
}
