package rotation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Set changes the password in the database to the pending one. It has no permission to
// write secrets.
type Set struct {
	Secrets   SecretReader
	Databases Databases
	Servers   Servers
	Now       func() time.Time
}

// SetResult is what Set did.
type SetResult struct {
	// ChangedAt is when the database changed the password. It is nil if an earlier attempt
	// changed it, at an unknown time, and if no login is refused in between: with
	// alternating users and with keepPrevious.
	ChangedAt *time.Time `json:"changedAt"`

	// LoggedInWith is the label whose password the database accepted, or
	// "superuser" when none was accepted and the superuser reset it.
	LoggedInWith string `json:"loggedInWith"`

	// Repaired is true when the superuser has reset the password of AWSCURRENT's user of a
	// pair before the other one was changed, or may have reset a password in an earlier
	// attempt.
	Repaired bool `json:"repaired,omitempty"`

	// Changes lists what was granted to and revoked from the clone to make it equal to the
	// original, and what could not be compared.
	Changes []string `json:"changes,omitempty"`

	// Advice recommends changes to the secret.
	Advice []string `json:"advice,omitempty"`

	// Privileges is a digest of the privileges of the clone and the original. For users
	// with several accounts there is one for each, separated by spaces.
	Privileges string `json:"privileges,omitempty"`
}

// recovered reports whether the superuser has reset a password.
func (r SetResult) recovered() bool { return r.LoggedInWith == WithSuperuser || r.Repaired }

// WithSuperuser takes the place of a label in [SetResult].
const WithSuperuser = "superuser"

// Run changes the password. It may be repeated. Codes: WindowClosed, SecretChanged,
// InvalidSecret, LoginRefused, AccountNotOurs, SuperuserInvalid, SuperuserNeeded, those of
// [engine.Engine] and [engine.Session], and those of awsfault.
func (s Set) Run(ctx context.Context, in StepInput) (SetResult, error) {
	if err := in.Plan.checkOpen(s.Now()); err != nil {
		return SetResult{}, err
	}
	ctx, cancel := in.Plan.untilClosed(ctx, s.Now())
	defer cancel()
	a, err := s.open(ctx, in)
	if err != nil {
		return SetResult{}, err
	}
	if in.Plan.Strategy == AlternatingUsers {
		return a.alternate(ctx)
	}
	return a.singleUser(ctx)
}

// open reads the secret's versions.
func (s Set) open(ctx context.Context, in StepInput) (a attempt, err error) {
	plan := in.Plan
	a = attempt{
		plan: plan, secrets: s.Secrets, servers: s.Servers, now: s.Now, currentID: plan.CurrentVersionID,
		noted: in.Progress.reset(),
	}
	if a.current, err = readCurrent(ctx, s.Secrets, plan); err != nil {
		return attempt{}, err
	}
	if a.account, err = target(plan, a.current); err != nil {
		return attempt{}, err
	}
	if a.pending, err = a.version(ctx, Version{ID: plan.VersionID, Label: Pending}, a.account); err != nil {
		return attempt{}, err
	}
	a.database, err = plan.databaseOf(s.Databases, a.current)
	return a, err
}

// singleUser changes the user's password in place.
func (a attempt) singleUser(ctx context.Context) (SetResult, error) {
	session, with, err := a.logIn(ctx)
	if err != nil {
		return SetResult{}, err
	}
	defer session.Close()
	result := SetResult{LoggedInWith: with, Repaired: a.noted, Advice: AdviceOnTLS(a.current, session)}
	if with == Pending {
		return result, a.setAgain(ctx, session)
	}
	if err := a.plan.checkOpen(a.now()); err != nil {
		return SetResult{}, err
	}
	keep := a.plan.KeepPrevious && with != WithSuperuser // a lost password is not kept
	if err := a.setPassword(ctx, session, a.pending, keep); err != nil {
		return SetResult{}, err
	}
	if !keep {
		result.ChangedAt = new(a.now().UTC())
	}
	return result, nil
}

// setAgain sets the pending password although the database has it already. An earlier
// attempt or rotation set it, and another statement of theirs may still wait for a lock;
// this one is carried out after it. It is left out outside the window, and on servers that
// refuse a password that is already set.
func (a attempt) setAgain(ctx context.Context, session engine.Session) error {
	if a.plan.checkOpen(a.now()) != nil {
		return nil
	}
	err := a.setPassword(ctx, session, a.pending, a.plan.KeepPrevious)
	if err != nil && fault.CodeOf(err).Retryable() {
		return err
	}
	return nil
}

