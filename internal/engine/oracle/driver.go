package oracle

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	goora "github.com/sijms/go-ora/v2"
	"github.com/sijms/go-ora/v2/configurations"
	"github.com/sijms/go-ora/v2/network"

	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/engine/rdsroots"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// go-ora is used without database/sql, which logs in again by itself. Version 3 is not
// used because it reconnects by itself, too.

// refusal is an error of the database or its listener. It omits the server's text, which
// may quote the statement.
type refusal struct{ code int }

func (r refusal) Error() string { return fmt.Sprintf("ORA-%05d", r.code) }

// errElsewhere means that the listener redirects the client to another host.
var errElsewhere = errors.New("the listener redirects to another host")

// connection is a logged-in connection of go-ora.
type connection struct {
	conn *goora.Connection
	line *line
}

// line is the TCP connection that go-ora uses. A call is ended by closing it: go-ora
// overrides deadlines and, when asked to stop, waits for the server.
type line struct {
	conn  atomic.Pointer[net.Conn]
	clear atomic.Bool // lockTimeoutSQL has crossed the network unencrypted
}

// overheard watches what is sent on the connection, as an eavesdropper would see it.
type overheard struct {
	net.Conn
	line *line
	last []byte // the end of the previous write
}

// Write looks for a statement that is sent before any statement with a password and is
// short enough not to be split. If it can be read, so could the password. The server may
// choose a character set with two bytes per character.
func (o *overheard) Write(p []byte) (int, error) {
	heard := bytes.ReplaceAll(append(o.last, p...), []byte{0}, nil)
	if bytes.Contains(heard, []byte(lockTimeoutSQL)) {
		o.line.clear.Store(true)
	}
	o.last = bytes.Clone(heard[max(0, len(heard)-len(lockTimeoutSQL)):])
	return o.Conn.Write(p)
}

func (c *connection) readable() bool { return c.line.clear.Load() }

func (l *line) close() {
	if conn := l.conn.Load(); conn != nil {
		_ = (*conn).Close()
	}
}

// login opens a connection and logs in.
func (e Engine) login(ctx context.Context, t target, password redact.String) (_ executor, err error) {
	l := &line{}
	var dialErr error
	cfg := t.config(password)
	cfg.TLSConfig = rdsroots.TLS(e.Roots, t.Host)
	cfg.RegisterDial(func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := t.dial(ctx, network, address)
		if err != nil {
			dialErr = err
			return nil, err
		}
		conn = &overheard{Conn: conn, line: l}
		l.conn.Store(&conn)
		if ctx.Err() != nil {
			_ = conn.Close()
		}
		return conn, nil
	})
	stop := context.AfterFunc(ctx, l.close)
	defer stop()
	conn, err := goora.NewConnection("", cfg)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "preparing the connection to "+t.Address(), "")
	}
	// go-ora gets no deadline: on one it would wait for the server's confirmation.
	err = guarded(func() error { return conn.OpenWithContext(context.WithoutCancel(ctx)) })
	if err == nil && ctx.Err() == nil {
		return &connection{conn: conn, line: l}, nil
	}
	l.close()
	if dialErr != nil && !errors.Is(dialErr, errElsewhere) {
		return nil, t.DialFault(dialErr)
	}
	return nil, t.loginFault(errors.Join(ctx.Err(), dialErr, clean(err)))
}

// dial connects to the secret's host. A listener may redirect the client to another port,
// such as that of a shared server, but not to another host: the password is meant for
// this one.
func (t target) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(host, t.tlsName()) {
		return nil, errElsewhere
	}
	return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(t.Host, port))
}

// tlsName is the host's name as certificates contain it: without a trailing dot.
func (t target) tlsName() string { return strings.TrimSuffix(t.Host, ".") }

// config builds what go-ora would build from a connection string. A string would need
// escapes, and errors would quote it.
func (t target) config(password redact.String) *configurations.ConnectionConfig {
	protocol := "tcp"
	if t.tls {
		protocol = "tcps"
	}
	cfg := &configurations.ConnectionConfig{PrefetchRows: 500}
	cfg.UserID, cfg.Password, cfg.ServiceName = t.User, password.Reveal(), t.service
	cfg.Servers = []configurations.ServerAddr{{Protocol: protocol, Addr: t.tlsName(), Port: t.Port}}
	cfg.Protocol, cfg.SSL, cfg.SSLVerify = protocol, t.tls, true
	if t.guarded {
		cfg.EncServiceLevel = requested
	}
	cfg.Timeout = time.Minute // only in case closing the line does not end the call
	cfg.TransportDataUnitSize, cfg.SessionDataUnitSize = 0x200000, 0x200000
	cfg.Location = "UTC" // otherwise go-ora queries the server for it
	cfg.Territory, cfg.Language = "AMERICA", "AMERICAN"
	// Shown in the server's v$session.
	cfg.ProgramName, cfg.ProgramPath, cfg.DriverName = "tumbler", "tumbler", "tumbler"
	cfg.OSUserName, cfg.HostName, cfg.PID = "tumbler", "tumbler", os.Getpid()
	return cfg
}

// requested asks for native network encryption if the server supports it. Servers do by
// default (SQLNET.ENCRYPTION_SERVER = ACCEPTED).
const requested = 2

func (c *connection) exec(ctx context.Context, sql string) error {
	return c.run(ctx, func() error {
		_, err := c.conn.ExecContext(context.Background(), sql, nil)
		return err
	})
}

func (c *connection) query(ctx context.Context, sql string, args ...string) (list [][]string, err error) {
	var named []driver.NamedValue
	for i, arg := range args {
		named = append(named, driver.NamedValue{Ordinal: i + 1, Value: arg})
	}
	err = c.run(ctx, func() error {
		rows, err := c.conn.QueryContext(context.Background(), sql, named)
		if err != nil {
			return err
		}
		defer rows.Close()
		for {
			values := make([]driver.Value, len(rows.Columns()))
			if err := rows.Next(values); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			row := make([]string, len(values))
			for i, value := range values {
				if value != nil {
					row[i] = fmt.Sprint(value)
				}
			}
			list = append(list, row)
		}
	})
	return list, err
}

// run calls the driver, and closes the connection when ctx ends.
func (c *connection) run(ctx context.Context, call func() error) error {
	if err := ctx.Err(); err != nil {
		return errors.Join(netfault.ErrNotSent, err)
	}
	stop := context.AfterFunc(ctx, c.line.close)
	defer stop()
	if err := guarded(call); err != nil {
		return errors.Join(ctx.Err(), clean(err))
	}
	return nil
}

func (c *connection) close(ctx context.Context) {
	stop := context.AfterFunc(ctx, c.line.close)
	defer stop()
	_ = guarded(c.conn.Close)
	c.line.close()
}

// guarded turns a panic into an error: the driver does not validate what it reads from
// the network.
func guarded(call func() error) (err error) {
	defer func() {
		if recover() != nil { // the panic's value may contain a secret
			err = netfault.ErrAnswer
		}
	}()
	return call()
}

// clean replaces a database error by its number.
func clean(err error) error {
	if refused, ok := errors.AsType[*network.OracleError](err); ok {
		return refusal{refused.ErrCode}
	}
	return err
}
