package mongodb

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/engine/rdsroots"
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
func (e Engine) dial(ctx context.Context, t netfault.Target, ssl *bool) (*wire, bson.Raw, error) {
	if ssl != nil && !*ssl {
		return plain(ctx, t)
	}
	w, err := e.encrypted(ctx, t)
	if err == nil {
		greeting, err := w.hello(ctx, t.User)
		if err != nil {
			w.close()
			return nil, nil, greetingFault(t, err, true)
		}
		return w, greeting, nil
	}
	if !errors.Is(err, errNoTLS) {
		return nil, nil, err
	}
	w, greeting, plainErr := plain(ctx, t)
	switch {
	case plainErr != nil:
		// Not a word about TLS, then: the server is in trouble, or is no such
		// server.
		return nil, nil, noAnswerFault(t, err)
	case ssl == nil:
		return w, greeting, nil
	}
	w.close()
	return nil, nil, t.NoTLSFault(err, `Switch TLS on (DocumentDB: parameter "tls" of the cluster's parameter group)`)
}

// plain greets the server without TLS. Nothing in the greeting is secret.
func plain(ctx context.Context, t netfault.Target) (*wire, bson.Raw, error) {
	raw, err := t.Dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	w := &wire{conn: raw, raw: raw}
	greeting, err := w.hello(ctx, t.User)
	if err != nil {
		w.close()
		return nil, nil, greetingFault(t, err, false)
	}
	return w, greeting, nil
}

// encrypted opens a connection and verifies the server's certificate and its
// name. The error is errNoTLS if the server may not speak TLS at all.
func (e Engine) encrypted(ctx context.Context, t netfault.Target) (*wire, error) {
	raw, err := t.Dial(ctx)
	if err != nil {
		return nil, err
	}
	heard := &listener{Conn: raw}
	conn := tls.Client(heard, rdsroots.TLS(e.Roots, t.Host))
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		_, notTLS := errors.AsType[tls.RecordHeaderError](err)
		if notTLS || (!heard.anything && netfault.IsLost(err) && ctx.Err() == nil) {
			return nil, errors.Join(errNoTLS, err)
		}
		return nil, t.BrokenFault(err, "negotiating TLS with "+t.Address(), "")
	}
	return &wire{conn: conn, raw: raw}, nil
}

var errNoTLS = errors.New("the server did not answer in TLS")

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
