package pgwire

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Step is one statement of several that are done all or not at all.
type Step struct {
	SQL  string
	Done string // for people, once it is done; empty: not worth mentioning
	Hint string // what to do when it is not allowed
	Kind Effect
}

// Do runs the steps as one transaction and returns the results of what comes
// after them. Statements before them begin the transaction; without any the
// server makes one of the query.
func (c *Conn) Do(ctx context.Context, op string, before []string, steps []Step, after ...string) ([][][]string, error) {
	statements := slices.Concat(before, []string{timeLimit})
	first := len(statements)
	for _, step := range steps {
		statements = append(statements, step.SQL)
	}
	results, err := c.Exec(ctx, strings.Join(append(statements, after...), "; "))
	if err == nil {
		return results[min(first+len(steps), len(results)):], nil
	}
	if failed := len(results) - first; failed >= 0 && failed < len(steps) {
		return nil, c.stepFault(err, op, steps[failed])
	}
	return nil, c.StatementFault(err, op, Levelling)
}

// Done tells people what the steps did.
func Done(steps []Step) []string {
	var done []string
	for _, step := range steps {
		if step.Done != "" {
			done = append(done, step.Done)
		}
	}
	return done
}

// stepFault classifies the failure of a step. All steps are undone with it.
func (c *Conn) stepFault(err error, op string, step Step) error {
	refusal, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return c.StatementFault(err, op, step.Kind)
	}
	if step.Done != "" {
		op += ": " + step.Done
	}
	refused := func(code fault.Code, what, hint string) error {
		return fault.Wrap(err, code, op+": "+what+", and nothing was changed", hint)
	}
	switch {
	case refusal.Code == "42501":
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
