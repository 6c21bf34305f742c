package rotation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// settlement makes a secret and its database consistent after a rotation that may have
// changed either: AWSCURRENT logs in, this execution's password does not, and no statement
// of this execution can change that any more.
type settlement struct {
	attempt
	sleep func(context.Context, time.Duration) error

	labels map[string]string // staging label -> version id, as they were when it began

	refused bool     // AWSCURRENT was refused
	reset   bool     // the superuser has changed a password, or may have
	keep    bool     // this execution's password may still be accepted: its label stays
	did     []string // texts for people
}

func (s *settlement) say(format string, args ...any) {
	s.did = append(s.did, fmt.Sprintf(format, args...))
}

// sentence joins what was done.
func sentence(did []string) string { return strings.Join(did, "; ") + "." }

// run returns nil once a login with AWSCURRENT has succeeded and no label moved meanwhile.
// It may be repeated.
func (s *settlement) run(ctx context.Context, databases Databases) error {
	const looks = 3 // labels and passwords may change meanwhile, but not constantly
	for range looks {
		if err := s.read(ctx, databases); err != nil {
			return err
		}
		settled, err := s.settle(ctx)
		if err != nil {
			return err
		}
		secret, err := s.secrets.Describe(ctx, s.plan.SecretARN)
		if err != nil {
			return err
		}
		if settled && secret.Labels[Current] == s.currentID {
			s.labels = secret.Labels
			return nil
		}
	}
	return fault.New(fault.SecretChanged, "AWSCURRENT or the database's password changed again and again while they were tried",
		"Find out who else changes them, then rotate again")
}

// read reads the current AWSCURRENT, which may differ from the one in the plan.
func (s *settlement) read(ctx context.Context, databases Databases) error {
	secret, err := s.secrets.Describe(ctx, s.plan.SecretARN)
	if err != nil {
		return err
	}
	s.labels = secret.Labels
	value, id, err := s.secrets.Value(ctx, s.plan.SecretARN, Version{Label: Current})
	if err != nil {
		return err
	}
	s.currentID = id
	if s.current, err = secretdoc.Parse(value); err != nil {
		return err
	}
	if s.database, err = s.plan.databaseOf(databases, s.current); err != nil {
		return onlyFunctionKnows(err, s.plan, s.current)
	}
	if s.account, err = target(s.plan, s.current); err != nil {
		return err
	}
	// The version of this execution, if it is of the account that it was to change.
	if value, _, err = s.secrets.Value(ctx, s.plan.SecretARN, Version{ID: s.plan.VersionID}); err == nil {
		s.pending, err = secretdoc.Parse(value)
	}
	if fault.Is(err, fault.VersionNotReady, fault.InvalidSecret) {
		s.pending, err = secretdoc.Document{}, nil
	}
	return err
}

// onlyFunctionKnows is the error for a secret that has a rotation function and no engine,
// so that only the function can say which password works.
func onlyFunctionKnows(err error, plan Planned, current secretdoc.Document) error {
	if plan.RotationFunction == "" {
		return err
	}
	return fault.Wrap(err, fault.InvalidSecret,
		fmt.Sprintf("Tumbler cannot talk to engine %q, so that only rotation function %s can tell which password works", current.Engine, plan.RotationFunction),
		"Rotate again: the next run keeps this password, and the function tries it first")
}

// settle reports whether AWSCURRENT logs in and will continue to.
func (s *settlement) settle(ctx context.Context) (bool, error) {
	if s.over() {
		return s.tryCurrentOnly(ctx)
	}
	if s.plan.Strategy == AlternatingUsers {
		return s.settlePair(ctx)
	}
	return s.settleSingleUser(ctx)
}

// over reports whether this execution's version is no longer on hold: an earlier attempt or
// a later rotation has proven another password, and the next rotation may be running. Then
// nothing is changed any more.
func (s *settlement) over() bool { return s.labels[Hold(s.plan.VersionID)] != s.plan.VersionID }

// tryCurrentOnly logs in with AWSCURRENT and returns an error if that is refused.
func (s *settlement) tryCurrentOnly(ctx context.Context) (bool, error) {
	session, err := s.database.Connect(ctx, s.current)
	if err != nil {
		return false, err
	}
	session.Close()
	s.say("logged in with AWSCURRENT; what this rotation had begun was settled before")
	return true, nil
}

// overtaken is the duration from which setting a password must have waited for a lock,
// perhaps behind another statement.
const overtaken = time.Second

