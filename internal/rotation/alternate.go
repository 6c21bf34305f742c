package rotation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// alternate gives the other user of the pair the pending password, and brings
// the clone level with the original whichever of the two it is.
func (s Set) alternate(ctx context.Context, plan Planned, database engine.Engine, v versions, current, pending secretdoc.Document) (SetResult, error) {
	users, err := pairOf(current)
	if err != nil {
		return SetResult{}, err
	}
	before, cancel := plan.untilClosed(ctx, s.Now())
	defer cancel()
	superuser, err := s.superusers().credentials(before, plan, current)
	if err != nil {
		return SetResult{}, err
	}
	if err := users.notOneOfThem(superuser); err != nil {
		return SetResult{}, err
	}
	if err := s.Servers.Alternates(before, current.Host, plan.SecretARN); err != nil {
		return SetResult{}, err
	}
	// Applications keep using AWSCURRENT until the end, and for a while after.
	session, err := database.Connect(before, current)
	if err != nil {
		return SetResult{}, err
	}
	session.Close()

	admin, err := connectSuperuser(before, database, superuser)
	if err != nil {
		return SetResult{}, err
	}
	defer admin.Close()
	request := engine.CloneRequest{
		Original: users.original, Clone: users.clone, Mark: plan.SecretARN, Database: current.DBName,
		Proven: v.hasNamed(before, users.target, current),
	}
	if users.target == users.clone {
		request.Password = pending.Password
	}
	if err := plan.checkOpen(s.Now()); err != nil {
		return SetResult{}, err
	}
	level, err := admin.EnsureClone(ctx, request)
	if fault.Is(err, fault.AccountNotOurs) {
		if err := v.proveClone(ctx, before, plan, database, admin, pending, err); err != nil {
			return SetResult{}, err
		}
		request.Proven = true
		level, err = admin.EnsureClone(ctx, request)
	}
	if err != nil {
		return SetResult{}, err
	}
	if users.target == users.original {
		if err := admin.SetPassword(ctx, users.original, pending.Password); err != nil {
			return SetResult{}, err
		}
	}
	return SetResult{LoggedInWith: Current, Changes: level.Changes, Privileges: digest(level.Privileges)}, nil
}

// hasNamed reports whether AWSPREVIOUS names the user: then it is this secret's.
func (v versions) hasNamed(ctx context.Context, user string, current secretdoc.Document) bool {
	_, err := v.read(ctx, Version{Label: Previous}, current.WithUsername(user))
	return err == nil
}

// provenByLogin reports whether an account takes the pending password, which
// nobody but this secret's rotations can have given it: an earlier attempt made
// the account and did not live to mark it.
func provenByLogin(ctx context.Context, database engine.Engine, pending secretdoc.Document) bool {
	session, err := database.Connect(ctx, pending)
	if err == nil {
		session.Close()
	}
	return err == nil
}

// proveClone proves by a login that the other account is this secret's, or returns
// notOurs. It may have the password of a rotation that was given up, on engines
// that have no place for a mark. It then gets the pending one at once, which
// proves it to the next run should this one fail, too. before bounds the logins.
func (v versions) proveClone(ctx, before context.Context, plan Planned, database engine.Engine, admin engine.Session, pending secretdoc.Document, notOurs error) error {
	if provenByLogin(before, database, pending) {
		return nil
	}
	session, _, err := v.connectOlder(before, database, plan, pending)
	if fault.Is(err, fault.LoginRefused) {
		return notOurs
	}
	if err != nil {
		return err
	}
	session.Close()
	return admin.SetPassword(ctx, pending.Username, pending.Password)
}

// connectSuperuser logs in as the superuser and says so when it is refused.
func connectSuperuser(ctx context.Context, database engine.Engine, superuser secretdoc.Document) (engine.Session, error) {
	session, err := database.Connect(ctx, superuser)
	if fault.Is(err, fault.LoginRefused) {
		why := fault.From(err)
		return nil, fault.Wrap(err, why.Code, "as the superuser: "+why.Op, why.Hint)
	}
	return session, err
}

// digest is a short form of a list of privileges, so that the execution's state
// stays small however many there are.
func digest(privileges []string) string {
	sum := sha256.Sum256([]byte(strings.Join(privileges, "\n")))
	return hex.EncodeToString(sum[:])
}
