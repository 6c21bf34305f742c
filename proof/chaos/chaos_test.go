package chaos_test

import (
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/proof/chaos"
	"github.com/tumbler-rotation/tumbler/sandbox/deployed"
)

// The sweeps are a part of what `make chaos` tries, the same every time: as many
// cases of each target as its speed allows, different points first.

func TestSweepSingleUser(t *testing.T) {
	sweep(t, "postgres", rotation.SingleUser, 0, 60)
	sweep(t, "mariadb", rotation.SingleUser, 0, 60)
	sweep(t, "ferretdb", rotation.SingleUser, 0, 34)
}

func TestSweepAlternatingUsers(t *testing.T) {
	sweep(t, "postgres", rotation.AlternatingUsers, 0, 30)
	sweep(t, "postgres", rotation.AlternatingUsers, 1, 20)
	sweep(t, "mariadb", rotation.AlternatingUsers, 0, 70)
	sweep(t, "mariadb", rotation.AlternatingUsers, 2, 40)
	sweep(t, "ferretdb", rotation.AlternatingUsers, 0, 8)
}

// The functions' own binaries, ended by SIGKILL at events that the proxy and the
// endpoint see: nothing depends on what a function does in its last moment.
func TestKilledFromOutside(t *testing.T) {
	target := target(t, "postgres", rotation.SingleUser, 0)
	dir := t.TempDir()
	if err := deployed.Build(t.Context(), "../..", dir, "plan", "createsecret", "setsecret", "testsecret", "finishsecret", "restore"); err != nil {
		t.Fatal(err)
	}
	w := world(t, target, chaos.Options{Binaries: dir})
	report, err := w.Sweep(t.Context(), chaos.Sampling{Seed: 2, Most: 12, Only: chaos.Killable})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Violations {
		t.Errorf("%s, killed: %s (%v): %v", target.Name, r.Case, r.Fired, r.Violations)
	}
	if w.Kills() != report.Cases {
		t.Errorf("%d processes were killed in %d cases", w.Kills(), report.Cases)
	}
}

// What is printed of a failure runs it again.
func TestCasesAreReadAsTheyAreWritten(t *testing.T) {
	cases := append(chaos.Cases(2), chaos.Case{Faults: []chaos.Fault{{At: 3, Mode: chaos.DownAfter}, {At: 31, Mode: chaos.LostBefore}}, Then: chaos.Native})
	for _, c := range cases {
		if got, err := chaos.ParseCase(c.String()); err != nil || got.String() != c.String() {
			t.Errorf("%s: got %s, %v", c, got, err)
		}
	}
	for _, r := range []chaos.Race{{Executions: 20, Seed: 7}, {Executions: 2, Native: true, Seed: 1 << 40}} {
		if got, err := chaos.ParseRace(r.String()); err != nil || got != r {
			t.Errorf("%s: got %s, %v", r, got, err)
		}
	}
	for _, wrong := range []string{"", "event 1 gone after", "event x gone after; then retry", "event 1 gone; then retry", "event 1 gone after; then"} {
		if c, err := chaos.ParseCase(wrong); err == nil {
			t.Errorf("%q was read as %s", wrong, c)
		}
	}
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
