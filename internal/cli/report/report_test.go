package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

var keep = flag.String("keep", "", "write the page to this file, to look at it")

const machine = "arn:aws:states:eu-central-1:111122223333:stateMachine:payments-rotation"

var to = time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)

func daysAgo(days int, hour int) time.Time {
	return time.Date(2026, 3, 31-days, hour, 10, 0, 0, time.UTC)
}

func outcome(secret, what, err string, at time.Time, gap int64) executions.Outcome {
	o := executions.Outcome{
		Execution: "arn:aws:states:eu-central-1:111122223333:execution:payments-rotation:" + at.Format("20060102T150405"), SecretID: secret, What: what, Error: err,
		StartedAt: at, EndedAt: at.Add(3 * time.Second), Trigger: rotation.Trigger{Source: "schedule"},
	}
	if err != "" {
		o.Cause = "connecting to db.internal:5432: the host refuses connections on this port"
	}
	if gap > 0 {
		o.Event = &rotation.Event{CredentialGapMs: &gap, Applications: "unaffected"}
	}
	return o
}

func example() Report {
	entry := func(secret, schedule string) registry.Entry {
		input := fmt.Sprintf(`{"secretId":%q%s}`, secret, schedule)
		return registry.Entry{SecretID: secret, Enabled: true, Input: json.RawMessage(input), ChangedAt: daysAgo(28, 0)}
	}
	weekly := `,"schedule":{"expression":"cron(0 2 ? * SUN *)","duration":"3h"}`
	outcomes := []executions.Outcome{ // the latest first
		{Execution: "arn:running", SecretID: "prod/shop", What: "RUNNING", Running: true, StartedAt: daysAgo(0, 11)},
		outcome("prod/gone", "NeedsAttention", "LoginRefused", daysAgo(1, 9), 0),
		outcome("prod/shop", "Rotated", "", daysAgo(2, 2), 12),
		outcome("prod/shop", "WindowClosed", "WindowClosed", daysAgo(3, 9), 0),
		outcome("prod/ledger", "Rotated", "", daysAgo(8, 15), 4100),
		outcome("prod/shop", "Rotated", "", daysAgo(9, 2), 9),
		outcome("prod/ledger", "RestoredCleanly", "DatabaseUnreachable", daysAgo(9, 2), 0),
		outcome("prod/shop", "Refused", "AccessDenied", daysAgo(15, 9), 0),
		outcome("prod/shop", "Rotated", "", daysAgo(16, 2), 8),
		outcome("prod/ledger", "Rotated", "", daysAgo(16, 2), 25),
	}
	outcomes[4].Trigger = rotation.Trigger{Source: "manual", Reason: `INC-4711 <script>alert(1)</script>`}
	return Make(machine, []registry.Entry{
		entry("prod/shop", weekly), entry("prod/ledger", weekly), entry("prod/demand", ""), entry("prod/other", `,"schedule":{"expression":"rate(10 days)","freeze":["2026-01-01..2026-12-31"]}`),
	}, outcomes, to.AddDate(0, 0, -30), to)
}

func TestMake(t *testing.T) {
	r := example()
	if r.Deployment != "payments" || r.Account != "111122223333" || r.Region != "eu-central-1" {
		t.Errorf("%+v", r)
	}
	want := Totals{Rotated: 5, Failed: 3, NeedsAttention: 1, Open: 1, WindowsKept: 4, WindowsMissed: 4, Gap: Gaps{Measured: 5, Median: 12, P95: 4100, Longest: 4100}}
	got := r.Totals
	got.Gap.all = nil
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	by := map[string]Secret{}
	for _, s := range r.Secrets {
		by[s.Name] = s
	}
	// Sundays since the schedule was changed on the 3rd: the 8th, 15th, 22nd and 29th.
	if shop := by["prod/shop"]; len(shop.Kept) != 3 || len(shop.Missed) != 1 || shop.Missed[0].OpensAt.Day() != 8 {
		t.Errorf("shop: kept %v, missed %v", shop.Kept, shop.Missed)
	}
	if other := by["prod/other"]; len(other.Kept)+len(other.Missed) != 0 {
		t.Errorf("frozen windows count: %v", other.Missed)
	}
	if gone := by["prod/gone"]; gone.Configured || gone.Rotations[0].Ended() != "no rotation has succeeded since" {
		t.Errorf("%+v", gone)
	}
	ledger := by["prod/ledger"].Rotations
	if got := ledger[1].Ended(); got != "settled by the rotation of 2026-03-23 15:10" {
		t.Errorf("%q: %+v", got, ledger)
	}
	if failures := r.Failures(); len(failures) != 3 || failures[0].Secret != "prod/gone" || failures[2].Error != "AccessDenied" {
		t.Errorf("%+v", failures)
	}
}

