package window

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func hoursText(start, step int) string { return fmt.Sprintf("%d/%d", start, step) }

// generated is a schedule as text and, independently of the parser, as questions
// to the clock on the wall.
type generated struct {
	text     string
	inHours  bool
	opensDay func(time.Time) bool // whether a window may open on that day
	opensAt  func(hour int) bool
}

// drawDays draws the two day fields and the month.
func drawDays(t *rapid.T) (dom, month, dow string, opens func(time.Time) bool) {
	month, inMonth := drawMonth(t)
	dom, dow = "?", "?"
	var inDay func(time.Time) bool
	switch rapid.IntRange(0, 9).Draw(t, "kind of day") {
	case 0:
		dom, inDay = "*", func(time.Time) bool { return true }
	case 1:
		dom, inDay = "L", func(d time.Time) bool { return d.AddDate(0, 0, 1).Day() == 1 }
	case 2:
		start, step := rapid.IntRange(1, 31).Draw(t, "start"), rapid.IntRange(1, 31).Draw(t, "step")
		dom, inDay = fmt.Sprintf("%d/%d", start, step), func(d time.Time) bool { return d.Day() >= start && (d.Day()-start)%step == 0 }
	case 3:
		from := rapid.IntRange(1, 31).Draw(t, "from")
		to := rapid.IntRange(from, 31).Draw(t, "to")
		other := rapid.IntRange(1, 31).Draw(t, "other")
		dom, inDay = fmt.Sprintf("%d-%d,%d", from, to, other), func(d time.Time) bool { return d.Day() >= from && d.Day() <= to || d.Day() == other }
	case 4, 5:
		day := rapid.SampledFrom([]int{1, 15, 28, 29, 30, 31}).Draw(t, "day")
		dom, inDay = fmt.Sprint(day), func(d time.Time) bool { return d.Day() == day }
	case 6:
		day, word := drawWeekday(t)
		nth := rapid.IntRange(1, 5).Draw(t, "nth")
		// The nth is the one that has nth-1 before it in the month.
		dow, inDay = fmt.Sprintf("%s#%d", word, nth), func(d time.Time) bool {
			return d.Weekday() == day && d.AddDate(0, 0, -7*(nth-1)).Month() == d.Month() && d.AddDate(0, 0, -7*nth).Month() != d.Month()
		}
	case 7:
		day, word := drawWeekday(t)
		dow, inDay = word+"L", func(d time.Time) bool { return d.Weekday() == day && d.AddDate(0, 0, 7).Month() != d.Month() }
	case 8:
		dow, inDay = "MON-FRI", func(d time.Time) bool { return d.Weekday() != time.Saturday && d.Weekday() != time.Sunday }
	default:
		one, word1 := drawWeekday(t)
		two, word2 := drawWeekday(t)
		dow, inDay = word1+","+word2, func(d time.Time) bool { return d.Weekday() == one || d.Weekday() == two }
	}
	return dom, month, dow, func(d time.Time) bool { return inMonth(d) && inDay(d) }
}

