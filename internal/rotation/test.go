package rotation

import "context"

// Test proves that the pending password logs in. It has no right to write
// secrets.
type Test struct {
	Secrets   ValueReader
	Databases Databases
}

// TestResult is empty: that there is one says it all.
type TestResult struct{}

// Run logs in with the pending version and runs a harmless query. Codes: those
// of [engine.Engine] and AWS's own. LoginRefused may heal: a password can take
// a moment to reach every server of a cluster.
func (t Test) Run(ctx context.Context, in StepInput) (TestResult, error) {
	v := versions{secrets: t.Secrets, secretARN: in.Plan.SecretARN}
	pending, err := v.read(ctx, Version{ID: in.Plan.VersionID, Label: Pending})
	if err != nil {
		return TestResult{}, err
	}
	database, err := t.Databases.For(pending)
	if err != nil {
		return TestResult{}, err
	}
	session, err := database.Connect(ctx, pending)
	if err != nil {
		return TestResult{}, err
	}
	defer session.Close()
	return TestResult{}, session.Probe(ctx)
}
