package pgwire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/engine/rdsroots"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// link is a connection before the login.
type link struct {
	conn      net.Conn // what messages are sent on
	raw       net.Conn // the TCP connection below conn
	encrypted bool
}

// sslRequest asks a PostgreSQL server for TLS. Source: PostgreSQL
// documentation, "Message Formats".
var sslRequest = []byte{0, 0, 0, 8, 4, 210, 22, 47}

// dial opens a TCP connection and negotiates TLS on it. If ssl is true TLS is required,
// and if it is false TLS is not used. If it is nil TLS is used unless the server, in
// answer to the request, says that it has none; then the same connection is used
// unencrypted.
func (t Target) dial(ctx context.Context, ssl *bool) (_ link, err error) {
	raw, err := t.Dial(ctx)
	if err != nil {
		return link{}, err
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
		return link{}, t.BrokenFault(err, "asking "+t.Address()+" for TLS", "")
	}
	switch {
	case answer == 'S':
		conn := tls.Client(raw, rdsroots.TLS(t.Roots, t.Host))
		if err := conn.HandshakeContext(ctx); err != nil {
			return link{}, t.BrokenFault(err, "negotiating TLS with "+t.Address(), "")
		}
		return link{conn: conn, raw: raw, encrypted: true}, nil
	case answer == 'N' && ssl == nil:
		return link{conn: raw, raw: raw}, nil
	case answer == 'N':
		return link{}, t.NoTLSFault(nil, "Switch TLS on in the server (ssl=on)")
	case answer == 'E':
		// The server sent an error instead of an answer, as it does when it cannot start
		// a process for the connection. The text of such an error cannot be trusted
		// (CVE-2024-10977).
		return link{}, fault.New(fault.DatabaseUnavailable, t.Address()+" refused the connection before it began", netfault.HintBusy)
	default:
		return link{}, fault.New(fault.DatabaseError, t.Address()+" does not speak "+t.Product+"'s protocol",
			`Check "host", "port" and "engine" in the secret`)
	}
}

// askForTLS sends SSLRequest and reads the server's one-byte answer. It reads no further,
// because the bytes that follow belong to TLS.
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
