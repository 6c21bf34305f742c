package mongodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// role is a role that a user has on a database.
type role struct {
	Role string `bson:"role"`
	DB   string `bson:"db"`
}

func (r role) String() string { return fmt.Sprintf("role %q on database %q", r.Role, r.DB) }

// account is a user as usersInfo shows it.
type account struct {
	Roles      []role   `bson:"roles"`
	CustomData bson.Raw `bson:"customData"`
}

// mark returns the ARN of the secret that the user was created for, if any.
func (a *account) mark() string {
	if len(a.CustomData) == 0 {
		return ""
	}
	mark, _ := a.CustomData.Lookup(markKey).StringValueOK()
	return mark
}

// Privileges implements [engine.Session]. A DocumentDB user's privileges are those of its
// roles.
func (s *session) Privileges(ctx context.Context, user string) ([]string, error) {
	op := fmt.Sprintf("reading the roles of user %q on %s", user, s.target)
	a, err := s.account(ctx, user)
	if err != nil {
		return nil, commandFault(err, op, reading)
	}
	if a == nil {
		return nil, noSuchUser(op)
	}
	return privileges(a.Roles), nil
}

// EnsureClone implements [engine.Session].
//
// A clone belongs to the secret if r.Proven says so, if its custom data has the mark, or
// if it accepts r.Password, which only this secret has. The last case recognises an
// interrupted creation on servers without custom data. Roles are changed before the
// password: if they cannot be brought level, the clone keeps its old password.
func (s *session) EnsureClone(ctx context.Context, r engine.CloneRequest) (engine.CloneResult, error) {
	op := fmt.Sprintf("making user %q level with %q on %s", r.Clone, r.Original, s.target)
	for _, name := range []string{r.Original, r.Clone} {
		if err := checkName("user", name); err != nil {
			return engine.CloneResult{}, err
		}
	}
	if !r.Password.IsEmpty() {
		if err := s.mayBeRead(); err != nil {
			return engine.CloneResult{}, err
		}
	}
	original, err := s.account(ctx, r.Original)
	if err != nil {
		return engine.CloneResult{}, commandFault(err, op, reading)
	}
	if original == nil {
		return engine.CloneResult{}, noSuchUser(op + fmt.Sprintf(": looking for %q", r.Original))
	}
	clone, err := s.account(ctx, r.Clone)
	if err != nil {
		return engine.CloneResult{}, commandFault(err, op, reading)
	}
	if clone == nil {
		return s.create(ctx, op, r, original)
	}
	if err := s.ours(ctx, op, r, clone); err != nil {
		return engine.CloneResult{}, err
	}
	return s.level(ctx, op, r, original, clone)
}

// create creates the clone.
func (s *session) create(ctx context.Context, op string, r engine.CloneRequest, original *account) (engine.CloneResult, error) {
	if r.Password.IsEmpty() {
		return engine.CloneResult{}, noSuchUser(op + fmt.Sprintf(": looking for %q", r.Clone))
	}
	_, err := s.change(ctx, createUserCommand(r.Clone, r.Password, original.Roles, r.Mark))
	if refused, ok := errors.AsType[refusal](err); ok && mayBeTheMark(refused.code) {
		_, err = s.change(ctx, createUserCommand(r.Clone, r.Password, original.Roles, ""))
	}
	if err != nil {
		return engine.CloneResult{}, commandFault(err, op, changingPassword)
	}
	result := engine.CloneResult{Created: true}
	for _, added := range privileges(original.Roles) {
		result.Changes = append(result.Changes, "granted "+added)
	}
	return s.verified(ctx, op, r, result)
}

// mayBeTheMark reports whether a refused createUser is worth repeating without custom
// data. Servers without custom data refuse it with different codes. A refused command has
// changed nothing.
func mayBeTheMark(code int32) bool {
	switch code {
	case codeUnauthorized, codeRoleNotFound, codeNotPrimary, codeNotPrimaryOld, codeNotPrimaryNoSecond, codeRecovering,
		codeInterrupted, codeStateChange, codeShutdown, codeSteppedDown, codeWriteConcern, codeMaxTimeExpired, codeExceededTimeLimit,
		codeUserExists, codeEmptyPassword, codeProhibited:
		return false
	}
	return true
}