// settleSingleUser sets AWSCURRENT's password again. If AWSCURRENT was refused, this
// repairs it. If not, it makes sure that no statement of this execution takes effect late:
// one that was waiting for a lock has been carried out before this one.
func (s *settlement) settleSingleUser(ctx context.Context) (bool, error) {
	session, err := s.logInToSettle(ctx)
	if err != nil {
		return false, err
	}
	if !s.refused && s.currentID == s.plan.VersionID { // a late statement would set the same password
		session.Close()
		s.say("logged in with AWSCURRENT")
		return true, nil
	}
	if err := s.look(ctx); err != nil || s.labels[Current] != s.currentID {
		session.Close()
		return false, err
	}
	if s.taken() {
		session.Close()
		return s.waitAndTry(ctx)
	}
	began := s.now()
	err = s.setPassword(ctx, session, s.current, false)
	if err != nil && s.plan.RecoverPassword && !fault.CodeOf(err).Retryable() { // perhaps because of the superuser
		err = session.SetPassword(commit(ctx), s.current.Username, s.current.Password)
	}
	session.Close()
	switch {
	case err != nil && (s.refused || fault.CodeOf(err).Retryable()):
		return false, err
	case err != nil: // the user may not set this password
		settled, tried := s.waitAndTry(ctx)
		if tried == nil && s.keep && fault.Is(err, fault.PasswordRejected) && s.current.Traits().SecondExpires {
			return false, err // AWSCURRENT is the second of two passwords, and logs in for now
		}
		return settled, tried
	}
	if s.refused {
		s.say("set the password back to AWSCURRENT's")
	}
	if s.now().Sub(began) < overtaken {
		return s.tryCurrent(ctx)
	}
	return s.waitAndTry(ctx)
}

// logInToSettle logs in with AWSCURRENT, or else with another version that is accepted.
func (s *settlement) logInToSettle(ctx context.Context) (engine.Session, error) {
	session, err := s.database.Connect(ctx, s.current)
	if fault.Is(err, fault.LoginRefused) {
		s.refused = true
		return s.otherwise(ctx, err)
	}
	return session, err
}

// look reads the labels again, directly before a change, since another rotation may have
// begun. If AWSCURRENT has moved, the next round handles it.
func (s *settlement) look(ctx context.Context) error {
	secret, err := s.secrets.Describe(ctx, s.plan.SecretARN)
	if err != nil {
		return err
	}
	s.labels = secret.Labels
	return nil
}

// otherwise logs in with another version after AWSCURRENT was refused.
func (s *settlement) otherwise(ctx context.Context, refused error) (engine.Session, error) {
	session, with, err := s.whatWorks(ctx, refused)
	if err != nil {
		return nil, err
	}
	s.say("found AWSCURRENT refused and that %s logs in", with)
	if !s.taken() {
		return session, nil
	}
	session.Close()
	return nil, fault.New(fault.SecretChanged,
		"AWSCURRENT is refused and AWSPENDING was moved to version "+s.labels[Pending]+", perhaps by a rotation that is running, so the password was not set back",
		"If no other rotation is running, rotate again: the next run finds the password that works and repairs the secret")
}

func (s *settlement) whatWorks(ctx context.Context, refused error) (engine.Session, string, error) {
	if s.ownPassword() {
		session, err := s.database.Connect(ctx, s.pending)
		if err == nil || !fault.Is(err, fault.LoginRefused) {
			return session, "this rotation's password", err
		}
	}
	session, with, err := s.logInOlder(ctx, s.current)
	if err == nil || !fault.Is(err, fault.LoginRefused) {
		return session, with, err
	}
	session, err = s.recover(ctx, refused)
	s.reset = s.reset || err == nil
	return session, "only the " + WithSuperuser, err
}

// ownPassword reports whether this execution has a password of its own for the
// account of AWSCURRENT.
func (s *settlement) ownPassword() bool {
	return !s.pending.Password.IsEmpty() && !s.pending.Password.Equal(s.current.Password) &&
		sameAccount(s.pending, s.current, Pending) == nil
}

// taken reports whether another version has AWSPENDING: then another rotation may be
// running, and nothing may be changed.
func (s *settlement) taken() bool {
	holder := s.labels[Pending]
	return holder != "" && holder != s.plan.VersionID && holder != s.currentID
}

