package window

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func freeze(t testing.TB, periods ...string) Freeze {
	t.Helper()
	f, err := ParseFreeze(periods...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFreezeContains(t *testing.T) {
	f := freeze(t, "2026-12-15..2027-01-05 year-end", "2026-11-27  Black Friday ", "2028-02-29")
	for text, want := range map[string]string{
		"2026-12-14 23:59": "",
		"2026-12-15 00:00": "year-end",
		"2027-01-05 23:59": "year-end",
		"2027-01-06 00:00": "",
		"2026-11-26 23:59": "",
		"2026-11-27 12:00": "Black Friday",
		"2026-11-28 00:00": "",
	} {
		frozen, ok := f.At(at(t, text))
		if ok != (want != "") || frozen.Name != want || f.Contains(at(t, text)) != ok {
			t.Errorf("%s: %v, %v, want %q", text, frozen, ok, want)
		}
	}
	local := time.FixedZone("", -5*3600)
	if !f.Contains(time.Date(2026, 12, 14, 19, 0, 0, 0, local)) {
		t.Error("19:00 at UTC-5 is midnight UTC")
	}
	want := "Frozen from 2026-12-15 to 2027-01-05 (year-end), on 2026-11-27 (Black Friday) and on 2028-02-29: no scheduled rotation starts then."
	if got := f.Text(); got != want {
		t.Errorf("Words() = %s", got)
	}
	if got := Freeze(nil).Text(); got != "Never frozen." {
		t.Errorf("Words() = %s", got)
	}
	if got := freeze(t, "2026-12-15 ..  2027-01-05 year-end"); got[0] != f[0] {
		t.Errorf("with spaces: %v", got)
	}
	for _, p := range f {
		if again := freeze(t, p.String()); again[0] != p {
			t.Errorf("%v became %v", p, again)
		}
	}
}

func TestFreezeRefused(t *testing.T) {
	for text, rule := range map[string]string{
		"":                         `"" is not a date`,
		"christmas":                `"christmas" is not a date`,
		"2026-02-30":               `"2026-02-30" is not a date`,
		"2027-02-29":               `"2027-02-29" is not a date`,
		"2026-1-5":                 `"2026-1-5" is not a date`,
		"15.12.2026":               `"15.12.2026" is not a date`,
		"2026-12-15T00:00:00Z":     "is not a date",
		"2026-12-15-2027-01-05":    "is not a date",
		"2026-12-15..":             `"" is not a date`,
		"..2027-01-05":             `"" is not a date`,
		"2026-12-15 to 2027-01-05": "a date in the name",
		"2026-12-15 2027-01-05":    "a date in the name",
		"2026-12-15, 2027-01-05":   "a date in the name",
		"2027-01-05..2026-12-15":   "ends before it begins",
	} {
		_, err := ParseFreeze("2026-01-01", text)
		got, ok := errors.AsType[*Error](err)
		if !ok || got.Field != "freeze" || got.Value != text || !strings.Contains(got.Rule, rule) || got.Remedy == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTimetable(t *testing.T) {
	year := "2026-12-15..2027-01-05 year-end"
	for _, test := range []struct {
		expression string
		freeze     []string
		after      string
		want       string
	}{
		{"cron(0 2 ? * SUN *)", nil, "2026-12-13 02:00", "2026-12-20 02:00-24:00"},
		{"cron(0 2 ? * SUN *)", []string{year}, "2026-12-01 00:00", "2026-12-06 02:00-24:00"},
		{"cron(0 2 ? * SUN *)", []string{year}, "2026-12-13 02:00", "2027-01-10 02:00-24:00"},
		{"cron(0 0 * * ? *)", []string{year}, "2026-12-14 12:00", "2027-01-06 00:00-24:00"}, // opens as the freeze ends
		{"rate(4 hours)", []string{year, "2027-01-06..2027-01-09"}, "2026-12-14 20:00", "2027-01-10 00:00-01:00"},
		{"rate(10 days)", []string{year}, "2026-12-14 12:00", "2027-01-08 00:00-24:00"}, // counted on through the freeze
		{"cron(0 0 1 1 ? *)", []string{"2026-12-15..2036-01-05"}, "2026-12-14 12:00", "2037-01-01 00:00-24:00"},
		{"rate(4 hours)", []string{"0001-01-01..9999-12-31"}, "2026-12-14 12:00", "10000-01-01 00:00-01:00"},
	} {
		s := parse(t, test.expression, "")
		s.Anchor = at(t, "2026-12-09 00:00")
		if got := show(Timetable{s, freeze(t, test.freeze...)}.Next(at(t, test.after))); got != test.want {
			t.Errorf("%s, frozen %v, after %s: %s, want %s", test.expression, test.freeze, test.after, got, test.want)
		}
	}
	var zero Schedule
	if w := (Timetable{zero, freeze(t, "0001-01-01..9999-12-31")}).Next(at(t, "2026-12-14 12:00")); w != (Window{}) {
		t.Errorf("the zero Schedule opens at %v", w)
	}
}
