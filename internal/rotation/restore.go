package rotation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Restore puts things right after a failure. It asks the database which
// password works and makes AWSCURRENT the one that does. It moves labels and
// changes the database's password, but has no right to write values.
type Restore struct {
	Secrets interface {
		Describer
		ValueReader
		LabelMover
	}
	Databases Databases
	Servers   Servers
	Now       func() time.Time
}

// RestoreInput is the execution's whole state when a step failed. A step that
// has no result in it did not succeed.
type RestoreInput struct {
	Request   json.RawMessage `json:"request"`
	Execution Execution       `json:"execution"`
	Plan      Planned         `json:"plan"`
	Create    *CreateResult   `json:"create"`
	Unclear   *Failure        `json:"unclear"` // the failure of an attempt of SetSecret that may have changed the database
	Set       *SetResult      `json:"set"`
	Test      *TestResult     `json:"test"`
	Failure   Failure         `json:"failure"`
}

// Run restores the secret and says how the rotation ended. It may be repeated.
// An error that can get better (the database cannot be reached, AWS throttles)
// is returned, so that the state machine tries again; AWSPENDING stays until
// the database has shown which password works.
func (r Restore) Run(ctx context.Context, in RestoreInput) (Ending, error) {
	request, _ := ParseRequest(in.Request) // Plan has reported what is wrong with it
	end := run{request: request, execution: in.Execution, plan: in.Plan, step: in.failedStep(), now: r.Now()}
	if in.Plan.Decision != Rotate {
		return end.end(outcomeFor(fault.Code(in.Failure.Error), Refused), in.Failure, "nothing: no step had run."), nil
	}

	secret, err := r.Secrets.Describe(ctx, in.Plan.SecretARN)
	if err != nil {
		return r.unproven(end, in.Failure, err)
	}
	if secret.Labels[Current] == in.Plan.VersionID {
		_, err := r.dropPending(ctx, in.Plan)
		return end.end(Rotated, Failure{}, ""), err
	}
	restored := outcomeFor(fault.Code(in.Failure.Error), RestoredCleanly)
	if secret.Labels[Pending] != in.Plan.VersionID && in.Create == nil {
		// Whether AWSCURRENT logs in nobody has tried: the secret may not even
		// be readable.
		return end.end(outcomeFor(fault.Code(in.Failure.Error), Refused), in.Failure, "nothing: no step had gone to the database."), nil
	}
	if secret.Labels[Pending] != in.Plan.VersionID {
		// Without AWSPENDING no step has gone to the database, or an earlier
		// Restore has already proven that AWSCURRENT works.
		return end.end(restored, in.Failure, "nothing: the database was not touched, or has been restored before."), nil
	}
	did, judged, err := r.reconcile(ctx, in.Plan)
	if !judged && in.databaseUntouched() {
		restored = outcomeFor(fault.Code(in.Failure.Error), Refused)
		did = "could not log in (" + string(fault.CodeOf(err)) + "), but no attempt had got as far as changing anything in the database"
		err = nil
	}
	if err != nil {
		return r.unproven(end, in.Failure, err)
	}
	dropped, err := r.dropPending(ctx, in.Plan)
	return end.end(restored, in.Failure, did+dropped), err
}

// failedStep is the first state without a result.
func (in RestoreInput) failedStep() string {
	switch {
	case in.Plan.Decision != Rotate:
		return "Plan"
	case in.Create == nil:
		return "CreateSecret"
	case in.Set == nil:
		return "SetSecret"
	case in.Test == nil:
		return "TestSecret"
	}
	return "FinishSecret"
}

// databaseUntouched reports whether it is certain that this rotation has changed
// nothing in the database: no attempt can have, and AWSPENDING does not hold the
// password of a dead rotation, which may have.
func (in RestoreInput) databaseUntouched() bool {
	adopted := in.Plan.heldByAnother(in.Plan.PendingVersionID)
	switch in.failedStep() {
	case "Plan", "CreateSecret":
		return !adopted
	case "SetSecret":
		code := fault.Code(in.Failure.Error)
		certain := slices.Contains(beforeAnyChange, code) ||
			// A single user's password is changed by one statement; making a
			// clone can stop half-way.
			in.Plan.Strategy == SingleUser && slices.Contains(statementRefused, code)
		return certain && !adopted && in.Unclear == nil
	}
	return false
}

// beforeAnyChange are the codes that SetSecret fails with before it has changed
// anything.
var beforeAnyChange = []fault.Code{
	fault.DatabaseUnreachable, fault.DatabaseUnavailable, fault.CertificateRejected, fault.TLSUnavailable,
	fault.LoginRefused, fault.WindowClosed, fault.SecretChanged, fault.InvalidSecret, fault.SuperuserInvalid,
	fault.AccessDenied, fault.KeyUnusable, fault.Throttled, fault.ServiceUnavailable, fault.VersionNotReady,
}

// statementRefused are the codes of a statement that the database refused.
var statementRefused = []fault.Code{
	fault.PrivilegeMissing, fault.PasswordRejected, fault.DatabaseReadOnly, fault.DatabaseError,
}

// onlyFunctionKnows says what it means that there is no engine for a secret
// whose password a rotation function sets.
func onlyFunctionKnows(err error, plan Planned, current secretdoc.Document) error {
	if plan.RotationFunction == "" {
		return err
	}
	return fault.Wrap(err, fault.InvalidSecret,
		fmt.Sprintf("Tumbler cannot talk to engine %q, so that only rotation function %s can tell which password works", current.Engine, plan.RotationFunction),
		"Rotate again: the next run keeps this password, and the function tries it first")
}

