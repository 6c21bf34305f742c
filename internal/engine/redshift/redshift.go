// Package redshift rotates passwords of Amazon Redshift users on provisioned clusters and
// serverless workgroups.
//
// Redshift uses PostgreSQL's protocol, and package pgwire implements what the two share:
// login, TLS and faults. Passwords are never sent: the server is given the md5 hash that
// it would store (Redshift documentation, "CREATE USER"). It also accepts SHA-256 hashes,
// but then requires a login method, number 13, that only Amazon's own drivers support.
//
// The md5 hash covers the password and the user's name. Redshift folds most names to
// lower case, quoted or not, but "the case of a username enclosed in double quotation
// marks is always preserved" (Redshift documentation,
// "enable_case_sensitive_identifier"). Every name is quoted here, so the stored name is
// the one in the secret.
//
// What differs from PostgreSQL (views of users, roles and rights, and some keywords) is
// in [views]. The tests replace these by PostgreSQL's and run everything else on
// PostgreSQL with md5 passwords. The statements on Redshift's own views are only compared
// with golden files, because no Redshift server was available.
package redshift

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Engine logs in to Amazon Redshift. Its zero value is ready.
type Engine struct {
	// Roots are the authorities trusted for certificates that AWS has not issued.
	// Optional: by default the system's authorities. See rdsroots.TLS.
	Roots *x509.CertPool

	views *views // nil: Redshift's
}

var _ engine.Engine = Engine{}

// maxName is the longest name in bytes. Source: Redshift documentation, "Names
// and identifiers".
const maxName = 127

var hints = pgwire.Hints{
	TLS:        "every Redshift server does",
	DemandsTLS: `The cluster demands TLS (require_ssl in its parameter group): set "ssl" to true in the secret or remove it`,
	Admit:      "Check that the user exists and that its password is not disabled (ALTER USER ... PASSWORD DISABLE)",
	Refused:    "The password in this version of the secret is not the user's, its validity (VALID UNTIL) is over, it is disabled (PASSWORD DISABLE), or there is no such user",
	NotAllowed: "A user may change its own password unless that is disabled. To change another's it has to be a superuser, or have a role with the ALTER USER privilege",
	ReadOnly:   "Put the endpoint of the cluster or workgroup that is written to into \"host\" of the secret",
	Policy:     "Redshift takes passwords as md5 hashes and cannot check them: look for the reason in its log",
	Unknown: "The password is stored as a SHA-256 hash, with which only Amazon's drivers log in. " +
		"Set it once by hand, in clear text or as an md5 hash: ALTER USER ... PASSWORD",
}

// Connect implements [engine.Engine]. It opens one TCP connection and never makes more
// than one attempt to log in.
func (e Engine) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	s := &session{engine: e, doc: doc, views: e.views}
	if s.views == nil {
		s.views = &redshiftViews
	}
	s.dialect = &pgwire.Dialect{Product: "Redshift", MaxName: maxName, Hints: hints, Roots: e.Roots, Explicit: true, AuthFailed: fault.LoginRefused}
	conn, err := s.dialect.Connect(ctx, doc)
	if err != nil {
		return nil, err
	}
	s.Conn = conn
	return s, nil
}

// Reach implements [engine.Engine].
func (e Engine) Reach(ctx context.Context, doc secretdoc.Document) error {
	return netfault.Reach(ctx, e.Roots, doc)
}

// session is one logged-in connection.
type session struct {
	*pgwire.Conn

	engine  Engine
	dialect *pgwire.Dialect
	doc     secretdoc.Document
	views   *views
}

// SetPassword implements [engine.Session]. It refuses to set another user's password if
// that has expired or, where the session may see this, is disabled.
func (s *session) SetPassword(ctx context.Context, user string, password redact.String) error {
	op := fmt.Sprintf("setting the password of user %q on %s", user, s.Target)
	if err := s.dialect.CheckName("user", user); err != nil {
		return err
	}
	if password.IsEmpty() {
		return pgwire.EmptyPassword(op)
	}
	if user != s.Target.User {
		if err := s.enabled(ctx, op, user); err != nil {
			return err
		}
	}
	_, err := s.Do(ctx, op, []pgwire.Step{{SQL: setPasswordSQL(user, pgwire.MD5(user, password)), Kind: pgwire.Changing}})
	return err
}

// enabled returns AccountDisabled for a user whose password is disabled.
func (s *session) enabled(ctx context.Context, op, name string) error {
	results, err := s.Read(ctx, append(slices.Clone(utcSQL), validitySQL(name))...)
	if err != nil {
		return s.StatementFault(err, op, pgwire.Reading)
	}
	rows := results[len(results)-1]
	if len(rows) != 1 || len(rows[0]) != 2 { // no such user: the change itself will report it
		return nil
	}
	row := rows[0]
	u := user{Name: name, ValidUntil: validity(row[1])}
	if u.expired(time.Now()) {
		return fault.New(fault.AccountDisabled, fmt.Sprintf("%s: the validity of its password is over (VALID UNTIL %s)", op, u.ValidUntil),
			fmt.Sprintf("If it is to be used again: ALTER USER %s VALID UNTIL another time or 'infinity'. Nothing was changed", pgwire.Identifier(name)))
	}
	if row[0] != "t" {
		return nil
	}
	if results, err = s.Read(ctx, disabledSQL(name)); err != nil {
		return s.StatementFault(err, op, pgwire.Reading)
	}
	if len(results[0]) > 0 {
		return fault.New(fault.AccountDisabled, op+": its password is disabled (PASSWORD DISABLE)",
			fmt.Sprintf("If it is to be used again, set a password once by hand: ALTER USER %s PASSWORD. Nothing was changed", pgwire.Identifier(name)))
	}
	return nil
}