// logIn logs in and returns the label of the version that the database accepted.
//
// AWSCURRENT comes first: on a first attempt nothing else can be right, and every refused
// login counts towards an account lockout. Others are tried only after a wrong password,
// and not if the account may not log in.
func (a attempt) logIn(ctx context.Context) (engine.Session, string, error) {
	session, refused := a.database.Connect(ctx, a.current)
	if refused == nil || !fault.Is(refused, fault.LoginRefused) {
		return session, Current, refused
	}
	session, err := a.database.Connect(ctx, a.pending)
	if err == nil || !fault.Is(err, fault.LoginRefused) {
		return session, Pending, err
	}
	session, with, err := a.logInOlder(ctx, a.current)
	if err == nil || !fault.Is(err, fault.LoginRefused) {
		return session, with, err
	}
	session, err = a.recover(ctx, refused)
	return session, WithSuperuser, err
}

// alternate sets the pending password of the other user of the pair, and makes the clone's
// privileges equal to the original's, whichever of the two it changes.
func (a attempt) alternate(ctx context.Context) (SetResult, error) {
	users, err := pairOf(a.current)
	if err != nil {
		return SetResult{}, err
	}
	superuser, err := superusers{secrets: a.secrets, servers: a.servers}.credentials(ctx, a.plan, a.current)
	if err != nil {
		return SetResult{}, err
	}
	if err := a.servers.Alternates(ctx, a.current.Host, a.plan.SecretARN); err != nil {
		return SetResult{}, err
	}
	repaired, err := a.ensureCurrent(ctx)
	if err != nil {
		return SetResult{}, err
	}
	admin, err := a.connectSuperuser(ctx, superuser)
	if err != nil {
		return SetResult{}, err
	}
	defer admin.Close()
	level, err := a.level(ctx, users, admin)
	if err != nil {
		return SetResult{}, err
	}
	if users.target == users.original {
		if err := admin.SetPassword(commit(ctx), users.original, a.pending.Password); err != nil {
			return SetResult{}, err
		}
	}
	return SetResult{LoggedInWith: Current, Repaired: repaired || a.noted, Advice: AdviceOnTLS(a.current, admin), Changes: slices.Concat(level.Changes, level.Notes), Privileges: digests(level)}, nil
}

// ensureCurrent makes sure that AWSCURRENT logs in, and repairs it if it does not.
// Applications use it until the rotation ends, and for a while after.
func (a attempt) ensureCurrent(ctx context.Context) (repaired bool, err error) {
	session, err := a.database.Connect(ctx, a.current)
	if fault.Is(err, fault.LoginRefused) {
		if err := a.plan.checkOpen(a.now()); err != nil {
			return false, err
		}
		if repaired, err = a.repairPair(ctx, err); err != nil {
			return false, err
		}
		session, err = a.database.Connect(ctx, a.current)
	}
	if err != nil {
		return false, err
	}
	session.Close()
	return repaired, nil
}

// level creates the clone and makes it equal to the original. That a clone without this
// secret's mark is its own, is proven by AWSPREVIOUS's password, or else by a login. Names
// in versions are no proof: anybody who may store a version may name any account.
func (a attempt) level(ctx context.Context, users pair, admin engine.Session) (engine.CloneResult, error) {
	request := a.cloneOf(users)
	if users.target == users.clone {
		request.Password = a.pending.Password
	}
	if prover, ok := admin.(engine.HashProver); ok && prover.ProvesByHash() {
		known, err := a.known(ctx)
		if err != nil {
			return engine.CloneResult{}, err
		}
		request.Known = known
	}
	if err := a.plan.checkOpen(a.now()); err != nil {
		return engine.CloneResult{}, err
	}
	level, err := admin.EnsureClone(commit(ctx), request)
	if !fault.Is(err, fault.AccountNotOurs) {
		return level, err
	}
	if err := a.provenClone(ctx, err); err != nil {
		return engine.CloneResult{}, err
	}
	request.Proven = true
	return admin.EnsureClone(commit(ctx), request)
}

// digests are the privileges that [Test] may find an account of the user to have.
func digests(level engine.CloneResult) string {
	if len(level.Accounts) == 0 {
		return digest(level.Privileges)
	}
	var list []string
	for _, privileges := range level.Accounts {
		list = append(list, digest(privileges))
	}
	return strings.Join(list, " ")
}

// digest shortens a list of privileges, so that the execution's state stays small.
func digest(privileges []string) string {
	sum := sha256.Sum256([]byte(strings.Join(privileges, "\n")))
	return hex.EncodeToString(sum[:])
}
