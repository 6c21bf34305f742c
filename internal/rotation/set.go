package rotation

import (
	"context"
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Set gives the database the pending password. It has no right to write
// secrets.
type Set struct {
	Secrets interface {
		Describer
		ValueReader
	}
	Databases Databases
	Servers   Servers
	Now       func() time.Time
}

// SetResult tells what Set did.
type SetResult struct {
	// ChangedAt is when the database took the new password. Nil when an earlier
	// attempt had changed it, at a time that is not known.
	ChangedAt *time.Time `json:"changedAt"`

	// LoggedInWith is the label whose password the database accepted, or
	// "superuser" when none was accepted and the superuser reset it.
	LoggedInWith string `json:"loggedInWith"`

	// Changes lists what was granted to and revoked from the clone to bring it
	// level with the original.
	Changes []string `json:"changes,omitempty"`

	// Privileges is a digest of what the clone and the original may do.
	Privileges string `json:"privileges,omitempty"`
}

// Run changes the password. It may be repeated. Codes: WindowClosed,
// SecretChanged, InvalidSecret, LoginRefused, SuperuserInvalid, those of
// [engine.Engine] and [engine.Session], and AWS's own.
func (s Set) Run(ctx context.Context, in StepInput) (SetResult, error) {
	plan := in.Plan
	if err := plan.checkOpen(s.Now()); err != nil {
		return SetResult{}, err
	}
	before, cancel := plan.untilClosed(ctx, s.Now())
	defer cancel()
	current, err := readCurrent(before, s.Secrets, plan)
	if err != nil {
		return SetResult{}, err
	}
	account, err := target(plan, current)
	if err != nil {
		return SetResult{}, err
	}
	v := versions{secrets: s.Secrets, secretARN: plan.SecretARN}
	pending, err := v.read(before, Version{ID: plan.VersionID, Label: Pending}, account)
	if err != nil {
		return SetResult{}, err
	}
	database, err := s.Databases.For(current)
	if err != nil {
		return SetResult{}, err
	}
	if plan.Strategy == AlternatingUsers {
		return s.alternate(ctx, plan, database, v, current, pending)
	}
	return s.singleUser(ctx, plan, database, v, current, pending)
}

// singleUser changes the user's password in place.
func (s Set) singleUser(ctx context.Context, plan Planned, database engine.Engine, v versions, current, pending secretdoc.Document) (SetResult, error) {
	before, cancel := plan.untilClosed(ctx, s.Now())
	defer cancel()
	session, with, err := s.logIn(before, plan, database, v, current, pending)
	if err != nil {
		return SetResult{}, err
	}
	defer session.Close()
	if with == Pending {
		return SetResult{LoggedInWith: Pending}, nil // an earlier attempt changed it
	}
	if err := plan.checkOpen(s.Now()); err != nil {
		return SetResult{}, err
	}
	if err := session.SetPassword(ctx, pending.Username, pending.Password); err != nil {
		return SetResult{}, err
	}
	return SetResult{ChangedAt: new(s.Now().UTC()), LoggedInWith: with}, nil
}

// logIn says with what the database let it in.
//
// AWSCURRENT comes first: on a first attempt nothing else can be right, and
// every refused login counts towards an account lockout.
func (s Set) logIn(ctx context.Context, plan Planned, database engine.Engine, v versions, current, pending secretdoc.Document) (engine.Session, string, error) {
	session, refused := database.Connect(ctx, current)
	if refused == nil || !fault.Is(refused, fault.LoginRefused) {
		return session, Current, refused
	}
	session, err := database.Connect(ctx, pending)
	if err == nil || !fault.Is(err, fault.LoginRefused) {
		return session, Pending, err
	}
	session, with, err := v.connectOlder(ctx, database, plan, current)
	if err == nil || !fault.Is(err, fault.LoginRefused) {
		return session, with, err
	}
	if !plan.RecoverPassword {
		return nil, "", noneAccepted(refused, current)
	}
	// Nobody knows the password any more; the superuser resets it.
	superuser, err := s.superusers().credentials(ctx, plan, current)
	if err != nil {
		return nil, "", err
	}
	session, err = connectSuperuser(ctx, database, superuser)
	return session, WithSuperuser, err
}

func noneAccepted(refused error, current secretdoc.Document) error {
	return fault.Wrap(refused, fault.LoginRefused,
		fmt.Sprintf("the database at %s:%d refuses user %q with AWSCURRENT, AWSPENDING and AWSPREVIOUS",
			current.Host, current.Port, current.Username),
		"Store the password that the database accepts as AWSCURRENT, or set the database's password to what AWSCURRENT says, or let the superuser reset it (recoverPassword)")
}

// WithSuperuser stands for a label in [SetResult].
const WithSuperuser = "superuser"

func (s Set) superusers() superusers {
	return superusers{secrets: s.Secrets, servers: s.Servers}
}