func drawMonth(t *rapid.T) (text string, in func(time.Time) bool) {
	names := []string{"jan", "FEB", "Mar", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	switch rapid.IntRange(0, 3).Draw(t, "kind of month") {
	case 0:
		i := rapid.IntRange(0, 11).Draw(t, "month")
		return names[i], func(d time.Time) bool { return int(d.Month()) == i+1 }
	case 1:
		start, step := rapid.IntRange(1, 12).Draw(t, "first month"), rapid.IntRange(1, 12).Draw(t, "months")
		return fmt.Sprintf("%d/%d", start, step), func(d time.Time) bool { return int(d.Month()) >= start && (int(d.Month())-start)%step == 0 }
	}
	return "*", func(time.Time) bool { return true }
}

func drawWeekday(t *rapid.T) (time.Weekday, string) {
	day := time.Weekday(rapid.IntRange(0, 6).Draw(t, "weekday"))
	if rapid.Bool().Draw(t, "as a number") {
		return day, fmt.Sprint(int(day) + 1)
	}
	return day, strings.ToUpper(day.String()[:3])
}

func drawCron(t *rapid.T) generated {
	dom, month, dow, opens := drawDays(t)
	g := generated{opensDay: opens}
	start := rapid.IntRange(0, 23).Draw(t, "hour")
	hours := fmt.Sprint(start)
	g.opensAt = func(hour int) bool { return hour == start }
	if rapid.Bool().Draw(t, "in hours") {
		step := rapid.IntRange(1, 23).Draw(t, "hours")
		g.inHours = true
		hours = hoursText(start, step)
		if start == 0 {
			hours = fmt.Sprintf("/%d", step)
		}
		g.opensAt = func(hour int) bool { return hour >= start && (hour-start)%step == 0 }
	}
	g.text = fmt.Sprintf("cron(0 %s %s %s %s *)", hours, dom, month, dow)
	return g
}

// drawRate draws a rate and its anchor.
func drawRate(t *rapid.T) (generated, time.Time) {
	anchor := time.Unix(rapid.Int64Range(978307200, 1893456000).Draw(t, "anchor"), 0).UTC()
	counted := time.Date(anchor.Year(), anchor.Month(), anchor.Day(), 0, 0, 0, 0, time.UTC)
	if rapid.Bool().Draw(t, "in hours") {
		n := rapid.IntRange(4, 60).Draw(t, "hours")
		var day time.Time
		return generated{
			text: fmt.Sprintf("rate(%d hours)", n), inHours: true,
			opensDay: func(d time.Time) bool { day = d; return true },
			opensAt:  func(hour int) bool { return (int(day.Sub(counted).Hours())+hour)%n == 0 },
		}, anchor
	}
	n := rapid.IntRange(1, 400).Draw(t, "days")
	return generated{
		text:     fmt.Sprintf("rate(%d days)", n),
		opensDay: func(d time.Time) bool { return int(d.Sub(counted).Hours()/24)%n == 0 },
		opensAt:  func(hour int) bool { return hour == 0 },
	}, anchor
}

// simulate walks through the years hour by hour, opening and closing windows as it
// goes; nothing that is drawn happens within an hour. A length of 0 is the default. It also returns what refuses the
// schedule: the fewest hours between two openings, and whether a window was
// still open when the next one opened or the day ended.
func (g generated) simulate(from, to time.Time, length int) (windows []Window, gap int, overrun bool) {
	var (
		open   Window
		isOpen bool
		hours  int // left
		opens  bool
	)
	gap = 1 << 30
	if length == 0 && g.inHours {
		length = 1
	}
	for unix := from.Unix(); unix < to.Unix(); unix += 3600 {
		hours--
		newDay := unix%86400 == 0
		if newDay {
			opens = g.opensDay(time.Unix(unix, 0).UTC())
		}
		if isOpen && (hours == 0 || length == 0 && newDay) {
			open.ClosesAt = time.Unix(unix, 0).UTC()
			windows = append(windows, open)
			isOpen = false
		}
		overrun = overrun || isOpen && newDay
		if !opens || !g.opensAt(int(unix%86400/3600)) {
			continue
		}
		now := time.Unix(unix, 0).UTC()
		if !open.OpensAt.IsZero() {
			gap = min(gap, int(now.Sub(open.OpensAt).Hours()))
		}
		overrun = overrun || isOpen
		open, isOpen, hours = Window{OpensAt: now}, true, length
	}
	return windows, gap, overrun
}

// around is the time from which a walk through six years meets a day on which a
// window opens, at or after from. A fifth Sunday of February is up to 40 years away,
// and the same comes again after those; what has none until then has none.
func (g generated) around(from time.Time) time.Time {
	for day := from; day.Before(from.AddDate(41, 0, 0)); day = day.AddDate(0, 0, 1) {
		if g.opensDay(day) {
			if day.Before(from.AddDate(5, 0, 0)) {
				return from
			}
			return day.AddDate(-1, 0, 0)
		}
	}
	return from
}

// TestOracle compares schedules with a walk through every hour of years.
func TestOracle(t *testing.T) {
	// Six years around a leap year, or around one that is left out.
	starts := []time.Time{time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)}
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.SampledFrom(starts).Draw(t, "from")
		var g generated
		var anchor time.Time
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			g, anchor = drawRate(t)
		} else {
			g = drawCron(t)
		}
		from = g.around(from)
		to := from.AddDate(6, 0, 0)
		length, duration := rapid.IntRange(0, 24).Draw(t, "length"), ""
		if length > 0 {
			duration = fmt.Sprintf("%dh", length)
		}
		want, gap, overrun := g.simulate(from, to, length)
		s, err := Parse(g.text, duration)
		s.Anchor = anchor
		if err != nil {
			refused, _ := errors.AsType[*Error](err)
			switch {
			case refused.Field == "hours" && gap < 4:
			case refused.Field == "duration" && (overrun || len(want) == 0):
			case refused.Field == "day-of-month" && len(want) == 0 && strings.Contains(refused.Rule, "never"):
			default:
				t.Fatalf("%s %s: %v, but the walk found no reason (gap %d, overrun %v, %d windows)", g.text, duration, err, gap, overrun, len(want))
			}
			return
		}
		if gap < 4 || overrun {
			t.Fatalf("%s %s is accepted: gap %d, overrun %v", g.text, duration, gap, overrun)
		}
		compare(t, s, from, to, want)
	})
}

