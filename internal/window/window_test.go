package window

import (
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // zones for TestDaylightSaving, wherever it runs

	"github.com/google/go-cmp/cmp"
)

func parse(t testing.TB, expression, duration string) Schedule {
	t.Helper()
	s, err := Parse(expression, duration)
	if err != nil {
		t.Fatalf("Parse(%q, %q): %v", expression, duration, err)
	}
	return s
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	got, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// show writes a window as "2026-10-01 10:00-24:00".
func show(w Window) string {
	_, date, _ := strings.Cut(strings.TrimSuffix(w.String(), " UTC"), " ")
	return date
}

// take returns the first windows of the schedule after a time.
func take(s Schedule, after time.Time, n int) (windows []string) {
	for w := range s.Windows(after) {
		if windows = append(windows, show(w)); len(windows) == n {
			break
		}
	}
	return windows
}

func TestWindows(t *testing.T) {
	for _, test := range []struct {
		expression, duration string
		after                string // default 2026-10-01 12:00, a Thursday
		want                 []string
		words                string
	}{
		// The examples of the user guide.
		{
			expression: "cron(0 /8 * * ? *)",
			want:       []string{"2026-10-01 16:00-17:00", "2026-10-02 00:00-01:00", "2026-10-02 08:00-09:00"},
			words:      "Every day. Windows open at 00:00, 08:00 and 16:00 UTC, each for 1 hour.",
		},
		{
			expression: "cron(0 8/8 * * ? *)",
			want:       []string{"2026-10-01 16:00-17:00", "2026-10-02 08:00-09:00", "2026-10-02 16:00-17:00"},
			words:      "Every day. Windows open at 08:00 and 16:00 UTC, each for 1 hour.",
		},
		{
			expression: "cron(0 2/10 * * ? *)",
			want:       []string{"2026-10-01 22:00-23:00", "2026-10-02 02:00-03:00", "2026-10-02 12:00-13:00", "2026-10-02 22:00-23:00"},
			words:      "Every day. Windows open at 02:00, 12:00 and 22:00 UTC, each for 1 hour.",
		},
		{
			expression: "cron(0 4/12 * * ? *)",
			want:       []string{"2026-10-01 16:00-17:00", "2026-10-02 04:00-05:00", "2026-10-02 16:00-17:00"},
			words:      "Every day. Windows open at 04:00 and 16:00 UTC, each for 1 hour.",
		},
		{
			expression: "cron(0 10 * * ? *)",
			want:       []string{"2026-10-02 10:00-24:00", "2026-10-03 10:00-24:00"},
			words:      "Every day. The window opens at 10:00 UTC and closes at the end of the day (14 hours).",
		},
		{
			expression: "cron(0 18 ? * SAT *)",
			want:       []string{"2026-10-03 18:00-24:00", "2026-10-10 18:00-24:00"},
			words:      "Every Saturday. The window opens at 18:00 UTC and closes at the end of the day (6 hours).",
		},
		{
			expression: "cron(0 8 1 * ? *)",
			want:       []string{"2026-11-01 08:00-24:00", "2026-12-01 08:00-24:00", "2027-01-01 08:00-24:00"},
			words:      "On day 1 of every month. The window opens at 08:00 UTC and closes at the end of the day (16 hours).",
		},
		{
			expression: "cron(0 1 ? 1/3 SUN#1 *)",
			want:       []string{"2026-10-04 01:00-24:00", "2027-01-03 01:00-24:00", "2027-04-04 01:00-24:00"},
			words:      "On the first Sunday of January, April, July and October. The window opens at 01:00 UTC and closes at the end of the day (23 hours).",
		},
		{
			expression: "cron(0 17 L * ? *)", after: "2028-01-31 17:00",
			want:  []string{"2028-02-29 17:00-24:00", "2028-03-31 17:00-24:00", "2028-04-30 17:00-24:00"},
			words: "On the last day of every month. The window opens at 17:00 UTC and closes at the end of the day (7 hours).",
		},
		{
			expression: "cron(0 8 ? * MON-FRI *)",
			want:       []string{"2026-10-02 08:00-24:00", "2026-10-05 08:00-24:00", "2026-10-06 08:00-24:00"},
			words:      "Every Monday to Friday. The window opens at 08:00 UTC and closes at the end of the day (16 hours).",
		},
		{
			expression: "cron(0 16 1,15 * ? *)",
			want:       []string{"2026-10-01 16:00-24:00", "2026-10-15 16:00-24:00", "2026-11-01 16:00-24:00"},
			words:      "On days 1 and 15 of every month. The window opens at 16:00 UTC and closes at the end of the day (8 hours).",
		},
		{
			expression: "cron(0 0 ? * SUN#1 *)",
			want:       []string{"2026-10-04 00:00-24:00", "2026-11-01 00:00-24:00", "2026-12-06 00:00-24:00"},
			words:      "On the first Sunday of every month. The window opens at 00:00 UTC and closes at the end of the day (24 hours).",
		},
		{
			expression: "cron(0 0 ? 1/11 2#1 *)",
			want:       []string{"2026-12-07 00:00-24:00", "2027-01-04 00:00-24:00", "2027-12-06 00:00-24:00"},
			words:      "On the first Monday of January and December. The window opens at 00:00 UTC and closes at the end of the day (24 hours).",
		},
		{
			expression: "rate(4 hours)",
			want:       []string{"2026-10-01 16:00-17:00", "2026-10-01 20:00-21:00", "2026-10-02 00:00-01:00"},
			words:      "Every 4 hours, from midnight UTC. Each window is open for 1 hour.",
		},
		{
			expression: "rate(1 day)",
			want:       []string{"2026-10-02 00:00-24:00", "2026-10-03 00:00-24:00"},
			words:      "Every day. The window opens at 00:00 UTC and closes at the end of the day (24 hours).",
		},
		{
			expression: "rate(10 days)",
			want:       []string{"2026-10-10 00:00-24:00", "2026-10-20 00:00-24:00", "2026-10-30 00:00-24:00"},
			words:      "Every 10 days, counted from midnight UTC of 2026-09-30. The window opens at 00:00 UTC and closes at the end of the day (24 hours).",
		},

		// Durations, to their limits.
		{expression: "cron(0 2 ? * SUN *)", duration: "3h", want: []string{"2026-10-04 02:00-05:00"}, words: "Every Sunday. The window opens at 02:00 UTC and closes at 05:00 (3 hours)."},
		{expression: "cron(0 2 ? * SUN *)", duration: "03h", want: []string{"2026-10-04 02:00-05:00"}},
		{expression: "cron(0 2 ? * SUN *)", duration: "22h", want: []string{"2026-10-04 02:00-24:00"}},
		{expression: "cron(0 23 * * ? *)", duration: "1h", want: []string{"2026-10-01 23:00-24:00"}},
		{expression: "rate(2 days)", duration: "24h", want: []string{"2026-10-02 00:00-24:00"}},
		{expression: "rate(4 hours)", duration: "4h", want: []string{"2026-10-01 16:00-20:00", "2026-10-01 20:00-24:00", "2026-10-02 00:00-04:00"}},
		{expression: "cron(0 /8 * * ? *)", duration: "8h", want: []string{"2026-10-01 16:00-24:00", "2026-10-02 00:00-08:00"}},
		{expression: "cron(0 2/10 * * ? *)", duration: "2h", want: []string{"2026-10-01 22:00-24:00"}},

		// Hours.
		{expression: "cron(0 20/4 * * ? *)", want: []string{"2026-10-01 20:00-21:00", "2026-10-02 20:00-21:00"}},
		{expression: "cron(0 0/5 * * ? *)", want: []string{"2026-10-01 15:00-16:00", "2026-10-01 20:00-21:00", "2026-10-02 00:00-01:00"}},
		{expression: "cron(0 3/4 * * ? *)", want: []string{"2026-10-01 15:00-16:00", "2026-10-01 19:00-20:00", "2026-10-01 23:00-24:00", "2026-10-02 03:00-04:00"}},
		{
			// 21:00 to midnight would be too close if the 2nd opened a window as well.
			expression: "cron(0 0/7 1 * ? *)", after: "2026-10-01 14:00",
			want: []string{"2026-10-01 21:00-22:00", "2026-11-01 00:00-01:00"},
		},

		// Days of the month.
		{expression: "cron(0 0 31 * ? *)", want: []string{"2026-10-31 00:00-24:00", "2026-12-31 00:00-24:00", "2027-01-31 00:00-24:00", "2027-03-31 00:00-24:00"}, words: "On day 31 of every month, where the month has that day. The window opens at 00:00 UTC and closes at the end of the day (24 hours)."},
		{expression: "cron(0 0 29 FEB ? *)", want: []string{"2028-02-29 00:00-24:00", "2032-02-29 00:00-24:00"}, words: "On day 29 of February, where the month has that day. The window opens at 00:00 UTC and closes at the end of the day (24 hours)."},
		{expression: "cron(0 0 29 2 ? *)", after: "2096-02-29 00:00", want: []string{"2104-02-29 00:00-24:00"}},
		{expression: "cron(0 5 1/10 * ? *)", want: []string{"2026-10-11 05:00-24:00", "2026-10-21 05:00-24:00", "2026-10-31 05:00-24:00", "2026-11-01 05:00-24:00"}},
		{expression: "cron(0 5 */10 JAN-MAR ? *)", want: []string{"2027-01-01 05:00-24:00", "2027-01-11 05:00-24:00"}},
		{expression: "cron(0 5 /15 * ? *)", want: []string{"2026-10-16 05:00-24:00", "2026-10-31 05:00-24:00", "2026-11-01 05:00-24:00"}},
		{expression: "cron(0 5 1-3,10/15 * ? *)", want: []string{"2026-10-02 05:00-24:00", "2026-10-03 05:00-24:00", "2026-10-10 05:00-24:00", "2026-10-25 05:00-24:00"}, words: "On days 1 to 3, 10 and 25 of every month. The window opens at 05:00 UTC and closes at the end of the day (19 hours)."},
		{expression: "cron(0 5 L FEB ? *)", want: []string{"2027-02-28 05:00-24:00", "2028-02-29 05:00-24:00"}},
		{expression: "cron(0 5 30 2,4 ? *)", want: []string{"2027-04-30 05:00-24:00", "2028-04-30 05:00-24:00"}},

		// Days of the week.
		{expression: "cron(0 5 ? * SUNL *)", want: []string{"2026-10-25 05:00-24:00", "2026-11-29 05:00-24:00"}, words: "On the last Sunday of every month. The window opens at 05:00 UTC and closes at the end of the day (19 hours)."},
		{expression: "cron(0 5 ? * 6L *)", want: []string{"2026-10-30 05:00-24:00", "2026-11-27 05:00-24:00"}},
		{expression: "cron(0 5 ? * L *)", want: []string{"2026-10-03 05:00-24:00"}},
		{expression: "cron(0 5 ? * TUE#3 *)", want: []string{"2026-10-20 05:00-24:00", "2026-11-17 05:00-24:00"}},
		{expression: "cron(0 5 ? * FRI#5 *)", want: []string{"2026-10-30 05:00-24:00", "2027-01-29 05:00-24:00"}},
		{expression: "cron(0 5 ? 2 SUN#5 *)", want: []string{"2032-02-29 05:00-24:00", "2060-02-29 05:00-24:00"}},
		{expression: "cron(0 5 ? * MON,WED,FRI *)", want: []string{"2026-10-02 05:00-24:00", "2026-10-05 05:00-24:00"}, words: "Every Monday, Wednesday and Friday. The window opens at 05:00 UTC and closes at the end of the day (19 hours)."},
		{expression: "cron(0 5 ? * MON/2 *)", want: []string{"2026-10-02 05:00-24:00", "2026-10-05 05:00-24:00"}},
		{expression: "cron(0 5 ? * FRI-SAT,SUN *)", want: []string{"2026-10-02 05:00-24:00", "2026-10-03 05:00-24:00", "2026-10-04 05:00-24:00", "2026-10-09 05:00-24:00"}},
		{expression: "cron(0 5 ? JUN * *)", want: []string{"2027-06-01 05:00-24:00"}, words: "Every day in June. The window opens at 05:00 UTC and closes at the end of the day (19 hours)."},
		{expression: "cron(0 08 ? jan-mar,Dec wed *)", want: []string{"2026-12-02 08:00-24:00"}, words: "Every Wednesday in January to March and December. The window opens at 08:00 UTC and closes at the end of the day (16 hours)."},
		{expression: "cron(00 0 ?  *  sat *)", want: []string{"2026-10-03 00:00-24:00"}},

		// Rates.
		{expression: "rate(5 hours)", want: []string{"2026-10-01 16:00-17:00", "2026-10-01 21:00-22:00", "2026-10-02 02:00-03:00"}},
		{expression: "rate(36 hours)", duration: "12h", want: []string{"2026-10-03 00:00-12:00", "2026-10-04 12:00-24:00"}},
		{expression: "rate(48 hours)", want: []string{"2026-10-02 00:00-01:00", "2026-10-04 00:00-01:00"}},
		{expression: "rate(1 days)", want: []string{"2026-10-02 00:00-24:00"}},
		{expression: "rate(010 day)", want: []string{"2026-10-10 00:00-24:00"}},
		{expression: "rate(999 days)", want: []string{"2029-06-25 00:00-24:00"}},
		{expression: "rate(23976 hours)", want: []string{"2029-06-25 00:00-01:00"}},
	} {
		t.Run(test.expression+" "+test.duration, func(t *testing.T) {
			s := parse(t, test.expression, test.duration)
			s.Anchor = at(t, "2026-09-30 17:45")
			after := test.after
			if after == "" {
				after = "2026-10-01 12:00"
			}
			if diff := cmp.Diff(test.want, take(s, at(t, after), len(test.want))); diff != "" {
				t.Error(diff)
			}
			if got := s.Text(); test.words != "" && got != test.words {
				t.Errorf("Words() = %s", got)
			}
			if again := parse(t, s.String(), test.duration); again.String() != s.String() || again.Text() == "" {
				t.Errorf("%q became %q", s, again)
			}
		})
	}
}

func TestString(t *testing.T) {
	for expression, want := range map[string]string{
		"rate(010  day)":                  "rate(10 day)",
		"cron(00 08 ? jan-MAR,dec wed *)": "cron(0 8 ? JAN-MAR,DEC WED *)",
		"cron(0 /8 01,15 * ? *)":          "cron(0 /8 1,15 * ? *)",
	} {
		if got := parse(t, expression, "").String(); got != want {
			t.Errorf("%s became %s, want %s", expression, got, want)
		}
	}
}

// TestAt holds the window half-open, also where the next one follows at once.
func TestAt(t *testing.T) {
	s := parse(t, "cron(0 2 ? * SUN *)", "3h")
	for _, test := range []struct {
		at   string
		want string
	}{
		{"2026-10-04 01:59", ""},
		{"2026-10-04 02:00", "2026-10-04 02:00-05:00"},
		{"2026-10-04 04:59", "2026-10-04 02:00-05:00"},
		{"2026-10-04 05:00", ""},
		{"2026-10-05 02:00", ""},
	} {
		w, ok := s.At(at(t, test.at))
		if ok != (test.want != "") || ok && show(w) != test.want {
			t.Errorf("At(%s) = %v, %v, want %q", test.at, w, ok, test.want)
		}
	}
	s = parse(t, "rate(4 hours)", "4h")
	if w, _ := s.At(at(t, "2026-10-04 04:00")); show(w) != "2026-10-04 04:00-08:00" {
		t.Errorf("at the seam of two windows: %s", show(w))
	}
}

func TestPrevious(t *testing.T) {
	for _, test := range []struct{ expression, before, want string }{
		{"cron(0 2 ? * SUN *)", "2026-10-04 02:00", "2026-09-27 02:00-24:00"},
		{"cron(0 2 ? * SUN *)", "2026-10-04 02:01", "2026-10-04 02:00-24:00"},
		{"cron(0 5 L * ? *)", "2028-03-15 00:00", "2028-02-29 05:00-24:00"},
		{"cron(0 0 29 2 ? *)", "2104-02-29 00:00", "2096-02-29 00:00-24:00"},
		{"cron(0 0 ? 2 MON#5 *)", "2112-02-29 00:00", "2072-02-29 00:00-24:00"},
		{"rate(10 days)", "2026-10-04 00:00", "2026-09-29 00:00-24:00"}, // before the anchor too
	} {
		s := parse(t, test.expression, "")
		s.Anchor = at(t, "2026-10-09 12:00")
		if got := show(s.Previous(at(t, test.before))); got != test.want {
			t.Errorf("%s before %s: %s, want %s", test.expression, test.before, got, test.want)
		}
	}
}

// TestRarest holds the search long enough: no schedule has a longer gap than a
// leap day that is also a given weekday, at the end of a century.
func TestRarest(t *testing.T) {
	for _, day := range dayOfWeekField.names {
		s := parse(t, "cron(0 0 ? FEB "+day+"#5 *)", "")
		w := s.Next(at(t, "2000-01-01 00:00"))
		for range 13 * 4 { // 13 to 15 times in 400 years
			next := s.Next(w.OpensAt)
			if next.OpensAt.IsZero() || next.OpensAt.Day() != 29 {
				t.Fatalf("%s after %s: %s", s, show(w), show(next))
			}
			if back := s.Previous(next.OpensAt); back != w {
				t.Fatalf("%s before %s: %s, want %s", s, show(next), show(back), show(w))
			}
			w = next
		}
	}
}

// TestAnchor follows Secrets Manager: a rate counts from the last rotation,
// whatever time of the day it had.
func TestAnchor(t *testing.T) {
	s := parse(t, "rate(10 days)", "2h")
	for anchor, want := range map[string]string{
		"2026-10-01 00:00": "2026-10-11 00:00-02:00",
		"2026-10-03 23:59": "2026-10-13 00:00-02:00", // rotated by hand: counted anew
		"2026-09-11 08:00": "2026-10-11 00:00-02:00", // two windows were missed and are not made up
	} {
		s.Anchor = at(t, anchor)
		if got := show(s.Next(at(t, "2026-10-04 12:00"))); got != want {
			t.Errorf("anchor %s: %s, want %s", anchor, got, want)
		}
	}
	s.Anchor = time.Time{}
	if got := show(s.Previous(at(t, "1970-01-02 00:00"))); got != "1970-01-01 00:00-02:00" {
		t.Errorf("without an anchor: %s", got)
	}
}

func TestDaylightSaving(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, expression := range []string{"rate(4 hours)", "rate(1 day)", "cron(0 2 * * ? *)", "cron(0 6/8 ? * SUN *)"} {
		s := parse(t, expression, "")
		s.Anchor = time.Date(2026, 3, 1, 1, 0, 0, 0, zone)
		for _, change := range []time.Time{time.Date(2026, 3, 8, 0, 0, 0, 0, zone), time.Date(2026, 11, 1, 0, 0, 0, 0, zone)} {
			for minutes := range 24 * 60 {
				local := change.Add(time.Duration(minutes) * time.Minute)
				if s.Next(local) != s.Next(local.UTC()) || s.Previous(local) != s.Previous(local.UTC()) {
					t.Fatalf("%s differs at %s", s, local)
				}
				inside, ok := s.At(local)
				if utc, okUTC := s.At(local.UTC()); inside != utc || ok != okUTC {
					t.Fatalf("%s is open at %s depending on the zone", s, local)
				}
			}
			windows := take(s, change, 50)
			if slices.Contains(windows, "") || len(windows) != 50 {
				t.Fatal(windows)
			}
		}
	}
}

func TestZeroSchedule(t *testing.T) {
	var s Schedule
	now := at(t, "2026-10-01 00:00")
	if _, ok := s.At(now); ok || s.Next(now) != (Window{}) || s.Previous(now) != (Window{}) || take(s, now, 1) != nil ||
		(Timetable{Schedule: s}).Next(now) != (Window{}) || s.Text() != "Never." || s.String() != "" || s.Scheduler() != "" {
		t.Error("the zero Schedule opens")
	}
}

func TestScheduler(t *testing.T) {
	for expression, want := range map[string]string{
		"cron(0 /8 * * ? *)":         "cron(0 0,8,16 * * ? *)",
		"cron(0 2 ? * sun *)":        "cron(0 2 ? * 1 *)",
		"cron(0 2 ? * * *)":          "cron(0 2 ? * * *)",
		"cron(0 2 ? * L *)":          "cron(0 2 ? * 7 *)",
		"cron(0 1 ? 1/3 SUN#1 *)":    "cron(0 1 ? 1,4,7,10 1#1 *)",
		"cron(0 1 ? JAN SUNL *)":     "cron(0 1 ? 1 1L *)",
		"cron(0 17 L * ? *)":         "cron(0 17 L * ? *)",
		"cron(0 17 1-5,20/10 * ? *)": "cron(0 17 1,2,3,4,5,20,30 * ? *)",
		"rate(4 hours)":              "cron(0 0,4,8,12,16,20 * * ? *)",
		"rate(24 hours)":             "cron(0 0 * * ? *)",
		"rate(1 day)":                "cron(0 0 * * ? *)",
		"rate(5 hours)":              "rate(5 hours)",
		"rate(48 hours)":             "rate(2 days)",
		"rate(10 day)":               "rate(10 days)",
	} {
		s := parse(t, expression, "")
		if got := s.Scheduler(); got != want {
			t.Errorf("%s became %s, want %s", expression, got, want)
		}
		if got := s.ByAnchor(); got != (want[:4] == "rate") {
			t.Errorf("ByAnchor of %s is %v", expression, got)
		}
	}
}