// wait waits until no statement of this execution can take effect late.
func (s *settlement) wait(ctx context.Context) error {
	sleep := s.sleep
	if sleep == nil {
		sleep = pause
	}
	if err := sleep(ctx, engine.LateBound); err != nil {
		return fault.Wrap(err, fault.DatabaseUnavailable, "waiting for a statement that may come late was cut off", "")
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// waitAndTry waits until no statement can take effect late and then tries both passwords: a
// server may accept an old one from a cache until the new one is used once.
func (s *settlement) waitAndTry(ctx context.Context) (bool, error) {
	if err := s.wait(ctx); err != nil {
		return false, err
	}
	if ok, err := s.tryCurrent(ctx); !ok || err != nil {
		return ok, err
	}
	accepted, err := s.accepts(ctx, s.pending)
	if err != nil && fault.CodeOf(err).Retryable() {
		return false, err
	}
	if !accepted {
		return true, nil
	}
	s.keep = true
	s.say("found that the database accepts this rotation's password as well, so that its version keeps a label")
	return s.tryCurrent(ctx)
}

// tryCurrent logs in with AWSCURRENT. A refusal is no error: somebody has just changed the
// password, and the next round finds out which one works.
func (s *settlement) tryCurrent(ctx context.Context) (bool, error) {
	ok, err := s.accepts(ctx, s.current)
	if ok {
		s.say("logged in with AWSCURRENT")
	}
	return ok, err
}

// settlePair proves that AWSCURRENT's user logs in, whom the rotation has not changed, and
// resets the other user's password to AWSPREVIOUS's: an application that has not read the
// secret since the last rotation may still use it.
func (s *settlement) settlePair(ctx context.Context) (bool, error) {
	session, err := s.database.Connect(ctx, s.current)
	if fault.Is(err, fault.LoginRefused) && !s.taken() {
		s.refused = true
		superuser, err := s.repairPair(ctx, err)
		if err != nil {
			return false, err
		}
		s.reset = s.reset || superuser
		s.say("found AWSCURRENT refused, and gave its user AWSCURRENT's password again")
		if session, err = s.database.Connect(ctx, s.current); err != nil {
			return false, err
		}
	} else if err != nil {
		return false, err
	}
	session.Close()
	if s.currentID == s.plan.VersionID { // the rotation has succeeded, and the other user is unchanged
		s.say("logged in with AWSCURRENT")
		return true, nil
	}
	if err := s.settleOther(ctx); fault.Is(err, fault.SuperuserNeeded) {
		return false, err
	} else if err != nil {
		s.keep = true
		s.say("could not settle user %s (%s): applications that still use AWSPREVIOUS may be refused", s.account.Username, fault.From(err).Error())
	}
	if s.currentID != s.plan.CurrentVersionID { // AWSCURRENT has moved, perhaps to the user that this rotation changes
		if err := s.wait(ctx); err != nil {
			return false, err
		}
	}
	return s.tryCurrent(ctx) // last, when no statement can take effect late
}

// settleOther settles the user that AWSCURRENT does not name. Its failures are reported, but
// do not affect applications that read AWSCURRENT.
func (s *settlement) settleOther(ctx context.Context) error {
	if s.taken() {
		s.keep = true
		s.say("left user %s alone: AWSPENDING is on another version", s.account.Username)
		return nil
	}
	previous, err := s.version(ctx, Version{Label: Previous}, s.account)
	if fault.Is(err, fault.VersionNotReady, fault.InvalidSecret) {
		return s.settleNew(ctx)
	}
	if err != nil {
		return err
	}
	accepted, err := s.acceptedToStay(ctx, previous, true)
	if err != nil {
		return err
	}
	if accepted {
		s.say("AWSPREVIOUS logs in, too")
		return nil
	}
	if err := s.resetOther(ctx, previous); err != nil {
		return err
	}
	if accepted, err = s.accepts(ctx, previous); err == nil && !accepted {
		err = fault.New(fault.LoginRefused, "AWSPREVIOUS is refused although it was set", "")
	}
	if err == nil {
		s.say("set user %s back to AWSPREVIOUS", s.account.Username)
	}
	return err
}

// settleNew settles a user without an older password to return to: if it has this
// execution's password, only this execution's version holds it.
func (s *settlement) settleNew(ctx context.Context) (err error) {
	s.say("there is no AWSPREVIOUS of user %s to go back to", s.account.Username)
	if s.pending.Password.IsEmpty() || sameAccount(s.pending, s.account, Pending) != nil {
		return nil
	}
	s.keep, err = s.acceptedToStay(ctx, s.pending, false)
	return err
}

// acceptedToStay tries a password now and, if a late statement could change the answer,
// again when no statement can take effect late.
func (s *settlement) acceptedToStay(ctx context.Context, doc secretdoc.Document, changeable bool) (bool, error) {
	accepted, err := s.accepts(ctx, doc)
	if err != nil || accepted != changeable {
		return accepted, err
	}
	if err := s.wait(ctx); err != nil {
		return false, err
	}
	return s.accepts(ctx, doc)
}

// resetOther sets the other user's password to AWSPREVIOUS's again, if the account has this
// rotation's password, which proves that it is this secret's.
func (s *settlement) resetOther(ctx context.Context, previous secretdoc.Document) error {
	if sameAccount(s.pending, s.account, Pending) != nil {
		return nil
	}
	ours, err := s.accepts(ctx, s.pending)
	if err != nil {
		return err
	}
	if !ours {
		return notProven(s.account.Username, "neither AWSPREVIOUS nor this rotation's password logs in as it")
	}
	admin, err := s.toReset(ctx)
	if err != nil {
		return err
	}
	defer admin.Close()
	s.reset = true
	began := s.now()
	if err := admin.SetPassword(commit(ctx), previous.Username, previous.Password); err != nil || s.now().Sub(began) < overtaken {
		return err
	}
	return s.wait(ctx)
}
