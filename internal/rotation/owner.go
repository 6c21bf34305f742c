package rotation

import (
	"context"
	"fmt"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Which accounts may be changed. A superuser can change any account, and anybody who may
// store a value in the secret can name any account in it. So the superuser acts on an
// account only if there is proof that the account is this secret's.

// recover logs in as the superuser to reset the password of a single user if no version of
// the secret has it any more. The configuration must allow it, and the secret's versions
// must prove that the account is its own.
func (a attempt) recover(ctx context.Context, refused error) (engine.Session, error) {
	if !a.plan.RecoverPassword {
		return nil, noneAccepted(refused, a.current)
	}
	if err := a.provenByVersions(ctx); err != nil {
		return nil, err
	}
	return a.toReset(ctx)
}

// toReset logs in as the superuser to reset a password, once the execution's state
// records it. Until then it returns SuperuserNeeded.
func (a attempt) toReset(ctx context.Context) (engine.Session, error) {
	session, err := a.superuser(ctx)
	if err == nil && !a.noted {
		session.Close()
		return nil, fault.New(fault.SuperuserNeeded, "the superuser is about to reset a password", "Nothing to do: the state machine notes it and tries again")
	}
	return session, err
}

// checkUsername returns AccountNotOurs when the secret names another user than the
// configuration.
func (p Planned) checkUsername(current secretdoc.Document) error {
	if p.Username == "" || p.Username == current.Username {
		return nil
	}
	if p.Strategy == AlternatingUsers {
		if users, err := pairOf(current); err == nil && p.Username == users.target {
			return nil
		}
	}
	return fault.New(fault.AccountNotOurs,
		fmt.Sprintf("AWSCURRENT is of user %q, and the configuration says that the secret is for user %q", current.Username, p.Username),
		"Find out who has changed the secret, or correct username in rotations.yaml")
}

// provenByVersions returns AccountNotOurs unless the configuration names AWSCURRENT's user,
// or all older versions of the secret are about that account. A single older version is
// not enough: anybody who may store a value may store two.
func (a attempt) provenByVersions(ctx context.Context) error {
	if a.plan.Username != "" {
		return a.plan.checkUsername(a.current)
	}
	ids, err := a.secrets.Versions(ctx, a.plan.SecretARN)
	if err != nil {
		return err
	}
	older := 0
	for _, id := range ids {
		if id == a.currentID {
			continue // AWSCURRENT is what is to be proven
		}
		_, err := a.version(ctx, Version{ID: id}, a.current)
		switch {
		case err == nil && id == a.plan.VersionID: // this rotation's version copies AWSCURRENT
		case err == nil:
			older++
		case fault.Is(err, fault.VersionNotReady):
			// It has no value, or is gone.
		case fault.Is(err, fault.InvalidSecret):
			return notProven(a.current.Username, "version "+id+" of the secret is of another account or cannot be read")
		default:
			return err
		}
	}
	if older == 0 {
		return notProven(a.current.Username, "no other version of the secret names it")
	}
	return nil
}

func notProven(user, why string) error {
	return fault.New(fault.AccountNotOurs,
		fmt.Sprintf("nothing proves that user %q is this secret's: %s. The superuser was not used", user, why),
		"Store the password that the database accepts as AWSCURRENT, or set the database's password by hand to what AWSCURRENT says; or name the user in rotations.yaml (username)")
}

// repairPair gives AWSCURRENT's user of a pair its password again: over a session of that
// user if an older version logs in, or else as the superuser. In the latter case, an older
// version must log in as the other user, and EnsureClone must find that the two belong
// together. superuser is whether the superuser was needed.
func (a attempt) repairPair(ctx context.Context, refused error) (superuser bool, err error) {
	session, _, err := a.logInOlder(ctx, a.current)
	if err == nil {
		defer session.Close()
		return false, session.SetPassword(commit(ctx), a.current.Username, a.current.Password)
	}
	if !fault.Is(err, fault.LoginRefused) {
		return false, err
	}
	return true, a.repairPairBySuperuser(ctx, refused)
}

func (a attempt) repairPairBySuperuser(ctx context.Context, refused error) error {
	users, err := pairOf(a.current)
	if err != nil {
		return err
	}
	if err := a.plan.checkUsername(a.current); err != nil {
		return err
	}
	unproven := fault.Wrap(refused, fault.LoginRefused,
		fmt.Sprintf("the database at %s:%d refuses user %q with AWSCURRENT, and user %q with every other version", a.current.Host, a.current.Port, a.current.Username, users.target),
		"Store a password that the database accepts as AWSCURRENT, or set the database's password to what AWSCURRENT says")
	if err := a.provenClone(ctx, unproven); err != nil {
		return err
	}
	admin, err := a.toReset(ctx)
	if err != nil {
		return err
	}
	defer admin.Close()
	request := a.cloneOf(users)
	if a.current.Username == users.clone {
		request.Password = a.current.Password
		_, err := admin.EnsureClone(commit(ctx), request)
		return err
	}
	if _, err := admin.EnsureClone(commit(ctx), request); err != nil { // checks the mark by which the clone is this secret's
		return err
	}
	return admin.SetPassword(commit(ctx), users.original, a.current.Password)
}

// cloneOf is the request for the clone of a pair, without a password.
func (a attempt) cloneOf(users pair) engine.CloneRequest {
	return engine.CloneRequest{Original: users.original, Clone: users.clone, Mark: a.plan.SecretARN, Database: a.current.DBName}
}

// known is the password that AWSPREVIOUS has for the user that is to be changed.
func (a attempt) known(ctx context.Context) (engine.Known, error) {
	doc, err := a.version(ctx, Version{Label: Previous}, a.account)
	if fault.Is(err, fault.VersionNotReady, fault.InvalidSecret) {
		return engine.Known{}, nil // AWSPREVIOUS is missing or of another account
	}
	if err != nil {
		return engine.Known{}, err
	}
	return engine.Known{User: a.account.Username, Passwords: []redact.String{doc.Password}}, nil
}

// provenClone proves by a login that the account with the name of the pair's other user is
// this secret's: with an older version, or with the pending password, which only this
// secret's rotations can have set. Otherwise it returns notOurs.
func (a attempt) provenClone(ctx context.Context, notOurs error) error {
	session, _, err := a.logInOlder(ctx, a.account)
	if err == nil {
		session.Close()
		return nil
	}
	if !fault.Is(err, fault.LoginRefused) {
		return err
	}
	if a.pending.Password.IsEmpty() || sameAccount(a.pending, a.account, Pending) != nil {
		return notOurs
	}
	if ok, err := a.accepts(ctx, a.pending); ok || err != nil {
		return err
	}
	return notOurs
}

// superuser logs in as the superuser. Its errors say that the superuser is at fault.
func (a attempt) superuser(ctx context.Context) (engine.Session, error) {
	doc, err := superusers{secrets: a.secrets, servers: a.servers}.credentials(ctx, a.plan, a.current)
	if err != nil {
		return nil, err
	}
	return a.connectSuperuser(ctx, doc)
}

// connectSuperuser logs in as the superuser. A refused login is SuperuserInvalid, and names
// the superuser's secret.
func (a attempt) connectSuperuser(ctx context.Context, superuser secretdoc.Document) (engine.Session, error) {
	session, err := a.database.Connect(ctx, superuser)
	if fault.Is(err, fault.LoginRefused, fault.AccountDisabled, fault.PasswordExpired) {
		why := fault.From(err)
		id, _ := superuserSecret(a.plan, a.current) // cannot fail: it has been read
		return nil, fault.Wrap(err, fault.SuperuserInvalid, "as the superuser of the superuser's secret "+id+": "+why.Op,
			"That secret is at fault, and not the application's: store in "+id+" what the database accepts")
	}
	return session, err
}

// noneAccepted is the error for when the database accepts no password of the secret.
func noneAccepted(refused error, current secretdoc.Document) error {
	return fault.Wrap(refused, fault.LoginRefused,
		fmt.Sprintf("the database at %s:%d refuses user %q with AWSCURRENT, AWSPENDING and AWSPREVIOUS",
			current.Host, current.Port, current.Username),
		"Store the password that the database accepts as AWSCURRENT, or set the database's password to what AWSCURRENT says, or let the superuser reset it (recoverPassword)")
}

// AdviceOnTLS recommends the key "ssl" for a secret without it. Without the key, an
// attacker in the server's place can claim to have no TLS.
func AdviceOnTLS(doc secretdoc.Document, session engine.Session) []string {
	s, tells := session.(engine.Encrypted)
	switch {
	case !tells || doc.SSL != nil:
		return nil
	case s.Encrypted():
		return []string{`Set "ssl" to true in the secret: the server supports TLS. Without "ssl", an attacker in its place could claim that it has none`}
	}
	return []string{`The server says that it has no TLS. If it should have TLS, an attacker may be intercepting the connection. If it really has none, set "ssl" to false in the secret`}
}

// commit returns the context of a change, which neither the window nor the caller cancels
// once it has begun. The engines limit how long a change takes.
func commit(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }
