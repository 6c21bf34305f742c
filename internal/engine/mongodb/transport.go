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
// MongoDB's protocol does not negotiate TLS: a port either expects it or does not. If ssl
// is nil, dial concludes that the server has no TLS only if the server ends the
// connection (or answers with bytes that are not TLS) before TLS has begun, and then
// answers an unencrypted greeting on a second connection. After an invalid certificate, a
// TLS alert or no answer at all, nothing is sent unencrypted.
//
// A server without TLS does not wait for more data after our ClientHello. It reads the
// first four bytes as the length of a message, and for a ClientHello of 768 bytes or more
// that length exceeds the protocol's limit (48,000,000 bytes). The key shares make Go's
// ClientHello longer than that.
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
		// The server did not answer the greeting without TLS either: it is in trouble, or
		// it is not a MongoDB server.
		return nil, nil, noAnswerFault(t, err)
	case ssl == nil:
		return w, greeting, nil
	}
	w.close()
	return nil, nil, t.NoTLSFault(err, `Switch TLS on (DocumentDB: parameter "tls" of the cluster's parameter group)`)
}

// plain greets the server without TLS. The greeting contains no secret.
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

// encrypted opens a connection and verifies the server's certificate and name. The error
// is errNoTLS if the server may not support TLS at all.
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

// listener records whether the other side has sent anything.
type listener struct {
	net.Conn
	anything bool
}

func (l *listener) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	l.anything = l.anything || n > 0
	return n, err
}
