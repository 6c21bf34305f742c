package chaos_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/tumbler-rotation/tumbler/internal/chaos"
	"github.com/tumbler-rotation/tumbler/internal/dbserver/dbtest"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(dbtest.Stopping(m)) }

func TestSweepSingleUser(t *testing.T) {
	w, err := chaos.NewWorld(t.Context(), postgresTarget(t, rotation.SingleUser), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	report, err := w.Sweep(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s %s: %d points, %d cases", report.Target, report.Strategy, report.Points, report.Cases)
	for i, e := range report.Events {
		t.Logf("%2d %s", i+1, e)
	}
	for _, r := range report.Violations {
		t.Errorf("%s (%v): %v", r.Case, r.Fired, r.Violations)
	}
}
