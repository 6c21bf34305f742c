package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"
	"unicode/utf16"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// session is one logged-in connection.
type session struct {
	db     *sql.DB // of exactly one connection
	conn   *sql.Conn
	wire   *wire
	target netfault.Target

	encrypted bool // all of it, with a certificate that was verified

	// password is the one just used to log in: who changes his own has to give it.
	password redact.String
	// seesLogins tells that a login which is not found does not exist.
	seesLogins bool
	// bounded tells that the server keeps [tsql.LockTimeout] for the session.
	bounded bool
}

// Encrypted implements [engine.Encrypted].
func (s *session) Encrypted() bool { return s.encrypted }

var _ engine.Session = (*session)(nil)

// grace is how long the driver may take to end a statement whose context has
// ended, and Close to say goodbye.
const grace = time.Second

// Probe runs a harmless query.
func (s *session) Probe(ctx context.Context) error {
	return s.query(ctx, "running a query", func(*sql.Rows) error { return nil }, tsql.Probe)
}

// SetPassword changes a login's password, or that of a user of a contained
// database. The session's own user proves itself with the password it has; for
// another one the session needs ALTER on that login, which ALTER ANY LOGIN implies, or ALTER
// ANY USER in the user's database. A locked account stays locked.
func (s *session) SetPassword(ctx context.Context, user string, password redact.String) error {
	if password.IsEmpty() {
		return fault.New(fault.PasswordRejected, fmt.Sprintf("the new password of %q is empty", user), "Set the rotation's password options")
	}
	if err := fitPassword(user, password); err != nil {
		return err
	}
	account, err := s.find(ctx, user)
	if err != nil {
		return err
	}
	if account == nil {
		return s.noSuchAccount(user)
	}
	var old redact.String
	if user == s.target.User {
		old = s.password
	}
	if err := s.setPassword(ctx, *account, password, old); err != nil {
		return err
	}
	if user == s.target.User {
		s.password = password
	}
	return nil
}

func (s *session) setPassword(ctx context.Context, a account, password, old redact.String) error {
	op := fmt.Sprintf("changing the password of %q", a.name)
	if a.database == "" {
		if a.name != s.target.User { // from where it has looked, which may be a tenant's
			if err := s.use(ctx, tsql.Master); err != nil {
				return err
			}
		}
		return s.why(ctx, a, s.exec(ctx, op, tsql.LoginPassword(a.name, password, old).Reveal()))
	}
	if err := s.use(ctx, a.database); err != nil {
		return err
	}
	return s.why(ctx, a, s.exec(ctx, op, tsql.UserPassword(a.name, password, old).Reveal()))
}

// why asks what was missing for a change of another account that was not allowed: the
// server gives one answer for several reasons.
func (s *session) why(ctx context.Context, a account, err error) error {
	if a.name != s.target.User && fault.Is(err, fault.PrivilegeMissing) {
		if told := s.mayChange(ctx, a.name); fault.Is(told, fault.PrivilegeMissing) {
			return told
		}
	}
	return err
}

// longest is how many UTF-16 units a name or a password may have (SQL Server
// documentation, "sysname" and "CREATE LOGIN").
const longest = 128

func fitPassword(user string, password redact.String) error {
	text := password.Reveal()
	switch n := len(utf16.Encode([]rune(text))); {
	case n > longest:
		return fault.New(fault.PasswordRejected, fmt.Sprintf("the new password of %q is %d characters long", user, n),
			fmt.Sprintf("SQL Server takes up to %d: set the rotation's password length", longest))
	case !tsql.Quotable(text):
		return fault.New(fault.PasswordRejected,
			fmt.Sprintf("the new password of %q has a backslash before a line break, or a NUL", user),
			"SQL Server cannot take it in a statement: exclude the backslash from passwords")
	}
	return nil
}

// noSuchAccount is PrivilegeMissing where the server would not say: to an
// account without rights over others, others do not exist.
func (s *session) noSuchAccount(user string) error {
	if s.seesLogins {
		return fault.New(fault.DatabaseError, fmt.Sprintf("there is no login or contained user %q on %s", user, s.target.Address()),
			"Correct the secret's username; a contained user is only found in databases that the superuser may open")
	}
	return fault.New(fault.PrivilegeMissing, fmt.Sprintf("user %q may not see a login %q on %s", s.target.User, user, s.target.Address()),
		"Give the account that changes others ALTER ANY LOGIN, or use a superuser's secret")
}

// use changes the current database.
func (s *session) use(ctx context.Context, database string) error {
	return s.query(ctx, fmt.Sprintf("opening database %q", database), func(*sql.Rows) error { return nil }, tsql.Use(database))
}

// query reads; what is lost can be read again.
func (s *session) query(ctx context.Context, op string, scan func(*sql.Rows) error, text string, args ...any) error {
	defer s.bound(ctx)()
	rows, err := s.conn.QueryContext(ctx, text, args...)
	if err == nil {
		defer func() { _ = rows.Close() }()
		for err == nil && rows.Next() {
			err = scan(rows)
		}
		if err == nil {
			err = rows.Err()
		}
	}
	if err == nil {
		return nil
	}
	if numbers := numbersOf(err); len(numbers) > 0 {
		return statementFault(err, numbers, op)
	}
	return s.lost(ctx, err, op, false)
}

// lost classifies a session that ended while we waited for an answer.
func (s *session) lost(ctx context.Context, err error, op string, changing bool) error {
	if s.wire.timedOut() { // which the driver's errors do not tell
		err = errors.Join(os.ErrDeadlineExceeded, err)
	}
	return netfault.LostFault(errors.Join(ctx.Err(), err), op+" on "+s.target.Address(), changing)
}

// exec changes something. Without the server's answer it is not known whether
// it did.
//
// A server that sees its client go, by an attention or the end of the connection,
// rolls the statement back. When the client is dead it sees nothing and the
// statement goes on, but gives up waiting for locks by itself (SQL Server
// documentation, "SET LOCK_TIMEOUT").
func (s *session) exec(ctx context.Context, op, statement string) error {
	if !s.bounded {
		if err := s.query(ctx, op, func(*sql.Rows) error { return nil }, tsql.LockTimeout); err != nil {
			return err
		}
		s.bounded = true
	}
	if err := ctx.Err(); err != nil {
		return s.lost(ctx, netfault.ErrNotSent, op, true)
	}
	defer s.bound(ctx)()
	_, err := s.conn.ExecContext(ctx, statement)
	if err == nil {
		return nil
	}
	// A server that ends the session with an error may have done the work.
	_, fatal := errors.AsType[mssql.ServerError](err)
	if numbers := numbersOf(err); len(numbers) > 0 && !fatal {
		return statementFault(err, numbers, op)
	}
	return s.lost(ctx, err, op, true)
}

// bound ends what waits for a silent server soon after the context does: the
// driver by itself asks such a server to confirm, and waits.
func (s *session) bound(ctx context.Context) (release func()) {
	stop := context.AfterFunc(ctx, func() { _ = s.wire.SetDeadline(time.Now().Add(grace)) })
	return func() { stop() }
}

// Close ends the connection.
func (s *session) Close() {
	_ = s.wire.SetDeadline(time.Now().Add(grace))
	_ = s.conn.Close()
	_ = s.db.Close()
}
