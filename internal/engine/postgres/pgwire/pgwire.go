// Package pgwire implements what PostgreSQL and Redshift share: login, TLS, running
// statements, hashing passwords, and classifying failures.
//
// Every statement is sent in one simple query together with the settings that make it
// safe (see sql.go). No session state is changed: behind a pooler (RDS Proxy, PgBouncer),
// it would pin the connection or affect another client.
package pgwire

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgconfig"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

const (
	// statementTimeout is how long the server may work on a statement. Statements take
	// milliseconds unless they wait for a lock, which has its own limit.
	statementTimeout = engine.LockTimeout + 3*time.Second

	// commitTime is the part of [engine.LateBound] reserved for the commit.
	commitTime = time.Second

	// answerTimeout is how long the client waits for an answer. It is long enough for the
	// server to report its own timeout, which shows that nothing was changed.
	answerTimeout = engine.LateBound + 2*time.Second

	rollbackTimeout = 2 * time.Second

	// closeTimeout bounds Close.
	closeTimeout = 500 * time.Millisecond
)

// Dialect is what differs between the products.
type Dialect struct {
	Product string // its name
	MaxName int    // limit of a name's length, in bytes. Required.
	Hints   Hints

	// Explicit is set if transactions need statements of their own to begin and end, and
	// the server lacks PostgreSQL's newer settings.
	Explicit bool

	// AuthFailed is the code for a refused login when SQLSTATE 28000 does not tell the
	// reason. Required.
	AuthFailed fault.Code

	// Roots are the authorities trusted for certificates that AWS has not issued.
	// Optional: by default the system's authorities. See rdsroots.TLS.
	Roots *x509.CertPool
}

// Hints are remedies in a product's own terms.
type Hints struct {
	TLS        string // where to set TLS versions
	DemandsTLS string // the server does not admit the user without TLS
	Admit      string // the server does not admit the user over TLS
	Refused    string // the server does not say why it does not admit the user
	NotAllowed string // a role may not change a password
	ReadOnly   string
	Policy     string // the server's policy refuses a password
	Unknown    string // the server requires a login method that the driver does not support
}

// Connect opens one TCP connection and never makes more than one attempt to log in.
// Errors are those of [engine.Engine].
func (d *Dialect) Connect(ctx context.Context, doc secretdoc.Document) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, engine.ConnectTimeout)
	defer cancel()
	if err := d.CheckName("username", doc.Username); err != nil {
		return nil, err
	}
	t := Target{Dialect: d, Database: doc.DBName, Target: netfault.Target{
		Host: doc.Host, Port: doc.Port, User: doc.Username, Server: "a " + d.Product + " server", TLSHint: d.Hints.TLS,
	}}
	l, err := t.dial(ctx, doc.SSL)
	if err != nil {
		return nil, err
	}
	t.Encrypted = l.encrypted
	conn, err := t.login(ctx, l, doc.Password, func(ctx context.Context) (net.Conn, error) {
		again, err := t.dial(ctx, doc.SSL)
		return again.conn, err
	})
	if err != nil {
		_ = l.raw.Close()
		return nil, t.loginFault(err, doc.Password)
	}
	c := &Conn{conn: conn, raw: l.raw, Target: t}
	if err := c.checkEncoding(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// checkEncoding makes sure that quoting works. In encodings such as SJIS, which a
// database's owner can make the default, the second byte of a character may be a
// backslash.
func (c *Conn) checkEncoding() error {
	switch encoding := c.conn.ParameterStatus("client_encoding"); encoding {
	case "UTF8", "UNICODE", "": // UNICODE is the name before PostgreSQL 8.1; some poolers do not report an encoding
		return nil
	default:
		return fault.New(fault.DatabaseError, fmt.Sprintf("logging in to %s: the server insists on the client encoding %s", c.Target, encoding),
			"ALTER DATABASE or ALTER ROLE: RESET client_encoding; or correct the pooler in between")
	}
}

// login runs PostgreSQL's start-up protocol on the link. The driver uses redial to
// connect to the server again when it cancels a statement.
func (t Target) login(ctx context.Context, l link, password redact.String, redial func(context.Context) (net.Conn, error)) (*pgconn.PgConn, error) {
	cfg, err := pgconfig.New()
	if err != nil {
		return nil, err
	}
	cfg.User, cfg.Password, cfg.Database = t.User, password.Reveal(), t.Database
	// Both are accepted by poolers. (PgBouncer refuses most others.)
	cfg.RuntimeParams["application_name"] = "tumbler"
	cfg.RuntimeParams["client_encoding"] = "UTF8"
	if !l.encrypted {
		// A server, or an attacker in its place, must not get the password by asking for
		// it in clear. (SCRAM and md5 do not send it.)
		cfg.RequireAuth = "!password"
	}
	// The connection exists already. One address means one attempt.
	cfg.Host, cfg.Port = t.Host, uint16(t.Port)
	cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	used := false
	cfg.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		if !used {
			used = true
			return l.conn, nil
		}
		return redial(ctx)
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if failed, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = failed.Unwrap() // the outer error holds the settings, password included
	}
	return conn, err
}

// Encrypted implements [engine.Encrypted].
func (c *Conn) Encrypted() bool { return c.Target.Encrypted }

// Target is where a session connects to, for messages.
type Target struct {
	netfault.Target
	*Dialect
	Database  string
	Encrypted bool
}

// Conn is one logged-in connection. It is not safe for concurrent use.
type Conn struct {
	Target Target

	// As is the role that runs the statements. Optional: by default the one that has
	// logged in, whatever its settings or the database's say.
	As string

	conn *pgconn.PgConn
	raw  net.Conn // what conn runs over, below TLS

	clock int64     // the server's time in milliseconds at asked
	asked time.Time // zero: never
}

// Probe runs a query that touches no table.
func (c *Conn) Probe(ctx context.Context) error {
	if _, err := c.Read(ctx, probeSQL); err != nil {
		return c.StatementFault(err, "running a query on "+c.Target.String(), Reading)
	}
	return nil
}

// exec runs one simple query and returns the rows of the statements that succeeded. If
// one fails, all are rolled back.
//
// The driver's SafeToRetry does not prove that a statement was not sent: it is also true
// if the connection was lost while a result was awaited (in pgx 5.12,
// MultiResultReader.NextResult drops the first error).
func (c *Conn) exec(ctx context.Context, sql string) ([][][]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(netfault.ErrNotSent, err)
	}
	if c.conn.IsClosed() {
		return nil, errors.Join(netfault.ErrNotSent, pgconn.ErrConnClosed)
	}
	bounded, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	results, err := c.conn.Exec(bounded, sql).ReadAll()
	var tables [][][]string
	for _, result := range results {
		if result.Err != nil {
			break // this query failed after it had begun to return rows
		}
		table := [][]string{}
		for _, row := range result.Rows {
			columns := make([]string, len(row))
			for j, column := range row {
				columns[j] = string(column)
			}
			table = append(table, columns)
		}
		tables = append(tables, table)
	}
	if err != nil && c.conn.TxStatus() == 'E' { // the session can be used again
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_, _ = c.conn.Exec(after, rollbackSQL).ReadAll()
	}
	return tables, err
}

// Close implements [engine.Session].
func (c *Conn) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = c.conn.Close(ctx)
	// After an interrupted statement, the driver continues to use the connection in the
	// background until it is closed.
	select {
	case <-c.conn.CleanupDone():
	case <-ctx.Done():
	}
	_ = c.raw.Close()
}