// ours returns AccountNotOurs unless the existing clone provably belongs to the secret.
func (s *session) ours(ctx context.Context, op string, r engine.CloneRequest, clone *account) error {
	if r.Proven || (r.Mark != "" && clone.mark() == r.Mark) {
		return nil
	}
	notOurs := fault.New(fault.AccountNotOurs,
		fmt.Sprintf("%s: a user %q exists that this secret did not create", op, r.Clone),
		"Find out whose it is. Drop or rename it, or give the secret's user another name. Nothing was changed")
	if r.Password.IsEmpty() {
		return notOurs
	}
	as := s.target
	as.User = r.Clone
	other, err := s.engine.connect(ctx, as, s.ssl, r.Password)
	switch {
	case err == nil:
		other.Close()
		return nil
	case fault.Is(err, fault.LoginRefused):
		return notOurs
	}
	return err
}

// level brings the roles of an existing clone level and sets its password.
func (s *session) level(ctx context.Context, op string, r engine.CloneRequest, original, clone *account) (engine.CloneResult, error) {
	var result engine.CloneResult
	for _, change := range []struct {
		verb    string
		roles   []role
		command func(string, []role) bson.D
	}{
		{"granted", without(original.Roles, clone.Roles), grantCommand},
		{"revoked", without(clone.Roles, original.Roles), revokeCommand},
	} {
		if len(change.roles) == 0 {
			continue
		}
		if _, err := s.change(ctx, change.command(r.Clone, change.roles)); err != nil {
			return engine.CloneResult{}, commandFault(err, op, changing)
		}
		for _, changed := range privileges(change.roles) {
			result.Changes = append(result.Changes, change.verb+" "+changed)
		}
	}
	if !r.Password.IsEmpty() {
		if err := s.SetPassword(ctx, r.Clone, r.Password); err != nil {
			return engine.CloneResult{}, err
		}
	}
	if len(result.Changes) == 0 {
		result.Privileges = privileges(original.Roles)
		return result, nil
	}
	return s.verified(ctx, op, r, result)
}

// verified completes a result with the current privileges of both accounts.
func (s *session) verified(ctx context.Context, op string, r engine.CloneRequest, result engine.CloneResult) (engine.CloneResult, error) {
	original, err := s.Privileges(ctx, r.Original)
	if err != nil {
		return engine.CloneResult{}, err
	}
	clone, err := s.Privileges(ctx, r.Clone)
	if err != nil {
		return engine.CloneResult{}, err
	}
	if !slices.Equal(original, clone) {
		return engine.CloneResult{}, fault.New(fault.DatabaseUnavailable,
			op+": their roles still differ", "Somebody may be changing them at the same moment: try again")
	}
	result.Privileges = clone
	return result, nil
}

// account returns a user, or nil if there is none.
func (s *session) account(ctx context.Context, user string) (*account, error) {
	answer, err := s.run(ctx, usersInfoCommand(user))
	if err != nil {
		return nil, err
	}
	var found struct {
		Users []account `bson:"users"`
	}
	if err := bson.Unmarshal(answer, &found); err != nil {
		return nil, netfault.ErrAnswer // bson's error may quote the answer
	}
	if len(found.Users) == 0 {
		return nil, nil
	}
	return &found.Users[0], nil
}

func noSuchUser(op string) error {
	return fault.New(fault.DatabaseError, op+": there is no such user",
		"Correct the user name in the secret; DocumentDB keeps users in the database admin")
}

// privileges lists roles in the form of [engine.Session.Privileges].
func privileges(roles []role) []string {
	list := []string{}
	for _, r := range roles {
		list = append(list, r.String())
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// without returns the roles of a that are not in b.
func without(a, b []role) []role {
	var rest []role
	for _, r := range a {
		if !slices.Contains(b, r) && !slices.Contains(rest, r) {
			rest = append(rest, r)
		}
	}
	slices.SortFunc(rest, func(x, y role) int { return cmp.Or(cmp.Compare(x.DB, y.DB), cmp.Compare(x.Role, y.Role)) })
	return rest
}
