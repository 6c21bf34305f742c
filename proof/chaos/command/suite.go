package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/proof/chaos"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
	"github.com/tumbler-rotation/tumbler/sandbox/deployed"
)

// The kinds of cases, as they follow a target's name.
const (
	killedKind = ", killed"
	raceKind   = ", race"
)

func cutKind(name string) (target, kind string) {
	for _, kind := range []string{killedKind, raceKind} {
		if target, ok := strings.CutSuffix(name, kind); ok {
			return target, kind
		}
	}
	return name, ""
}

// row is what came of a target.
type row struct {
	target chaos.Target
	report chaos.Report
	killed chaos.Report
	pairs  int            // of faults
	races  int            // races run
	ends   map[string]int // how their executions ended
	broken []string       // cases that break a promise, and how
}

// suite is everything.
type suite struct {
	seed   uint64
	budget time.Duration

	began    time.Time
	servers  []*chaos.Server
	missing  []string // servers that this machine has not
	binaries string
	rows     []*row

	mu   sync.Mutex
	jobs []job
}

// job is a part of the suite that one worker does.
type job struct {
	name   string
	weight int // its share of the time
	run    func(ctx context.Context, until time.Time) error
}

// functions builds the functions that are killed.
func functions(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "tumbler-chaos-")
	if err != nil {
		return "", err
	}
	return dir, deployed.Build(ctx, ".", dir, "plan", "createsecret", "setsecret", "testsecret", "finishsecret", "restore")
}

func (s *suite) prepare(ctx context.Context, only string) (err error) {
	s.began = time.Now()
	if s.binaries, err = functions(ctx); err != nil {
		return err
	}
	for _, k := range chaos.Kinds {
		if !slices.ContainsFunc(k.Names(), func(name string) bool { return strings.Contains(name, only) }) {
			continue
		}
		if err := s.start(ctx, k, only); absent(err) {
			s.missing = append(s.missing, err.Error())
		} else if err != nil {
			return err
		}
	}
	if len(s.rows) == 0 {
		return errors.Join(fmt.Errorf("no target's name contains %q", only), errors.New(strings.Join(s.missing, "; ")))
	}
	return nil
}

// start starts a server for all targets of its kind, or one for each.
func (s *suite) start(ctx context.Context, k chaos.Kind, only string) error {
	var server *chaos.Server
	for i, name := range k.Names() {
		if !strings.Contains(name, only) {
			continue
		}
		if server == nil || k.Alone {
			var err error
			if server, err = k.Start(ctx); err != nil {
				return err
			}
			s.servers = append(s.servers, server)
		}
		weight := 8
		if k.Alone {
			weight = 20 // slow
		}
		s.add(&row{target: server.Targets()[i], ends: map[string]int{}}, weight)
	}
	return nil
}

// absent reports whether this machine has no such server.
func absent(err error) bool {
	for _, why := range []error{dbserver.ErrNoPostgres, dbserver.ErrNoMariaDB, dbserver.ErrNoMySQL56, dbserver.ErrNoFerretDB} {
		if errors.Is(err, why) {
			return true
		}
	}
	return false
}

// add plans a target's jobs. Races and killed processes are about the labels and
// the functions more than about the database.
func (s *suite) add(r *row, weight int) {
	s.rows = append(s.rows, r)
	s.jobs = append(s.jobs,
		job{r.target.Name + ": sweep", weight, func(ctx context.Context, until time.Time) error { return s.sweep(ctx, r, until) }},
		job{r.target.Name + ": pairs of faults", 3, func(ctx context.Context, until time.Time) error { return s.twoFaults(ctx, r, until) }})
	if r.target.Family == "postgres" && r.target.Before == 0 {
		s.jobs = append(s.jobs, job{r.target.Name + raceKind, 3, func(ctx context.Context, until time.Time) error { return s.races(ctx, r, until) }})
	}
	if r.target.Before == 0 && (r.target.Family == "postgres" || r.target.Strategy == rotation.SingleUser) {
		s.jobs = append(s.jobs, job{r.target.Name + killedKind, 6, func(ctx context.Context, until time.Time) error { return s.kill(ctx, r, until) }})
	}
}

