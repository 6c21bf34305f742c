package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/proof/chaos"
)

// checks is how many pairs of faults are tried on a target, if there is time.
const checks = 150

// onlyOnce sets rapid's flags, which are the process's.
var onlyOnce sync.Once

// twoFaults tries two faults at once, anywhere; rapid finds the smallest pair
// that breaks something.
func (s *suite) twoFaults(ctx context.Context, r *row, until time.Time) error {
	onlyOnce.Do(func() {
		testing.Init() // rapid asks package testing whether to be short
		_ = flag.CommandLine.Parse(nil)
		for name, value := range map[string]string{"checks": strconv.Itoa(checks), "seed": strconv.FormatUint(s.seed, 10), "nofailfile": "true", "shrinktime": "10s"} {
			_ = flag.Set("rapid."+name, value)
		}
	})
	w, err := chaos.NewWorld(ctx, r.target, chaos.Options{})
	if err != nil {
		return err
	}
	defer w.Close()
	events, err := w.Events(ctx)
	if err != nil {
		return err
	}
	var smallest *chaos.Result
	failed := &harness{name: r.target.Name}
	failed.run(func() {
		rapid.Check(failed, func(rt *rapid.T) {
			c := chaos.DrawPair(rt, len(events))
			if err != nil || (smallest == nil && (time.Now().After(until) || ctx.Err() != nil)) {
				return
			}
			var result chaos.Result
			if result, err = w.Try(ctx, c); err != nil {
				return
			}
			if smallest == nil {
				r.pairs++
			}
			if len(result.Violations) > 0 {
				smallest = &result // the last one is
				rt.Fatal("broken")
			}
		})
	})
	if smallest != nil {
		s.note(r, "", []chaos.Result{*smallest})
	}
	if err == nil && failed.failed && smallest == nil {
		err = fmt.Errorf("rapid: %s", failed.log.String())
	}
	return err
}

// harness is what rapid takes for a test.
type harness struct {
	name   string
	failed bool
	log    strings.Builder
}

// run runs f, which may end early.
func (h *harness) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (h *harness) Helper()                   {}
func (h *harness) Name() string              { return h.name }
func (h *harness) Logf(f string, a ...any)   { fmt.Fprintf(&h.log, f+"\n", a...) }
func (h *harness) Log(a ...any)              { fmt.Fprintln(&h.log, a...) }
func (h *harness) Skipf(f string, a ...any)  { h.Logf(f, a...); h.SkipNow() }
func (h *harness) Skip(a ...any)             { h.Log(a...); h.SkipNow() }
func (h *harness) SkipNow()                  { runtime.Goexit() }
func (h *harness) Errorf(f string, a ...any) { h.Logf(f, a...); h.Fail() }
func (h *harness) Error(a ...any)            { h.Log(a...); h.Fail() }
func (h *harness) Fatalf(f string, a ...any) { h.Logf(f, a...); h.FailNow() }
func (h *harness) Fatal(a ...any)            { h.Log(a...); h.FailNow() }
func (h *harness) FailNow()                  { h.Fail(); runtime.Goexit() }
func (h *harness) Fail()                     { h.failed = true }
func (h *harness) Failed() bool              { return h.failed }
