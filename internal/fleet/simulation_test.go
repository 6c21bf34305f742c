package fleet_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fleet"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

const many = 10_000

// db07 is one of 33 databases, with 3 % of the secrets.
func db07(name string) bool { return strings.HasPrefix(name, "prod/db07/") }

// Ten thousand secrets: the budget is used and kept, they take as long each as a
// quarter of them, and neither the state nor the memory grows.
func TestTenThousandSecrets(t *testing.T) {
	var each time.Duration
	for _, budget := range []int{fleet.DefaultBudget, 40} {
		r := newRegion(t, many)
		heap, grown := heapAlloc(), uint64(0)
		r.atChoice = func(s fleet.State) {
			if now := heapAlloc(); s.Progress.Wave%10 == 0 && now > heap {
				grown = max(grown, now-heap)
			}
		}
		real := time.Now()
		result := r.run("all", fmt.Sprintf(`{"select":{"all":true},"writesPerSecond":%d}`, budget))
		took := r.clock.Now().Sub(epoch)
		if result.Status != asl.Succeeded || result.Path[len(result.Path)-1] != "AllRotated" {
			t.Fatalf("%s: %s: %s", result.Status, result.Error, result.Cause)
		}
		peak, minute, average := r.peak(), float64(r.most(time.Minute))/60, float64(len(r.writes))/took.Seconds()
		if n := r.rotated(); n != many || r.rotations != many || len(r.writes) != many*fleet.WritesPerRotation {
			t.Errorf("budget %d: %d rotated by %d rotations with %d writes", budget, n, r.rotations, len(r.writes))
		}
		if of := float64(budget); average > of || average < 0.9*of || minute > 1.25*of || float64(peak) > 3*of {
			t.Errorf("budget %d: %.1f a second on average, %.1f in the busiest minute, %d in the busiest second", budget, average, minute, peak)
		}
		// Mostly the region's own executions and writes.
		const most = 32 << 20
		if grown > most {
			t.Errorf("the heap grew by %d MiB", grown>>20)
		}
		t.Logf("budget %d/s: %d secrets in %s, %.1f writes a second on average, %.1f in the busiest minute, %d in the busiest second, heap +%d MiB, %s of real time",
			budget, many, took.Round(time.Second), average, minute, peak, grown>>20, time.Since(real).Round(time.Millisecond))
		if budget == fleet.DefaultBudget {
			each = took / many
		}
	}
	if quarter := quickly(t, many/4) / (many / 4); each < quarter*9/10 || each > quarter*11/10 {
		t.Errorf("a secret takes %s of many, and %s of a quarter as many", each, quarter)
	}
}

// quickly is how long so many secrets take.
func quickly(t *testing.T, n int) time.Duration {
	r := newRegion(t, n)
	r.listing = time.Duration(many/100+1) * 60 * time.Millisecond // of an account with as many
	if result := r.run("some", `{"select":{"all":true}}`); result.Status != asl.Succeeded {
		t.Fatalf("%s: %s: %s", result.Status, result.Error, result.Cause)
	}
	return r.clock.Now().Sub(epoch)
}

func heapAlloc() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A database with 3 % of the secrets is down. With less tolerated the fleet
// stops at once; when the database is back, a resume finishes, and rotates
// nothing twice.
func TestFailingDatabaseStopsTheFleet(t *testing.T) {
	r := newRegion(t, many)
	r.broken = db07
	const tolerated = 50
	stopped := r.run("first", fmt.Sprintf(`{"select":{"prefix":"prod/"},"canary":0,"maxFailures":"%d","writesPerSecond":40}`, tolerated))
	if stopped.Error != "Stopped" {
		t.Fatalf("ended with %s: %s", stopped.Error, stopped.Cause)
	}
	// The one too many, and those that were under way when it failed.
	failed, rotated, concurrent := r.events[0].Failed, r.rotated(), fleet.Request{Budget: 40}.Concurrency()
	if failed <= tolerated || failed > tolerated+concurrent || r.rotations != rotated+failed {
		t.Errorf("%d failed with %d tolerated and %d at once; %d rotations for %d", failed, tolerated, concurrent, r.rotations, rotated)
	}
	if e := r.events[0]; e.Rotated != rotated || e.NotStarted != many-rotated-failed || len(e.Failures) != 50 || e.Failures[0].Error != "DatabaseUnreachable" {
		t.Errorf("the event says %d rotated, %d not started, %d failures", e.Rotated, e.NotStarted, len(e.Failures))
	}
	t.Logf("stopped after %s: %s", r.clock.Now().Sub(epoch).Round(time.Second), stopped.Cause)

	r.broken = func(string) bool { return false }
	again := r.run("second", `{"select":{"prefix":"prod/"},"writesPerSecond":40,"resume":["`+prefix+`execution:tumbler-fleet:first"]}`)
	if again.Status != asl.Succeeded || r.rotated() != many {
		t.Fatalf("%s: %s: %s; %d rotated", again.Status, again.Error, again.Cause, r.rotated())
	}
	if e := r.events[1]; e.Earlier != rotated || e.Rotated != many-rotated || r.rotations != many+failed {
		t.Errorf("resumed: %+v with %d rotations in all", e, r.rotations)
	}
}

// With more tolerated it goes on to the end, and the resume is about the failed
// ones only.
func TestResumeOfTheFailedOnes(t *testing.T) {
	r := newRegion(t, 2000)
	r.broken = db07
	ended := r.run("first", `{"select":{"tags":{"team":"a"}},"canary":0,"maxFailures":"4%"}`)
	bad := 2000/33 + 1
	if ended.Error != "SomeFailed" || r.events[0].Failed != bad || r.rotated() != 2000-bad {
		t.Fatalf("%s: %s", ended.Error, ended.Cause)
	}
	before := r.rotations
	r.broken = func(string) bool { return false }
	again := r.run("second", `{"select":{"tags":{"team":"a"}},"resume":["`+prefix+`execution:tumbler-fleet:first"]}`)
	if again.Status != asl.Succeeded || r.rotations != before+bad || r.rotated() != 2000 {
		t.Errorf("%s: %s with %d more rotations for %d", again.Status, again.Cause, r.rotations-before, bad)
	}
	// And then there is nothing left.
	third := r.run("third", `{"select":{"tags":{"team":"a"}},"resume":["`+prefix+`execution:tumbler-fleet:first","`+prefix+`execution:tumbler-fleet:second"]}`)
	if third.Status != asl.Succeeded || r.rotations != before+bad {
		t.Errorf("%s: %s", third.Status, third.Cause)
	}
}
