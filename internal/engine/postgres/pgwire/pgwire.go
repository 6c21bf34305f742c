// Package pgwire is what PostgreSQL and Redshift have in common: logging in,
// TLS, running statements, hashing passwords, and telling failures apart.
//
// Every statement goes out in one simple query together with what it needs to be
// safe (see sql.go), and no session state is set: behind a pooler (RDS Proxy,
// PgBouncer) state would pin the connection or leak into somebody else's.
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
	// statementTimeout is how long the server may work on a statement. None of
	// ours takes more than milliseconds unless it waits for a lock, which has a
	// limit of its own.
	statementTimeout = engine.LockTimeout + 3*time.Second

	// commitTime is what is left of [engine.LateBound] for a commit.
	commitTime = time.Second

	// answerTimeout is how long we wait for an answer: long enough for the
	// server to report its own timeout, which tells that nothing was changed.
	answerTimeout = engine.LateBound + 2*time.Second

	rollbackTimeout = 2 * time.Second

	// closeTimeout bounds Close.
	closeTimeout = 500 * time.Millisecond
)

// Dialect is what the products differ in.
type Dialect struct {
	Product string // its name
	MaxName int    // of bytes in a name. Required.
	Hints   Hints

	// Explicit is set when transactions are begun and ended by statements of
	// their own, and the server has none of PostgreSQL's newer settings.
	Explicit bool

	// AuthFailed is the code for a login that the server refuses for a reason
	// that SQLSTATE 28000 does not tell. Required.
	AuthFailed fault.Code

	// Roots are whose certificates a server may have that is not AWS's. Optional: by
	// default the system's authorities. See rdsroots.TLS.
	Roots *x509.CertPool
}

// Hints say what to do in a product's own terms.
type Hints struct {
	TLS        string // where TLS versions are set
	DemandsTLS string // the server does not admit the user without TLS
	Admit      string // the server does not admit the user with TLS
	Refused    string // the server does not say why it does not admit the user
	NotAllowed string // a role may not change a password
	ReadOnly   string
	Policy     string // the server's policy refuses a password
	Unknown    string // the server asks for a kind of login that the driver does not know
}

// Connect opens one TCP connection and makes one attempt to log in, whatever
// happens. Errors are those of [engine.Engine].
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

// checkEncoding makes sure that quotes are quotes: in encodings such as SJIS, which
// a database's owner can make the default, the second byte of a character may be
// a backslash.
func (c *Conn) checkEncoding() error {
	switch encoding := c.conn.ParameterStatus("client_encoding"); encoding {
	case "UTF8", "UNICODE", "": // the name before PostgreSQL 8.1; a pooler that says nothing
		return nil
	default:
		return fault.New(fault.DatabaseError, fmt.Sprintf("logging in to %s: the server insists on the client encoding %s", c.Target, encoding),
			"ALTER DATABASE or ALTER ROLE: RESET client_encoding; or correct the pooler in between")
	}
}

// login speaks PostgreSQL's start-up protocol on the link. redial is how the
// driver reaches the server again to cancel a statement.
func (t Target) login(ctx context.Context, l link, password redact.String, redial func(context.Context) (net.Conn, error)) (*pgconn.PgConn, error) {
	cfg, err := pgconfig.New()
	if err != nil {
		return nil, err
	}
	cfg.User, cfg.Password, cfg.Database = t.User, password.Reveal(), t.Database
	// Poolers know both of these. (PgBouncer refuses all but a few.)
	cfg.RuntimeParams["application_name"] = "tumbler"
	cfg.RuntimeParams["client_encoding"] = "UTF8"
	if !l.encrypted {
		// Whoever answers in a server's place must not get the password by
		// just asking for it. (SCRAM and md5 do not send it.)
		cfg.RequireAuth = "!password"
	}
	// The link is there already: one address, so one attempt.
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

// Target says where a session goes, for messages.
type Target struct {
	netfault.Target
	*Dialect
	Database  string
	Encrypted bool
}

// Conn is one logged-in connection. It is not safe for concurrent use.
type Conn struct {
	Target Target

	// As is the role that statements are run as. Optional: by default the one that
	// has logged in, whatever its settings or the database's say.
	As string

	conn *pgconn.PgConn
	raw  net.Conn // what conn runs over, below TLS

	clock int64     // the server's, in milliseconds, when it was asked
	asked time.Time // zero: never
}

// Probe touches no table.
func (c *Conn) Probe(ctx context.Context) error {
	if _, err := c.Read(ctx, probeSQL); err != nil {
		return c.StatementFault(err, "running a query on "+c.Target.String(), Reading)
	}
	return nil
}

// exec runs one simple query and returns the rows of the statements that
// succeeded, even if one failed: all of them are then undone.
//
// The driver's SafeToRetry does not tell that a statement was not sent: it also
// says yes to a connection that was lost while a result was awaited (pgx 5.12,
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
			break // a query that failed after it had begun to answer
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
	if err != nil && c.conn.TxStatus() == 'E' { // the session is of use again
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
	// After a statement was broken off the driver still talks to the server in
	// the background. It ends when its connection does.
	select {
	case <-c.conn.CleanupDone():
	case <-ctx.Done():
	}
	_ = c.raw.Close()
}