func (s *suite) close() {
	for _, server := range s.servers {
		server.Stop()
	}
	_ = os.RemoveAll(s.binaries)
}

// workers wait for servers most of the time.
const workers = 4

// run does the jobs. Each may begin new cases for its share of the time that is
// left.
func (s *suite) run(ctx context.Context) error {
	end := s.began.Add(s.budget)
	left := 0
	for _, j := range s.jobs {
		left += j.weight
	}
	next := func() (job, time.Time, bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.jobs) == 0 {
			return job{}, time.Time{}, false
		}
		j := s.jobs[0]
		s.jobs = s.jobs[1:]
		share := time.Until(end) * time.Duration(j.weight*workers) / time.Duration(max(left, j.weight*workers))
		left -= j.weight
		return j, time.Now().Add(share), true
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for ctx.Err() == nil {
				j, until, ok := next()
				if !ok {
					return
				}
				began := time.Now()
				if err := j.run(ctx, until); err != nil {
					cancel(fmt.Errorf("%s: %w", j.name, err))
				}
				fmt.Fprintf(os.Stderr, "%4.0f s  %s (%.0f s)\n", time.Since(s.began).Seconds(), j.name, time.Since(began).Seconds())
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

func (s *suite) sweep(ctx context.Context, r *row, until time.Time) error {
	w, err := chaos.NewWorld(ctx, r.target, chaos.Options{})
	if err != nil {
		return err
	}
	defer w.Close()
	r.report, err = w.Sweep(ctx, chaos.Sampling{Seed: s.seed, Until: until})
	s.note(r, "", r.report.Violations)
	return err
}

// kill runs the functions' own binaries and ends their processes from outside.
func (s *suite) kill(ctx context.Context, r *row, until time.Time) error {
	w, err := chaos.NewWorld(ctx, r.target, chaos.Options{Binaries: s.binaries})
	if err != nil {
		return err
	}
	defer w.Close()
	r.killed, err = w.Sweep(ctx, chaos.Sampling{Seed: s.seed, Until: until, Only: chaos.Killable})
	s.note(r, killedKind, r.killed.Violations)
	return err
}

func (s *suite) races(ctx context.Context, r *row, until time.Time) error {
	for seed := s.seed; seed < s.seed+40; seed++ {
		for _, race := range []chaos.Race{{Executions: 2, Seed: seed}, {Executions: 2, Native: true, Seed: seed}, {Executions: 20, Native: seed%2 == 0, Seed: seed}} {
			if race.Executions > 2 && seed >= s.seed+8 {
				continue
			}
			if time.Now().After(until) && seed > s.seed {
				return nil
			}
			endings, err := chaos.Interleave(ctx, r.target, race, nil)
			if err != nil {
				return fmt.Errorf("%s: %w", race, err)
			}
			s.mu.Lock()
			r.races++
			for ending, n := range endings.Counts {
				r.ends[ending] += n
			}
			s.mu.Unlock()
			if len(endings.Violations) > 0 {
				s.report(r, fmt.Sprintf("%s%s: %s: %v", r.target.Name, raceKind, race, endings.Violations))
			}
		}
	}
	return nil
}

func (s *suite) note(r *row, kind string, results []chaos.Result) {
	for _, v := range results {
		s.report(r, fmt.Sprintf("%s%s: %s\n  faults: %s\n  %s", r.target.Name, kind, v.Case, strings.Join(v.Fired, ", "), strings.Join(v.Violations, "\n  ")))
	}
}

func (s *suite) report(r *row, broken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.broken = append(r.broken, broken)
}

func (s *suite) violations() (n int) {
	for _, r := range s.rows {
		n += len(r.broken)
	}
	return n
}

// endings writes how executions ended, the most frequent ending first.
func endings(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return counts[b] - counts[a] })
	var list []string
	for _, name := range names {
		list = append(list, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(list, ", ")
}
