package chaos_test

import (
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/chaos"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// The sweeps are a part of what `make chaos` tries, the same every time: as many
// cases of each target as its speed allows, different points first.

func TestSweepSingleUser(t *testing.T) {
	sweep(t, "postgres", rotation.SingleUser, 0, 100)
	sweep(t, "mariadb", rotation.SingleUser, 0, 60)
	sweep(t, "ferretdb", rotation.SingleUser, 0, 34)
}

func TestSweepAlternatingUsers(t *testing.T) {
	sweep(t, "postgres", rotation.AlternatingUsers, 0, 60)
	sweep(t, "postgres", rotation.AlternatingUsers, 1, 60)
	sweep(t, "mariadb", rotation.AlternatingUsers, 0, 90)
	sweep(t, "mariadb", rotation.AlternatingUsers, 2, 60)
	sweep(t, "ferretdb", rotation.AlternatingUsers, 0, 8)
}

func sweep(t *testing.T, kind string, strategy rotation.Strategy, before, most int) {
	target := target(t, kind, strategy, before)
	t.Run(target.Name, func(t *testing.T) {
		t.Parallel()
		report, err := world(t, target, chaos.Options{}).Sweep(t.Context(), chaos.Sampling{Seed: 1, Most: most})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d points, %d of %d cases", target.Product, report.Points, report.Cases, report.All)
		for i, e := range report.Events {
			t.Logf("%2d %s", i+1, e)
		}
		for _, r := range report.Violations {
			t.Errorf("%s: %s (%v): %v", target.Name, r.Case, r.Fired, r.Violations)
		}
	})
}
