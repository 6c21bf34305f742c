package oracle

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

var _ engine.Inspector = (*session)(nil)

// CanRotate implements [engine.Inspector]. It follows the steps of ChangePassword and
// EnsureClone without making their changes. Every user may change its own password
// ("ALTER USER", Prerequisites). Whether the session may grant each right is only known
// once it tries.
func (s *session) CanRotate(ctx context.Context, r engine.InspectRequest) (found engine.Inspection, err error) {
	op := "looking at what a rotation would change on " + s.target.String()
	rows, err := s.query(ctx, privilegesSQL)
	if err != nil {
		return found, statementFault(err, op, reading)
	}
	var has []string
	for _, row := range rows {
		has = append(has, row[0])
	}
	if r.SetPassword != "" {
		if found.Notes, err = s.canSet(ctx, op, r, has); err != nil {
			return found, err
		}
	}
	if r.Clone == nil {
		return found, nil
	}
	c, err := s.cloning(*r.Clone)
	if err != nil {
		return found, err
	}
	c.dry = true
	if err := c.ensure(ctx); err != nil {
		return found, err
	}
	need := []string{alterUser}
	if c.result.Created {
		need = append(need, createUser)
	}
	if err := s.needs(op, has, need...); err != nil {
		return found, err
	}
	found.Changes = c.result.Changes
	return found, nil
}

// needs returns PrivilegeMissing unless the session has all of the privileges.
func (s *session) needs(op string, has []string, all ...string) error {
	missing := slices.DeleteFunc(all, func(p string) bool { return slices.Contains(has, p) })
	if len(missing) == 0 {
		return nil
	}
	return fault.New(fault.PrivilegeMissing, fmt.Sprintf("%s: user %q has no %s", op, s.user, strings.Join(missing, " and no ")),
		fmt.Sprintf("GRANT %s TO %s, or name another superuser's secret", strings.Join(missing, ", "), s.user.quoted()))
}

// canSet reports the faults that ChangePassword would return.
func (s *session) canSet(ctx context.Context, op string, r engine.InspectRequest, has []string) (notes []string, err error) {
	user, err := parseName("user", r.SetPassword)
	if err != nil {
		return nil, err
	}
	now, err := s.rollover(ctx, user)
	own, ends := user == s.user, slices.Contains(has, alterUser)
	switch {
	case err != nil && (own || !hidden(err)):
		return nil, statementFault(err, op, reading)
	case err == nil && now.status == "":
		return nil, noSuchUser(op, user)
	case !own && now.locked():
		return nil, disabled(op, user, now.status)
	}
	if !own {
		if err := s.needs(op, has, alterUser); err != nil {
			return nil, err
		}
	}
	if r.KeepPrevious {
		if err := now.keeps(op); err != nil {
			return nil, err
		}
		if now.running() && !ends {
			return nil, stillRunning(op, user)
		}
		return []string{fmt.Sprintf("The server accepts the password before for as long as the profile says (PASSWORD_ROLLOVER_TIME, %s days), "+
			"so that no login is refused if applications read the secret again by then", now.days)}, nil
	}
	switch {
	case now.running() && !ends:
		return []string{"The rollover period of the last change has not ended (PASSWORD_ROLLOVER_TIME of the profile). If the rotation comes before it ends, " +
			"the server goes on accepting the password before the last change, and refuses AWSCURRENT's as soon as the new one is set"}, nil
	case now.twoPasswords() && !ends:
		return []string{fmt.Sprintf("The server accepts the password before for %s days after a rotation (PASSWORD_ROLLOVER_TIME of the profile), also one that has leaked. "+
			"keepPrevious says that this is meant", now.days)}, nil
	case now.twoPasswords():
		return []string{"The profile has the server keep the password before (PASSWORD_ROLLOVER_TIME), and the rotation ends that period at once. " +
			"With keepPrevious it does not"}, nil
	}
	return nil, nil
}
