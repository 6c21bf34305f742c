package scheduler

import (
	"context"
	"time"
)

// launch runs the schedule in the background until it is stopped or complete.
// The caller holds the lock.
func (s *Service) launch(sched *schedule, plan timetable) {
	// Not cancelled when the last invocation is out, which may be tried again.
	ctx, stop := context.WithCancel(s.open)
	sched.stop = stop
	if *sched.definition.State == disabled || ctx.Err() != nil {
		return
	}
	after := s.now()
	if plan.every != 0 {
		after = after.Add(-1) // a rate fires at its start
	}
	release := s.hold()
	s.running.Go(func() {
		defer release()
		if s.fire(ctx, sched, plan, after) {
			s.complete(sched)
		}
	})
}

// fire invokes the target at each of the schedule's times later than after. It
// reports whether there are no more.
func (s *Service) fire(ctx context.Context, sched *schedule, plan timetable, after time.Time) (done bool) {
	for {
		at, more := plan.next(after)
		if !more {
			return true
		}
		// A machine that slept, or cannot keep up with its clock, leaves out what it
		// missed and does not start it all at once.
		if following, ok := plan.next(at); ok && !following.After(s.now()) {
			after = s.now().Add(-1)
			if at, more = plan.next(after); !more {
				return true
			}
		}
		due := at.Add(s.spread(sched.definition.FlexibleTimeWindow))
		if s.cfg.Clock.Sleep(ctx, due.Sub(s.now())) != nil || ctx.Err() != nil {
			return false
		}
		s.deliver(ctx, sched, at)
		after = at
	}
}

// spread is the time from the start of the flexible window to the invocation.
func (s *Service) spread(w *flexibleTimeWindow) time.Duration {
	if *w.Mode == modeOff {
		return 0
	}
	return time.Duration(s.cfg.Random() * float64(*w.MaximumWindowInMinutes) * float64(time.Minute))
}

// complete deletes a schedule that has nothing left to do, if it is to be.
func (s *Service) complete(sched *schedule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.schedules[sched.arn] == sched && *sched.definition.ActionAfterCompletion == dropAfter {
		delete(s.schedules, sched.arn)
	}
}
