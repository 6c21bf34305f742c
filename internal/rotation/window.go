package rotation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/window"
)

// Window is the time in which a rotation may change anything. Every attempt of CreateSecret
// and SetSecret checks it.
type Window = window.Window

// longestWait is the longest time that an execution may wait for its window, so that the
// rotation still ends within the state machine's TimeoutSeconds.
const longestWait = 31 * 24 * time.Hour

// inWindow decides whether a rotation starts now, waits for its window, or is
// refused with WindowClosed.
func (p Planned) inWindow(request Request, now time.Time) (Planned, error) {
	w, next, frozen, err := request.forRun(now)
	if err != nil {
		return Planned{}, err
	}
	p.Window, p.NextWindow = w, next
	switch {
	case frozen != "":
		return Planned{}, fault.New(fault.WindowClosed, "scheduled rotations are frozen: "+frozen, p.nextHint(now))
	case w == nil, w.Contains(now):
		return p, nil
	case request.OutsideWindow == OutsideRotate:
		p.Window = nil
		return p, nil
	case request.OutsideWindow == OutsideWait:
		return p.wait(now)
	}
	return Planned{}, p.closed(now)
}

// wait waits for the window, or the next one.
func (p Planned) wait(now time.Time) (Planned, error) {
	w := p.Window
	if !now.Before(w.OpensAt) {
		w = p.NextWindow
	}
	if w == nil {
		return Planned{}, p.closed(now)
	}
	if w.OpensAt.Sub(now) > longestWait {
		return Planned{}, fault.New(fault.WindowClosed,
			fmt.Sprintf("the rotation window opens at %s, more than %d days from now", stamp(w.OpensAt), longestWait/(24*time.Hour)),
			"Ask again nearer to it, or leave it to the schedule")
	}
	p.Decision, p.Window, p.Applications = Wait, w, notChanged
	return p, nil
}

// checkOpen returns WindowClosed when the plan's window is not open. A plan
// without a window may change things at any time.
func (p Planned) checkOpen(now time.Time) error {
	if p.Window == nil || p.Window.Contains(now) {
		return nil
	}
	return p.closed(now)
}

// closed is the error WindowClosed, which names the next window.
func (p Planned) closed(now time.Time) error {
	when := "opens at " + stamp(p.Window.OpensAt)
	if !now.Before(p.Window.OpensAt) {
		when = "closed at " + stamp(p.Window.ClosesAt)
	}
	return fault.New(fault.WindowClosed, fmt.Sprintf("it is %s and the rotation window %s", stamp(now), when), p.nextHint(now))
}

func (p Planned) nextHint(now time.Time) string {
	const otherwise = "Rotate all the same with outsideWindow \"rotate\" (tumbler rotate --outside-window)"
	if next := p.nextWindow(now); next != nil {
		return fmt.Sprintf("The next window is from %s to %s. %s", stamp(next.OpensAt), stamp(next.ClosesAt), otherwise)
	}
	return otherwise
}

// nextWindow is the first window after now, which may be days after the plan if an
// execution was redriven.
func (p Planned) nextWindow(now time.Time) *Window {
	if p.Schedule == nil || p.NextWindow == nil || now.Before(p.NextWindow.OpensAt) {
		return p.NextWindow
	}
	t, err := p.Schedule.Timetable()
	if err != nil {
		return nil // cannot fail: Plan has parsed it
	}
	return new(t.Next(now))
}

// untilClosed cancels a context when the plan's window closes, for everything before the
// commit point: waiting calls then fail, and the next attempt finds the window closed.
//
// The change itself is not cancelled: a server continues a statement whose client has gone,
// and a password that is set after Restore has looked would lock applications out. A change
// is not begun after the window has closed, and the engines limit how long it takes.
func (p Planned) untilClosed(ctx context.Context, now time.Time) (context.Context, context.CancelFunc) {
	if p.Window == nil {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, p.Window.ClosesAt.Sub(now))
}

// Timetable reads the schedule. Rates count from 1970-01-01, so that the windows are
// the same here, in EventBridge Scheduler and on the command line. Codes:
// InvalidRequest.
func (s *Schedule) Timetable() (window.Timetable, error) {
	t, err := window.ParseTimetable(s.Expression, s.Duration, s.Freeze...)
	if err != nil {
		return window.Timetable{}, invalidSchedule(err)
	}
	return t, nil
}

func invalidSchedule(err error) error {
	field := "schedule"
	if e, ok := errors.AsType[*window.Error](err); ok {
		if e.Field == "freeze" {
			field = "schedule.freeze"
		}
		return invalidRequest(fmt.Sprintf("field %s: %s %q: %s", field, e.Field, e.Value, e.Rule), e.Remedy)
	}
	return invalidRequest("field "+field+" cannot be read", "See docs/schedules.md")
}

// forRun finds the window of a run: the one of its schedule, or the one that is open now,
// or else the next. Without a schedule or window there is none.
func (r Request) forRun(now time.Time) (w *Window, next *Window, frozen string, err error) {
	if r.Schedule == nil {
		return r.Window, nil, "", nil
	}
	t, err := r.Schedule.Timetable()
	if err != nil {
		return nil, nil, "", err
	}
	next = new(t.Next(now))
	meant := now
	if at := r.Trigger.ScheduledAt; r.Trigger.Source == SourceSchedule {
		if at != nil {
			meant = *at
		}
		if period, ok := t.Freeze.At(meant); ok {
			frozen = period.Text()
		}
	}
	if open, ok := t.Schedule.At(meant); ok {
		return &open, next, frozen, nil
	}
	return next, next, frozen, nil
}

// stamp writes a time in RFC 3339, as Step Functions reads it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
