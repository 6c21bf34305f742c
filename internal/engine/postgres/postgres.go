// Package postgres rotates passwords of PostgreSQL and Aurora PostgreSQL users.
//
// A password is never sent to the server: SetPassword and EnsureClone compute
// what the server would store and send that, so that the password appears neither in the
// server's log, nor in pg_stat_statements, nor in a proxy in between.
package postgres

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Engine logs in to PostgreSQL and Aurora PostgreSQL. Its zero value is ready.
type Engine struct {
	// Roots are the certificate authorities of servers that are not AWS's. Optional; the
	// system's. See rdsroots.TLS.
	Roots *x509.CertPool

	// SeparateOwnership makes clones own what they create, instead of acting as their
	// originals. Optional.
	//
	// Memberships, attributes and settings are then copied, and in the session's
	// database rights on tables, columns, sequences, schemas, functions, types,
	// languages, foreign servers and large objects, those on databases and
	// tablespaces, and default privileges. What one of the two owns it keeps,
	// and the other is granted what an owner may do, short of altering and
	// dropping it. Not covered: other databases, policies of row-level security
	// that name the original, rights on parameters, and what the original's own
	// default privileges grant to others. The superuser has to be able to grant
	// all of it: an owner, a member of the owners, or a real superuser.
	SeparateOwnership bool
}

var (
	_ engine.Engine     = Engine{}
	_ engine.Separating = Engine{}
)

// Separate implements [engine.Separating].
func (e Engine) Separate() (engine.Engine, bool) {
	e.SeparateOwnership = true
	return e, true
}

// maxName is the maximum length of a name, in bytes (NAMEDATALEN - 1). PostgreSQL truncates
// longer ones, so that they would name another role.
const maxName = 63

// hints are written for people who operate RDS.
var hints = pgwire.Hints{
	TLS: "RDS: ssl_min_protocol_version, ssl_max_protocol_version and ssl_ciphers of the parameter group",
	DemandsTLS: `The server probably demands TLS (RDS: rds.force_ssl): set "ssl" to true in the secret or remove it. ` +
		"Otherwise correct pg_hba.conf",
	Admit: "Correct pg_hba.conf; on RDS check that the user does not need IAM authentication (rds_iam)",
	NotAllowed: "A role may change its own password unless RDS restricts that (rds.restrict_password_commands: grant it rds_password). " +
		"To change another's it needs CREATEROLE, and from PostgreSQL 16 on ADMIN OPTION on that role, too",
	Refused:  "Its password is checked elsewhere (LDAP, PAM, a certificate; on RDS: rds_iam), or pg_hba.conf rejects it. Have the server authenticate this user by scram-sha-256",
	ReadOnly: `Put the writer's endpoint into "host" of the secret`,
	Unknown:  "Have the server authenticate this user by scram-sha-256 or md5",
	Policy:   "Make generated passwords fit the policy (passwordcheck, pg_tle or credcheck). Policies that demand to see the password in clear cannot be met",
}

// Connect implements [engine.Engine]. It opens one TCP connection and makes one
// attempt to log in, whatever happens.
func (e Engine) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	return e.connect(ctx, doc)
}

func (e Engine) connect(ctx context.Context, doc secretdoc.Document) (*session, error) {
	dialect := &pgwire.Dialect{Product: "PostgreSQL", MaxName: maxName, Hints: hints, Roots: e.Roots, AuthFailed: fault.AccountDisabled}
	conn, err := dialect.Connect(ctx, doc)
	if err != nil {
		return nil, err
	}
	return &session{Conn: conn, engine: e, doc: doc}, nil
}

// Reach implements [engine.Engine].
func (e Engine) Reach(ctx context.Context, doc secretdoc.Document) error {
	return netfault.Reach(ctx, e.Roots, doc)
}

// session is one logged-in connection.
type session struct {
	*pgwire.Conn

	engine Engine
	doc    secretdoc.Document
}

// enter opens another session of the same user in another database.
func (s *session) enter(ctx context.Context, database string) (*session, error) {
	doc := s.doc
	doc.DBName = database
	other, err := s.engine.connect(ctx, doc)
	if err != nil {
		return nil, err
	}
	other.As = s.As
	return other, nil
}

// SetPassword implements [engine.Session].
//
// What is stored follows the server's password_encryption, as if the server had
// been given the password: a SCRAM-SHA-256 verifier with the server's
// scram_iterations, or an md5 hash.
//
// Another role's password is not set if that role may not log in or its validity is over
// (AccountDisabled): then the role was disabled on purpose.
func (s *session) SetPassword(ctx context.Context, user string, password redact.String) error {
	op := fmt.Sprintf("setting the password of role %q on %s", user, s.Target)
	if err := s.Target.CheckName("role", user); err != nil {
		return err
	}
	if password.IsEmpty() {
		return pgwire.EmptyPassword(op) // to the server it would mean: no password
	}
	a, err := s.account(ctx, user)
	if err != nil {
		return s.StatementFault(err, op, pgwire.Reading)
	}
	verifier, err := a.method.Verifier(user, password)
	if err != nil {
		return pgwire.VerifierFault(err, op)
	}
	steps := []pgwire.Step{{SQL: alterPasswordSQL(user, verifier), Kind: pgwire.Changing}}
	if !a.own {
		if a.disabled() {
			return accountDisabled(op, user, a.noLogin)
		}
		may := pgwire.Step{SQL: enabledSQL(user), Kind: pgwire.Changing, Refusal: accountDisabled(op, user, false)}
		steps = append([]pgwire.Step{may}, steps...)
	}
	_, err = s.Do(ctx, op, steps)
	return err
}

// account is what concerns the password of a role.
type account struct {
	method           pgwire.PasswordMethod
	own              bool // it is the session's own role
	noLogin, expired bool
}

func (a account) disabled() bool { return a.noLogin || a.expired }

func (s *session) account(ctx context.Context, role string) (account, error) {
	row, err := s.Row(ctx, accountSQL(role))
	if err != nil {
		return account{}, err
	}
	if len(row) != 6 {
		return account{}, errors.New("what the server says about the role was not understood")
	}
	if actor := row[5]; actor != "" && s.As == "" && row[2] != "t" {
		s.As = actor
	}
	method, err := pgwire.ParsePasswordMethod(row[:2])
	return account{method: method, own: row[2] == "t", noLogin: row[3] == "t", expired: row[4] == "t"}, err
}

func accountDisabled(op, role string, noLogin bool) *fault.Error {
	what, option := "its validity is over (VALID UNTIL)", "VALID UNTIL another time or 'infinity'"
	if noLogin {
		what, option = "it may not log in (NOLOGIN)", "LOGIN"
	}
	return fault.New(fault.AccountDisabled, fmt.Sprintf("%s: role %q is disabled: %s", op, role, what),
		fmt.Sprintf("If it is to be used again: ALTER ROLE %s %s. Otherwise stop rotating this secret. Nothing was changed", pgwire.Identifier(role), option))
}
