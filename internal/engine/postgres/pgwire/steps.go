package pgwire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Several statements are sent as one simple query, which is one transaction. This takes
// one round trip, and SET LOCAL lasts until the end of the query.

// Step is one statement of a transaction.
type Step struct {
	SQL  string
	Done string // describes the change for people; empty: not reported
	Hint string // remedy if the statement is not allowed
	Kind Effect // of the whole transaction, for when the answer is lost

	// Refusal is returned if the condition of AssertSQL is false.
	Refusal *fault.Error
}

// Read runs statements that change nothing and returns their rows. Its errors are meant
// for [Conn.StatementFault].
func (c *Conn) Read(ctx context.Context, statements ...string) ([][][]string, error) {
	before, after := pinSQL(c.version(), c.As), []string{}
	if c.Target.Explicit {
		before, after = beginSQL(statementTimeout), []string{commitSQL}
	} else if c.asked.IsZero() {
		before = append(before, clockSQL)
	}
	results, err := c.exec(ctx, strings.Join(slices.Concat(before, statements, after), "; "))
	if err != nil {
		return nil, err
	}
	if len(results) < len(before)+len(statements) {
		return nil, errAnswers
	}
	if !c.Target.Explicit && c.asked.IsZero() {
		if err := c.setClock(results[len(before)-1]); err != nil {
			return nil, err
		}
	}
	return results[len(before) : len(before)+len(statements)], nil
}

// Row is Read for a single statement. It returns the first row, or nil if there is none.
func (c *Conn) Row(ctx context.Context, statement string) ([]string, error) {
	results, err := c.Read(ctx, statement)
	if err != nil || len(results) == 0 || len(results[0]) == 0 {
		return nil, err
	}
	return results[0][0], nil
}

// Do runs the steps as one transaction and returns the rows of the statements in after.
// The server either completes the steps within [engine.LateBound] from now or not at all,
// however long they wait in queues and for locks.
func (c *Conn) Do(ctx context.Context, op string, steps []Step, after ...string) ([][][]string, error) {
	first, statements, err := c.frame(ctx, op, steps, after)
	if err != nil {
		return nil, err
	}
	results, err := c.exec(ctx, strings.Join(statements, "; "))
	if err == nil {
		return results[min(first+len(steps), len(results)):min(first+len(steps)+len(after), len(results))], nil
	}
	failed := len(results) - first
	if failed >= 0 && failed < len(steps) {
		return nil, c.stepFault(err, op, steps[failed])
	}
	does := Levelling
	if len(steps) > 0 {
		does = steps[0].Kind
	}
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok && refusal.Code == assertionFailed {
		return nil, fault.Wrap(err, fault.DatabaseUnavailable, op+": the server got to it too late and changed nothing", hintLock)
	}
	return nil, c.StatementFault(err, op, does)
}

// frame puts the steps and the statements after them into a transaction. first is the
// number of the first step's statement.
func (c *Conn) frame(ctx context.Context, op string, steps []Step, after []string) (first int, statements []string, err error) {
	var all []string
	for _, step := range steps {
		all = append(all, step.SQL)
	}
	all = append(all, after...)
	if c.Target.Explicit {
		// The server applies a time limit from the next message on. The waits of the
		// single statements must add up to no more than the whole.
		limit := max(time.Second, min(engine.LockTimeout, engine.LateBound/time.Duration(len(steps)+1)))
		if _, err := c.exec(ctx, strings.Join(beginSQL(limit), "; ")); err != nil {
			return 0, nil, c.StatementFault(err, op, Reading)
		}
		return 0, append(all, commitSQL), nil
	}
	if c.asked.IsZero() {
		if _, err := c.Read(ctx); err != nil {
			return 0, nil, c.StatementFault(err, op, Reading)
		}
	}
	pin := append(pinSQL(c.version(), c.As), readWriteSQL)
	deadline := c.clock + time.Since(c.asked).Milliseconds() + (engine.LateBound - commitTime).Milliseconds()
	return len(pin), slices.Concat(pin, all, []string{inTimeSQL(deadline)}), nil
}

// setClock records the server's current time. Deadlines on that clock also work if a
// statement reaches the server late.
func (c *Conn) setClock(rows [][]string) (err error) {
	if len(rows) != 1 || len(rows[0]) != 1 {
		return errClock
	}
	if c.clock, err = strconv.ParseInt(rows[0][0], 10, 64); err != nil {
		return errClock
	}
	c.asked = time.Now()
	return nil
}

var (
	errClock   = errors.New("the server did not say what time it is")
	errAnswers = errors.New("the server has not answered every statement")
)

// version is the server's major version, or 0 if it is unknown.
func (c *Conn) version() (major int) {
	_, _ = fmt.Sscanf(c.conn.ParameterStatus("server_version"), "%d", &major) // a value such as 18.4 or 19devel
	return major
}

// Done describes for people what the steps changed.
func Done(steps []Step) []string {
	var done []string
	for _, step := range steps {
		if step.Done != "" {
			done = append(done, step.Done)
		}
	}
	return done
}

// stepFault classifies the failure of a step, which rolls all steps back.
func (c *Conn) stepFault(err error, op string, step Step) error {
	refusal, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return c.StatementFault(err, op, step.Kind)
	}
	if step.Refusal != nil && refusal.Code == assertionFailed {
		return step.Refusal
	}
	if step.Done != "" {
		op += ": " + step.Done
	}
	refused := func(code fault.Code, what, hint string) error {
		return fault.Wrap(err, code, op+": "+what+", and nothing was changed", hint)
	}
	switch {
	case refusal.Code == "42501" && step.Hint != "":
		return refused(fault.PrivilegeMissing, "not allowed (SQLSTATE 42501)", step.Hint)
	case refusal.Routine == "find_option" || refusal.Routine == "assignable_custom_variable_name":
		return refused(fault.DatabaseError, "the server does not know this setting any more", "RESET it for the original")
	case refusal.Code == "0LP01":
		return refused(fault.DatabaseError, "the original is a member of its clone", "REVOKE the clone from the original")
	case refusal.Code == "2BP01":
		return refused(fault.DatabaseError, "the clone has passed it on to others", "REVOKE it with CASCADE, and grant it to the others by the original")
	}
	return c.StatementFault(err, op, step.Kind)
}
