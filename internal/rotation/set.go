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

// Set gives the database the pending password. It has no right to write
// secrets.
type Set struct {
	Secrets   SecretReader
	Databases Databases
	Servers   Servers
	Now       func() time.Time
}

// SetResult tells what Set did.
type SetResult struct {
	// ChangedAt is when the database took the new password. Nil when an earlier
	// attempt had changed it, at a time that is not known, and where nothing is
	// refused meanwhile: with alternating users, and with keepPrevious.
	ChangedAt *time.Time `json:"changedAt"`

	// LoggedInWith is the label whose password the database accepted, or
	// "superuser" when none was accepted and the superuser reset it.
	LoggedInWith string `json:"loggedInWith"`

	// Repaired is true when the superuser has made AWSCURRENT's user of a pair log
	// in again before the other one was changed, or when an earlier attempt may have
	// had it reset a password.
	Repaired bool `json:"repaired,omitempty"`

	// Changes lists what was granted to and revoked from the clone to bring it
	// level with the original, and where nobody could look.
	Changes []string `json:"changes,omitempty"`

	// Advice is what people had better do about the secret.
	Advice []string `json:"advice,omitempty"`

	// Privileges is a digest of what the clone and the original may do; one for each
	// of their accounts where a user has several, with spaces between.
	Privileges string `json:"privileges,omitempty"`
}

// recovered reports whether the superuser has reset a password.
func (r SetResult) recovered() bool { return r.LoggedInWith == WithSuperuser || r.Repaired }

// WithSuperuser stands for a label in [SetResult].
const WithSuperuser = "superuser"

// Run changes the password. It may be repeated. Codes: WindowClosed,
// SecretChanged, InvalidSecret, LoginRefused, AccountNotOurs, SuperuserInvalid,
// SuperuserNeeded, those of [engine.Engine] and [engine.Session], and AWS's own.
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

// open reads what the step works on.
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
	keep := a.plan.KeepPrevious && with != WithSuperuser // what nobody knows is not kept
	if err := a.setPassword(ctx, session, a.pending, keep); err != nil {
		return SetResult{}, err
	}
	if !keep {
		result.ChangedAt = new(a.now().UTC())
	}
	return result, nil
}

// setAgain sets a pending password that the database has already. An earlier attempt
// changed it, or it is that of a rotation before: a further statement of theirs may still
// wait for a lock, and this one comes behind it. A server that does not take a password
// twice cannot be told so, and outside the window it is left as it is.
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

// logIn says with what the database let it in.
//
// AWSCURRENT comes first: on a first attempt nothing else can be right, and every
// refused login counts towards an account lockout. Only a wrong password leads on:
// an account that may not log in is left alone.
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

// alternate gives the other user of the pair the pending password, and brings
// the clone level with the original whichever of the two it is.
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

// ensureCurrent proves that AWSCURRENT logs in, which applications use until the
// end and for a while after, and repairs it first when it does not.
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

// level makes the clone and brings it level with the original. A clone that bears
// no mark of this secret is proven by AWSPREVIOUS's password, or else by a login. What
// versions say of names is no proof: whoever may store one may name any account.
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

// digests are what [Test] may find an account of the user to have.
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

// digest is a short form of a list of privileges, so that the execution's state
// stays small however many there are.
func digest(privileges []string) string {
	sum := sha256.Sum256([]byte(strings.Join(privileges, "\n")))
	return hex.EncodeToString(sum[:])
}
