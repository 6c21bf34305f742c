package mongodb

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/tumbler-rotation/tumbler/internal/engine/rdsroots"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// dial opens a connection, with TLS as ssl says, and greets the server on it.
//
// MongoDB's protocol does not negotiate TLS: a server expects it on its port or
// it does not. What counts as the server's word that it has none, when ssl is
// nil, is that it ends the connection (or answers with bytes that are no TLS)
// before TLS has begun, and that it then answers an unencrypted greeting on a
// second connection. A certificate that does not verify, a TLS alert and a
// silence are never that: nothing is sent unencrypted after them.
//
// Such a server does not just wait for the rest of our ClientHello, which it
// takes for a message: read as a message's length the first four bytes of a
// ClientHello of 768 bytes or more are above what the protocol allows
// (48,000,000 bytes). Go's has key shares that make it longer than that.
func (e Engine) dial(ctx context.Context, t target, ssl *bool) (*wire, bson.Raw, error) {
	if ssl != nil && !*ssl {
		return t.plain(ctx)
	}
	w, err := e.encrypted(ctx, t)
	if err == nil {
		greeting, err := w.hello(ctx, t.user)
		if err != nil {
			w.close()
			return nil, nil, t.greetingFault(err, true)
		}
		return w, greeting, nil
	}
	if !errors.Is(err, errNoTLS) {
		return nil, nil, err
	}
	w, greeting, plainErr := t.plain(ctx)
	switch {
	case plainErr != nil:
		// Not a word about TLS, then: the server is in trouble, or is no such
		// server.
		return nil, nil, t.noAnswerFault(err)
	case ssl == nil:
		return w, greeting, nil
	}
	w.close()
	return nil, nil, fault.Wrap(err, fault.TLSUnavailable, t.address()+` has no TLS, and the secret says "ssl": true`,
		`Switch TLS on (DocumentDB: parameter "tls" of the cluster's parameter group), or remove "ssl" from the secret to allow an unencrypted connection`)
}

// plain greets the server without TLS. Nothing in the greeting is secret.
func (t target) plain(ctx context.Context) (*wire, bson.Raw, error) {
	raw, err := t.tcp(ctx)
	if err != nil {
		return nil, nil, err
	}
	w := &wire{conn: raw, raw: raw}
	greeting, err := w.hello(ctx, t.user)
	if err != nil {
		w.close()
		return nil, nil, t.greetingFault(err, false)
	}
	return w, greeting, nil
}

// encrypted opens a connection and verifies the server's certificate and its
// name. The error is errNoTLS if the server may not speak TLS at all.
func (e Engine) encrypted(ctx context.Context, t target) (*wire, error) {
	raw, err := t.tcp(ctx)
	if err != nil {
		return nil, err
	}
	roots := e.Roots
	if roots == nil {
		roots = rdsroots.Pool()
	}
	heard := &listener{Conn: raw}
	conn := tls.Client(heard, &tls.Config{
		RootCAs:    roots,
		ServerName: strings.TrimSuffix(t.host, "."), // certificates have no trailing dot
		MinVersion: tls.VersionTLS12,
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		_, notTLS := errors.AsType[tls.RecordHeaderError](err)
		if notTLS || (!heard.anything && isLost(err) && ctx.Err() == nil) {
			return nil, errors.Join(errNoTLS, err)
		}
		return nil, t.tlsFault(err)
	}
	return &wire{conn: conn, raw: raw}, nil
}

var errNoTLS = errors.New("the server did not answer in TLS")

func (t target) tcp(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.address())
	if err != nil {
		return nil, t.dialFault(err)
	}
	return conn, nil
}

// listener notices whether the other side has said anything.
type listener struct {
	net.Conn
	anything bool
}

func (l *listener) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	l.anything = l.anything || n > 0
	return n, err
}
