package oracle

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

var _ engine.PasswordChanger = (*session)(nil)

// SetPassword implements [engine.Session].
func (s *session) SetPassword(ctx context.Context, user string, password redact.String) error {
	_, err := s.ChangePassword(ctx, engine.PasswordChange{User: user, Password: password})
	return err
}

// Namesakes implements [engine.PasswordChanger].
func (s *session) Namesakes() bool { return false }

// ChangePassword implements [engine.PasswordChanger]. With KeepPrevious, the old password
// remains valid for the profile's PASSWORD_ROLLOVER_TIME, which starts with the first
// change. If the password changes again in that period, the server accepts the oldest and
// the newest password. With KeepPrevious, a running period is therefore ended first.
// Source: Oracle Database Security Guide, "Gradual Database Password Rollover for
// Applications".
func (s *session) ChangePassword(ctx context.Context, c engine.PasswordChange) (accounts int, err error) {
	name, err := parseName("user", c.User)
	if err != nil {
		return 0, err
	}
	op := fmt.Sprintf("setting the password of user %q on %s", name, s.target)
	if err := checkPassword(op, c.Password); err != nil {
		return 0, err
	}
	if c.KeepPrevious {
		return 1, s.setKeeping(ctx, op, name, c.Password)
	}
	if name != s.user {
		switch before, err := s.rollover(ctx, name); {
		case err == nil && before.locked():
			return 0, disabled(op, name, before.status)
		case err != nil && !hidden(err):
			return 0, statementFault(err, op, reading)
		}
	}
	return 1, s.setPassword(ctx, op, name, c.Password, "")
}

func disabled(op string, user identifier, status string) error {
	return fault.New(fault.AccountDisabled, fmt.Sprintf("%s: the account is %s", op, status),
		fmt.Sprintf("ALTER USER %s ACCOUNT UNLOCK, after finding out why. Nothing was changed", user.quoted()))
}

// setPassword sets a password and, if the session may, ends a rollover period so that no
// other password is accepted. more is appended to the statement.
func (s *session) setPassword(ctx context.Context, op string, user identifier, password redact.String, more string) error {
	if err := checkPassword(op, password); err != nil {
		return err
	}
	if err := s.alter(ctx, user, password, more); err != nil {
		return statementFault(err, op, changingPassword)
	}
	now, err := s.rollover(ctx, user)
	if err == nil && now.running() {
		err = s.exec(ctx, endRolloverSQL(user))
	}
	if err == nil || hidden(err) { // preflight mentions it
		return nil
	}
	f := fault.From(statementFault(err, op+", and ending the rollover period of the one before", changingPassword))
	return fault.Wrap(err, fault.OutcomeUnknown, f.Op, f.Hint)
}

// setKeeping sets a password and keeps the previous one. An earlier attempt whose answer
// was lost may have set it already. REPLACE shows this without a login that could count
// as failed.
func (s *session) setKeeping(ctx context.Context, op string, user identifier, password redact.String) error {
	r, err := s.rollover(ctx, user)
	if err != nil {
		return statementFault(err, op, reading)
	}
	if err := r.keeps(op); err != nil {
		return err
	}
	if r.running() {
		if set, err := s.isSet(ctx, op, user, password); set || err != nil {
			return err
		}
		if err := s.exec(ctx, endRolloverSQL(user)); hidden(err) {
			return stillRunning(op, user)
		} else if err != nil {
			return statementFault(err, op, changing)
		}
	}
	if err := s.alter(ctx, user, password, ""); err != nil {
		return statementFault(err, op, changingPassword)
	}
	return nil
}

// isSet reports whether a password is one of the two that the server accepts.
func (s *session) isSet(ctx context.Context, op string, user identifier, password redact.String) (bool, error) {
	if user == s.user {
		err := s.exec(ctx, setPasswordSQL(user, password, password))
		switch code := codeOf(err); {
		case err == nil:
			s.password = password
			return true, nil
		case code == codeWrongOld:
			return false, nil
		case !passwordRefused(code): // for a refusal because of the password's reuse, a login decides
			return false, statementFault(err, op, changingPassword)
		}
	}
	return s.prove(ctx, user, password)
}

// alter changes a password.
func (s *session) alter(ctx context.Context, user identifier, password redact.String, more string) error {
	err := s.exec(ctx, setPasswordSQL(user, password, redact.String{})+more)
	if codeIs(err, codeReplaceMissing) && user == s.user && quotable(s.password) {
		// The profile has a verification function, and the user may change its password
		// only by giving the old one. Nothing was changed.
		err = s.exec(ctx, setPasswordSQL(user, password, s.password)+more)
	}
	if err == nil && user == s.user {
		s.password = password
	}
	return err
}

// rollover is the state of an account's previous password.
type rollover struct {
	status string // such as "OPEN & IN ROLLOVER"
	days   string // the profile's PASSWORD_ROLLOVER_TIME; "" before 19.12
}

// rollover reads the state of an account's previous password.
func (s *session) rollover(ctx context.Context, user identifier) (rollover, error) {
	sql, args := rolloverSQL, []string{string(user)}
	if user == s.user {
		sql, args = ownRolloverSQL, nil
	}
	rows, err := s.query(ctx, sql, args...)
	if err != nil || len(rows) == 0 {
		return rollover{}, err
	}
	if len(rows[0]) != 2 {
		return rollover{}, errDictionary
	}
	return rollover{rows[0][0], rows[0][1]}, nil
}

func (r rollover) running() bool { return strings.Contains(r.status, "IN ROLLOVER") }

func (r rollover) locked() bool { return account{status: r.status}.locked() }

// twoPasswords reports whether the profile keeps the previous password valid for a time.
func (r rollover) twoPasswords() bool {
	days, err := strconv.ParseFloat(strings.TrimSpace(r.days), 64)
	return err == nil && days > 0
}

// keeps returns InvalidRequest if the server keeps only one password.
func (r rollover) keeps(op string) error {
	if r.twoPasswords() {
		return nil
	}
	return fault.New(fault.InvalidRequest, op+": the profile of the user keeps one password, and keepPrevious wants two",
		"Give the user a profile with a PASSWORD_ROLLOVER_TIME (Oracle 19.12 and later), or leave keepPrevious out; alternating users have no gap on any version")
}

func stillRunning(op string, user identifier) error {
	return fault.New(fault.PrivilegeMissing,
		op+": the rollover period of the password before has not ended, and with another change in it the server would refuse AWSCURRENT's",
		fmt.Sprintf("Have the profile's PASSWORD_ROLLOVER_TIME end before the next rotation, or GRANT ALTER USER TO %s, which may then end it. Nothing was changed", user.quoted()))
}

// hidden reports whether the session lacks the privilege to see or do something.
func hidden(err error) bool { return codeIs(err, codePrivilege) || codeIs(err, codeNoTable) }