// reconcile returns nil once a login with AWSCURRENT has succeeded. judged tells
// whether the database has said, at least, if it accepts AWSCURRENT.
func (r Restore) reconcile(ctx context.Context, plan Planned) (did string, judged bool, err error) {
	value, _, err := r.Secrets.Value(ctx, plan.SecretARN, Version{Label: Current})
	if err != nil {
		return "", false, err
	}
	current, err := secretdoc.Parse(value)
	if err != nil {
		return "", false, err
	}
	database, err := r.Databases.For(current)
	if err != nil {
		return "", false, onlyFunctionKnows(err, plan, current)
	}
	session, refused := database.Connect(ctx, current)
	if refused == nil {
		session.Close()
		if plan.Strategy == AlternatingUsers {
			did, err = r.resetOther(ctx, plan, database, current)
			return did, true, err
		}
		return "logged in with AWSCURRENT, which works", true, nil
	}
	if !fault.Is(refused, fault.LoginRefused) {
		return "", false, refused
	}
	did, err = r.setBack(ctx, database, plan, current)
	return did, true, err
}

// setBack gives the user AWSCURRENT's password again and proves it by a login.
func (r Restore) setBack(ctx context.Context, database engine.Engine, plan Planned, current secretdoc.Document) (string, error) {
	session, with, err := r.connectOther(ctx, database, plan, current)
	if err != nil {
		return "", err
	}
	err = session.SetPassword(ctx, current.Username, current.Password)
	session.Close()
	if err != nil {
		return "", err
	}
	session, err = database.Connect(ctx, current)
	if err != nil {
		return "", err
	}
	session.Close()
	return "found that only " + with + " logged in, set the password back to AWSCURRENT's and logged in with it", nil
}

// connectOther logs in with AWSPENDING, else with an older version, else as the
// superuser if the rotation has one.
func (r Restore) connectOther(ctx context.Context, database engine.Engine, plan Planned, current secretdoc.Document) (engine.Session, string, error) {
	v := versions{secrets: r.Secrets, secretARN: plan.SecretARN}
	if plan.Strategy != AlternatingUsers { // where AWSPENDING is of the other user
		session, err := v.connect(ctx, database, plan.VersionID, current)
		if err == nil || !fault.Is(err, fault.LoginRefused) {
			return session, Pending, err
		}
		session, with, err := v.connectOlder(ctx, database, plan, current)
		if err == nil || !fault.Is(err, fault.LoginRefused) {
			return session, with, err
		}
		if plan.SuperuserSecretID == "" && current.MasterARN == "" {
			return nil, "", noneAccepted(err, current)
		}
	}
	session, err := r.connectSuperuser(ctx, plan, database, current)
	return session, "the " + WithSuperuser, err
}

func (r Restore) connectSuperuser(ctx context.Context, plan Planned, database engine.Engine, current secretdoc.Document) (engine.Session, error) {
	superuser, err := superusers{secrets: r.Secrets, servers: r.Servers}.credentials(ctx, plan, current)
	if err != nil {
		return nil, err
	}
	return connectSuperuser(ctx, database, superuser)
}

// resetOther gives the user that the rotation was changing AWSPREVIOUS's
// password again: an application that has not read the secret since the last
// rotation may still use it. AWSCURRENT's user was never touched.
func (r Restore) resetOther(ctx context.Context, plan Planned, database engine.Engine, current secretdoc.Document) (string, error) {
	const untouched = "logged in with AWSCURRENT, which works"
	account, err := target(plan, current)
	if err != nil {
		return "", err
	}
	v := versions{secrets: r.Secrets, secretARN: plan.SecretARN}
	previous, err := v.read(ctx, Version{Label: Previous}, account)
	if fault.Is(err, fault.VersionNotReady, fault.InvalidSecret) {
		return untouched + "; there is no AWSPREVIOUS of user " + account.Username + " to go back to", nil
	}
	if err != nil {
		return "", err
	}
	if session, err := database.Connect(ctx, previous); err == nil {
		session.Close()
		return untouched + ", and so does AWSPREVIOUS", nil
	} else if !fault.Is(err, fault.LoginRefused) {
		return "", err
	}
	session, err := r.connectSuperuser(ctx, plan, database, current)
	if err != nil {
		return "", err
	}
	defer session.Close()
	if err := session.SetPassword(ctx, previous.Username, previous.Password); err != nil {
		return "", err
	}
	return untouched + ", and set user " + previous.Username + " back to AWSPREVIOUS", nil
}

// unproven returns an error that can get better for another try, and otherwise
// asks for a person.
func (r Restore) unproven(end run, first Failure, err error) (Ending, error) {
	why := fault.From(err)
	if why.Code.Retryable() {
		return Ending{}, err
	}
	return end.end(NeedsAttention, first,
		"could not prove that AWSCURRENT works ("+why.Error()+"), so it kept AWSPENDING, which may be the only password that works."), nil
}

// dropPending takes AWSPENDING off this execution's version and says so. That
// it is gone already is fine. A refusal does not matter to applications: the
// next rotation finds what is left and heals it.
func (r Restore) dropPending(ctx context.Context, plan Planned) (did string, err error) {
	_, err = r.Secrets.MoveLabel(ctx, plan.SecretARN, Pending, plan.VersionID, "")
	if why := fault.From(err); err != nil && !why.Code.Retryable() {
		return "; could not take AWSPENDING off (" + why.Error() + "), which the next rotation will do.", nil
	}
	return "; took AWSPENDING off.", err
}
