package rotation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Test proves that the pending password logs in. It has no permission to write secrets.
type Test struct {
	Secrets   ValueReader
	Databases Databases
	Cache     *VersionCache // Optional: keeps the pending version from Ready to Run.
}

// TestResult is the empty result: success is all there is to report.
type TestResult struct{}

// Run logs in with the pending version and runs a harmless query. A clone must have the
// privileges of the original. Codes: PrivilegesDiffer, those of [engine.Engine], and those
// of awsfault. LoginRefused may be temporary: a password can take a moment to reach every
// server of a cluster.
func (t Test) Run(ctx context.Context, in StepInput) (TestResult, error) {
	pending, err := t.pending(ctx, in.Plan)
	if err != nil {
		return TestResult{}, err
	}
	database, err := in.Plan.databaseOf(t.Databases, pending)
	if err != nil {
		return TestResult{}, err
	}
	session, err := database.Connect(ctx, pending)
	if err != nil {
		return TestResult{}, err
	}
	defer session.Close()
	if in.Set.Privileges == "" {
		return TestResult{}, session.Probe(ctx)
	}
	privileges, err := session.Privileges(ctx, pending.Username)
	if err != nil {
		return TestResult{}, err
	}
	if !slices.Contains(strings.Fields(in.Set.Privileges), digest(privileges)) {
		return TestResult{}, fault.New(fault.PrivilegesDiffer,
			fmt.Sprintf("user %q logs in, but its rights are not what they were when the clone was brought level", pending.Username),
			"Rotate again: the clone is brought level each time. If it happens again, look for something that changes rights meanwhile")
	}
	return TestResult{}, nil
}