func compare(t *rapid.T, s Schedule, from, to time.Time, want []Window) {
	i := 0
	for w := range s.Windows(from.Add(-1)) {
		if !w.ClosesAt.Before(to) {
			break
		}
		if i >= len(want) || w != want[i] {
			t.Fatalf("%s: window %d is %s, the walk says %s", s, i, show(w), showAll(want[min(i, len(want)):]))
		}
		i++
	}
	for _, missing := range want[i:] {
		if missing.ClosesAt.Before(to) {
			t.Fatalf("%s: missing %s", s, show(missing))
		}
	}
	for range 20 {
		if len(want) < 2 {
			return
		}
		k := rapid.IntRange(0, len(want)-2).Draw(t, "window")
		w, following := want[k], want[k+1]
		for _, moment := range []time.Time{
			w.OpensAt, w.OpensAt.Add(1), w.ClosesAt.Add(-1), w.ClosesAt,
			w.OpensAt.Add(time.Duration(rapid.Int64Range(0, int64(following.OpensAt.Sub(w.OpensAt)-1)).Draw(t, "moment"))),
		} {
			if moment.Equal(following.OpensAt) {
				continue
			}
			inside, ok := s.At(moment)
			if ok != moment.Before(w.ClosesAt) || ok && inside != w {
				t.Fatalf("%s at %s: %v, %v, the walk says %s", s, moment, inside, ok, show(w))
			}
			if next := s.Next(moment); next != following {
				t.Fatalf("%s after %s: %s, the walk says %s", s, moment, show(next), show(following))
			}
			if previous := s.Previous(moment.Add(1)); previous != w {
				t.Fatalf("%s before %s: %s, the walk says %s", s, moment, show(previous), show(w))
			}
		}
	}
}

func showAll(windows []Window) string {
	if len(windows) == 0 {
		return "none"
	}
	return show(windows[0])
}

// FuzzParse holds that any text is refused with a reason, or makes a schedule
// whose methods agree with each other, in a bounded time.
func FuzzParse(f *testing.F) {
	for _, expression := range []string{"rate(4 hours)", "rate(999 days)", "cron(0 /8 * * ? *)", "cron(0 0 29 FEB ? *)", "cron(0 1 ? 1/3 SUN#1 *)", "cron(0 17 1-5,L * ? *)", "cron(0 1 ? * SUNL *)"} {
		f.Add(expression, "", int64(1790000000))
		f.Add(expression, "3h", int64(-1790000000))
	}
	f.Fuzz(func(t *testing.T, expression, duration string, unix int64) {
		s, err := Parse(expression, duration)
		if err != nil {
			if refused, ok := errors.AsType[*Error](err); !ok || refused.Field == "" || refused.Rule == "" || refused.Remedy == "" {
				t.Fatalf("%#v", err)
			}
			return
		}
		again, err := Parse(s.String(), duration)
		if err != nil || again.Text() != s.Text() {
			t.Fatalf("%q is not %q: %v", s, again, err)
		}
		now := time.Unix(unix%(1<<37), 0) // within 4000 years
		next := s.Next(now)
		if next.OpensAt.IsZero() || !next.OpensAt.After(now) || !next.ClosesAt.After(next.OpensAt) {
			t.Fatalf("%s after %s: %v", s, now, next)
		}
		if previous := s.Previous(next.OpensAt); previous.OpensAt.After(now) || s.Next(previous.OpensAt) != next || previous.ClosesAt.After(next.OpensAt) {
			t.Fatalf("%s before %v: %v", s, next, previous)
		}
		if inside, ok := s.At(next.ClosesAt.Add(-1)); !ok || inside != next {
			t.Fatalf("%s at the end of %v: %v", s, next, inside)
		}
		if !midnight(next.OpensAt).Equal(midnight(next.ClosesAt.Add(-1))) {
			t.Fatalf("%s reaches into the next day: %v", s, next)
		}
	})
}
