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
	db     *sql.DB // limited to one connection
	conn   *sql.Conn
	wire   *wire
	target netfault.Target

	encrypted bool // the whole session, with a verified certificate

	// password is the one used to log in. The session must give it to change its own
	// password.
	password redact.String
	// seesLogins is set if the session sees all logins, so that one it cannot find does
	// not exist.
	seesLogins bool
	// bounded is set once the session has [tsql.LockTimeout].
	bounded bool
}

// Encrypted implements [engine.Encrypted].
func (s *session) Encrypted() bool { return s.encrypted }

var _ engine.Session = (*session)(nil)

// grace is how long the driver may take to end a statement after its context has ended,
// and how long Close may take.
const grace = time.Second

// Probe runs a harmless query.
func (s *session) Probe(ctx context.Context) error {
	return s.query(ctx, "running a query", func(*sql.Rows) error { return nil }, tsql.Probe)
}

// SetPassword changes the password of a login or of a user of a contained database. For
// the session's own user, it gives the current password. For another account the session
// needs ALTER on that login, which ALTER ANY LOGIN implies, or ALTER ANY USER in the
// user's database. A locked account stays locked.
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
		if a.name != s.target.User { // find may have left the session in a tenant's database
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

// why finds out which permission was missing when a change of another account was
// refused. The server gives the same answer for several reasons.
func (s *session) why(ctx context.Context, a account, err error) error {
	if a.name != s.target.User && fault.Is(err, fault.PrivilegeMissing) {
		if told := s.mayChange(ctx, a.name); fault.Is(told, fault.PrivilegeMissing) {
			return told
		}
	}
	return err
}

// longest is the maximum number of UTF-16 units in a name or a password (SQL Server
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

// noSuchAccount returns PrivilegeMissing if the session cannot see other accounts, which
// then seem not to exist.
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

// query runs a query. A lost answer is harmless, because the query can be repeated.
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

// lost classifies a session that ended while waiting for an answer.
func (s *session) lost(ctx context.Context, err error, op string, changing bool) error {
	if s.wire.timedOut() { // the driver's errors do not say so
		err = errors.Join(os.ErrDeadlineExceeded, err)
	}
	return netfault.LostFault(errors.Join(ctx.Err(), err), op+" on "+s.target.Address(), changing)
}

// exec runs a statement that changes something. Without the server's answer, the outcome
// is unknown.
//
// If the server learns that its client has gone, by an attention or a closed connection,
// it rolls the statement back. If the client dies unnoticed, the statement continues but
// does not wait for locks forever (SQL Server documentation, "SET LOCK_TIMEOUT").
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
	// If the server ends the session with an error, the change may have been made.
	_, fatal := errors.AsType[mssql.ServerError](err)
	if numbers := numbersOf(err); len(numbers) > 0 && !fatal {
		return statementFault(err, numbers, op)
	}
	return s.lost(ctx, err, op, true)
}

// bound sets a deadline on the connection soon after the context ends. Otherwise the
// driver would wait for a silent server to confirm the end of the statement.
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
