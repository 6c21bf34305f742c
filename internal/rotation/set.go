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
	Secrets   ValueReader
	Databases Databases
	Now       func() time.Time
}

// SetResult tells what Set did.
type SetResult struct {
	// ChangedAt is when the database took the new password. Nil when an earlier
	// attempt had changed it, at a time that is not known.
	ChangedAt *time.Time `json:"changedAt"`

	// LoggedInWith is the label whose password the database accepted.
	LoggedInWith string `json:"loggedInWith"`
}

// Run changes the password. It may be repeated. Codes: WindowClosed,
// SecretChanged, InvalidSecret, LoginRefused, those of [engine.Engine] and
// [engine.Session], and AWS's own.
func (s Set) Run(ctx context.Context, in StepInput) (SetResult, error) {
	plan := in.Plan
	if err := plan.Window.checkOpen(s.Now()); err != nil {
		return SetResult{}, err
	}
	v := versions{secrets: s.Secrets, secretARN: plan.SecretARN}
	current, err := readCurrent(ctx, s.Secrets, plan)
	if err != nil {
		return SetResult{}, err
	}
	pending, err := v.read(ctx, Version{ID: plan.VersionID, Label: Pending})
	if err != nil {
		return SetResult{}, err
	}
	if err := sameAccount(pending, current, Pending); err != nil {
		return SetResult{}, err
	}
	database, err := s.Databases.For(current)
	if err != nil {
		return SetResult{}, err
	}

	// AWSCURRENT comes first: on a first attempt nothing else can be right, and
	// every refused login counts towards an account lockout.
	session, err := database.Connect(ctx, current)
	if err == nil {
		return s.change(ctx, session, pending, Current)
	}
	if !fault.Is(err, fault.LoginRefused) {
		return SetResult{}, err
	}
	if session, pendingErr := database.Connect(ctx, pending); pendingErr == nil {
		session.Close()
		return SetResult{LoggedInWith: Pending}, nil
	} else if !fault.Is(pendingErr, fault.LoginRefused) {
		return SetResult{}, pendingErr
	}
	if plan.PreviousVersionID != "" {
		session, previousErr := v.connectPrevious(ctx, database, current)
		if previousErr == nil {
			return s.change(ctx, session, pending, Previous)
		} else if !fault.Is(previousErr, fault.LoginRefused) {
			return SetResult{}, previousErr
		}
	}
	return SetResult{}, fault.Wrap(err, fault.LoginRefused,
		fmt.Sprintf("the database at %s:%d refuses user %q with AWSCURRENT, AWSPENDING and AWSPREVIOUS",
			current.Host, current.Port, current.Username),
		"Store the password that the database accepts as AWSCURRENT, or set the database's password to what AWSCURRENT says")
}

func (s Set) change(ctx context.Context, session engine.Session, to secretdoc.Document, with string) (SetResult, error) {
	defer session.Close()
	if err := session.SetPassword(ctx, to.Username, to.Password); err != nil {
		return SetResult{}, err
	}
	return SetResult{ChangedAt: new(s.Now().UTC()), LoggedInWith: with}, nil
}

// versions reads the documents of one secret.
type versions struct {
	secrets   ValueReader
	secretARN string
}

func (v versions) read(ctx context.Context, version Version) (secretdoc.Document, error) {
	value, _, err := v.secrets.Value(ctx, v.secretARN, version)
	if err != nil {
		return secretdoc.Document{}, err
	}
	return secretdoc.Parse(value)
}

// connectPrevious logs in with AWSPREVIOUS. An AWSPREVIOUS that is gone,
// unreadable or of another account is as good as refused: it is a last resort.
func (v versions) connectPrevious(ctx context.Context, database engine.Engine, current secretdoc.Document) (engine.Session, error) {
	previous, err := v.read(ctx, Version{Label: Previous})
	if err == nil {
		err = sameAccount(previous, current, Previous)
	}
	if fault.Is(err, fault.VersionNotReady, fault.InvalidSecret) {
		return nil, fault.Wrap(err, fault.LoginRefused, "AWSPREVIOUS cannot be used", "")
	}
	if err != nil {
		return nil, err
	}
	return database.Connect(ctx, previous)
}
