package scheduler

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/winebarrel/cronplan/v2"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// timetable says when a schedule fires. Source: EventBridge Scheduler user guide,
// "Schedule types". Its cron grammar is richer than that of Secrets Manager,
// which package window has; an evaluator of its own also tells whether what
// window.Schedule.Scheduler writes means the same.
type timetable struct {
	at    time.Time            // once, if not zero
	every time.Duration        // a rate, if not zero
	cron  *cronplan.Expression // else

	start time.Time // of a rate, where it counts from
	end   time.Time // zero: never
}

var (
	ratePattern = regexp.MustCompile(`^rate\(([1-9][0-9]{0,8}) (minute|hour|day)s?\)$`)
	units       = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
)

// parseExpression reads at(), rate() and cron().
func parseExpression(text string) (timetable, bool) {
	if m := ratePattern.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1]) // nine digits always are a number
		every := time.Duration(n) * units[m[2]]
		return timetable{every: every}, every/units[m[2]] == time.Duration(n)
	}
	kind, inside, _ := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	switch {
	case !strings.HasSuffix(text, ")"):
		return timetable{}, false
	case kind == "at":
		at, err := time.Parse("2006-01-02T15:04:05", inside)
		return timetable{at: at}, err == nil && !at.IsZero()
	case kind == "cron":
		cron, err := cronplan.Parse(inside)
		return timetable{cron: cron}, err == nil
	}
	return timetable{}, false
}

// between sets the dates between which a recurring schedule fires; for a
// one-time schedule AWS ignores them.
func (t timetable) between(start, end *wire.Time, now time.Time) (timetable, *wire.Error) {
	if !t.at.IsZero() {
		return t, nil
	}
	if start != nil {
		t.start = start.UTC()
		// That AWS says so of updates as well is derived.
		if t.start.Before(now.Add(-lateStart)) {
			return t, validation("The StartDate you specify cannot be earlier than 5 minutes ago.")
		}
	} else if t.every != 0 {
		t.start = now // "your schedule starts invoking the target immediately"
	}
	if end != nil {
		t.end = end.UTC()
		if !t.end.After(now) || !t.end.After(t.start) {
			return t, validation("The EndDate you specify must be in the future and after the StartDate.") // derived wording
		}
	}
	return t, nil
}

// next returns the first time to fire that is later than after.
func (t timetable) next(after time.Time) (next time.Time, ok bool) {
	switch {
	case !t.at.IsZero():
		return t.at, t.at.After(after)
	case t.every != 0:
		next = t.start
		if !next.After(after) {
			next = next.Add((after.Sub(t.start)/t.every + 1) * t.every)
		}
	default:
		from := after.Truncate(time.Minute).Add(time.Minute)
		if from.Before(t.start) {
			from = t.start.Add(time.Minute - 1).Truncate(time.Minute)
		}
		next = t.cron.Next(from)
	}
	return next, !next.IsZero() && (t.end.IsZero() || !next.After(t.end))
}