func TestGaps(t *testing.T) {
	for n, want := range map[int]Gaps{0: {}, 1: {Measured: 1, Median: 1, P95: 1, Longest: 1}, 100: {Measured: 100, Median: 50, P95: 95, Longest: 100}} {
		var outcomes []executions.Outcome
		for ms := range n {
			outcomes = append(outcomes, outcome("s", "Rotated", "", daysAgo(1, 2), int64(ms+1)))
		}
		got := Make(machine, nil, outcomes, to.AddDate(0, 0, -30), to).Totals.Gap
		counted := 0
		for _, b := range got.Bars() {
			counted += b.Count
		}
		got.all = nil
		if fmt.Sprint(got) != fmt.Sprint(want) || counted != n {
			t.Errorf("%d: got %+v, and %d in bars", n, got, counted)
		}
	}
}

var (
	tag      = regexp.MustCompile(`<(/?)([a-z0-9]+)([^>]*?)(/?)>`)
	requests = regexp.MustCompile(`(?i)<script|\bsrc=|\bhref=|url\(|@import|https?://`)
)

// The page is one file that asks for nothing; what people wrote stays text; every tag
// is closed; nothing is left out.
func TestHTML(t *testing.T) {
	for name, r := range map[string]Report{"example": example(), "nothing": Make(machine, nil, nil, to.AddDate(0, 0, -1), to)} {
		var out bytes.Buffer
		if err := r.HTML(&out); err != nil {
			t.Fatal(err)
		}
		page := out.String()
		if *keep != "" && name == "example" {
			if err := os.WriteFile(*keep, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if found := requests.FindString(page); found != "" {
			t.Errorf("%s: the page has %s", name, found)
		}
		var open []string
		for _, m := range tag.FindAllStringSubmatch(page, -1) {
			switch {
			case m[4] == "/" || m[2] == "meta":
			case m[1] == "":
				open = append(open, m[2])
			case len(open) == 0 || open[len(open)-1] != m[2]:
				t.Fatalf("%s: </%s> closes %v", name, m[2], open)
			default:
				open = open[:len(open)-1]
			}
		}
		if len(open) > 0 || strings.Contains(page, "ZgotmplZ") || strings.Contains(page, "%!") {
			t.Errorf("%s: open at the end: %v", name, open)
		}
		for _, s := range r.Secrets {
			if strings.Count(page, s.Name) < 2 {
				t.Errorf("%s: %s is missing", name, s.Name)
			}
			for _, one := range s.Rotations {
				if !strings.Contains(page, one.Execution) || !strings.Contains(page, "<title>"+one.StartedAt.Format("2006-01-02 15:04")+" "+one.Outcome) {
					t.Errorf("%s: %s is missing", name, one.Execution)
				}
			}
		}
		if name == "example" && !strings.Contains(page, "INC-4711 &lt;script&gt;") {
			t.Error("the reason is missing, or not escaped")
		}
	}
}

// Whatever the time, a mark is on the line.
func TestAt(t *testing.T) {
	r := Report{From: to.AddDate(0, 0, -10), To: to}
	for at, want := range map[time.Time]string{r.From: "0.00%", to: "100.00%", to.AddDate(0, 0, -5): "50.00%", to.AddDate(1, 0, 0): "100.00%", to.AddDate(-1, 0, 0): "0.00%"} {
		if got := r.At(at); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}
