package terminal

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const longCause = "UpdateSecretVersionStage: not allowed (secret arn:aws:secretsmanager:us-east-1:123456789012:secret:shop/database-SBo2OV). Allow it in the function's role"

// story shows one of everything.
func story(p *Printer) {
	p.Heading("1. A heading of some length, which is wrapped when the terminal is too narrow for it")
	p.Say("Something is said about %d things, and at some length, so that it has to be wrapped.", 3)
	p.Aside("And something of less weight.")
	p.Command("export AWS_ENDPOINT_URL=http://127.0.0.1:4599 AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1")
	step := func(kind follow.Kind, name, state, err string) {
		s := follow.Step{State: state, Type: name, Kind: kind, Error: err, Took: 12 * time.Millisecond, At: noon}
		if kind == follow.Retried {
			s.Attempt, s.Of = 3, 7
		}
		if err != "" {
			s.Cause = longCause
		}
		p.Step(s)
	}
	step(follow.Entered, "Pass", "Receive", "")
	step(follow.Left, "Pass", "Receive", "")
	step(follow.Entered, "Task", "Plan", "")
	step(follow.Left, "Task", "Plan", "")
	step(follow.Entered, "Task", "SetSecret", "")
	step(follow.Retried, "Task", "SetSecret", "DatabaseUnreachable")
	step(follow.Failed, "Task", "SetSecret", "AccessDenied")
	step(follow.Entered, "Choice", "Ending", "")
	step(follow.Entered, "Fail", "RestoredCleanly", "")
	step(follow.Entered, "Fail", "NeedsAttention", "")
	step(follow.Entered, "Succeed", "Rotated", "")
	step(follow.Left, "Succeed", "Rotated", "")
	p.Ending(follow.Ending{State: "Rotated", Took: 1234 * time.Millisecond})
	p.Check(true, "the execution ended in Rotated")
	p.Check(false, "the application logged in %d times meanwhile (refused for 25ms, until the restore)", 45)
	p.Quote("A subject\n\nError:          AccessDenied\nCause:          " + longCause + "\nA sentence that is as long as to be wrapped: it has no label in front of it.\n")
	p.Fact("credential gap", "%s (the database refused what AWSCURRENT said, and that is a long value)", "6 ms")
	step(follow.Entered, "Task", "Restore", "")
	step(follow.Entered, "Task", "Restore", "")
	p.Close()
	p.Close()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: look at it, then run go test ./internal/cli/terminal -update\n%s", path, diff)
	}
}

// Where there is no terminal every line is whole and plain.
func TestPlain(t *testing.T) {
	for name, env := range map[string][2]string{"nothing set": {"TERM", "xterm-256color"}, "colour wanted elsewhere": {"COLORTERM", "truecolor"}} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(env[0], env[1])
			var out bytes.Buffer
			story(New(&out))
			if strings.ContainsAny(out.String(), "\x1b\r") {
				t.Errorf("escape sequences:\n%q", out.String())
			}
			if !strings.Contains(out.String(), longCause+"\n") {
				t.Error("a cause was broken or shortened")
			}
			golden(t, "plain.txt", out.String())
		})
	}
}

// screen replays what rewrites lines, as a terminal would show it, and checks
// that nothing is wider than the terminal but words that people copy.
func screen(t *testing.T, out string, columns int) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(out) {
		if i := strings.LastIndex(line, "\r\x1b[K"); i >= 0 {
			line = line[i+len("\r\x1b[K"):]
		}
		line = ansi.Strip(line)
		words := strings.Fields(line)
		if ansi.StringWidth(strings.TrimRight(line, "\n")) > columns && !strings.Contains(line, "export") {
			if last := words[len(words)-1]; !strings.Contains(last, "arn:aws") || !strings.HasSuffix(strings.TrimSpace(line), last) {
				t.Errorf("too wide: %q", line)
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "")
}

func TestOnATerminal(t *testing.T) {
	for _, columns := range []int{80, 100} {
		var out bytes.Buffer
		story(&Printer{w: &out, live: true, now: func() time.Time { return noon.Add(9 * time.Second) }, columns: func() int { return columns }})
		golden(t, map[int]string{80: "columns80.txt", 100: "columns100.txt"}[columns], screen(t, out.String(), columns))
	}
}

// The line of the state that runs says for how long, which attempt failed and when the
// next one comes, and never wraps; one that waits for its window says until when.
func TestRunning(t *testing.T) {
	var out bytes.Buffer
	now := noon
	p := &Printer{w: &out, live: true, now: func() time.Time { return now }, columns: func() int { return 60 }}
	at := func(later time.Duration, s follow.Step, want string) {
		t.Helper()
		out.Reset()
		now = noon.Add(later)
		if s.State != "" {
			p.Step(s)
		} else {
			p.Second()
		}
		got := ansi.Strip(out.String()[strings.LastIndex(out.String(), "\r")+1:])
		if got != want || p.columns != nil && ansi.StringWidth(got) > 60 {
			t.Errorf("after %s: %q", later, got)
		}
	}
	task := func(kind follow.Kind) follow.Step {
		return follow.Step{State: "SetSecret", Type: "Task", Kind: kind, At: noon, Error: "Throttled", Attempt: 3, Of: 7, Within: 4 * time.Second}
	}
	at(0, task(follow.Entered), "  ○ SetSecret")
	at(5*time.Second, follow.Step{}, "  ○ SetSecret            5s ")
	at(6*time.Second, task(follow.Paused), "  ○ SetSecret            6s attempt 3 of 7: Throttled, next")
	at(7*time.Second, follow.Step{}, "  ○ SetSecret            7s attempt 3 of 7: Throttled, next")
	at(8*time.Second, task(follow.Left), "  ● SetSecret          <1ms\n")
	at(9*time.Second, follow.Step{}, "")
	p.columns = nil
	at(6*time.Second, task(follow.Entered), "  ○ SetSecret")
	at(6*time.Second, task(follow.Paused), "  ○ SetSecret            6s attempt 3 of 7: Throttled, next within 4s")
	plan := follow.Step{State: "Plan", Type: "Task", Kind: follow.Left, At: noon, Window: &follow.Window{}}
	plan.Window.OpensAt, plan.Window.ClosesAt = noon.Add(time.Hour), noon.Add(3*time.Hour)
	p.open = false
	at(0, plan, "  ● Plan               <1ms the rotation window closes 2026-03-01 15:00 UTC, in 3h0m0s\n")
	plan.Window.Waits = true
	at(0, plan, "  ● Plan               <1ms the rotation window opens 2026-03-01 13:00 UTC, in 1h0m0s\n")
}

// On a terminal as narrow as that nothing is gained by indenting.
func TestNarrow(t *testing.T) {
	for _, columns := range []int{0, 1, 30} {
		var out, plain bytes.Buffer
		story(&Printer{w: &out, columns: func() int { return columns }})
		story(&Printer{w: &plain})
		if out.String() != plain.String() {
			t.Errorf("%d columns: got\n%s", columns, out.String())
		}
	}
}

// NO_COLOR leaves the marks, which differ without colour, too.
func TestNoColour(t *testing.T) {
	var out bytes.Buffer
	w := &colorprofile.Writer{Forward: &out, Profile: colorprofile.Ascii}
	p := &Printer{w: w, live: true}
	p.Check(true, "held")
	p.Check(false, "did not hold")
	if strings.Contains(out.String(), "\x1b[3") || strings.Count(out.String(), "✓") != 1 || strings.Count(out.String(), "✗") != 1 {
		t.Errorf("got %q", out.String())
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "<1ms", 999 * time.Microsecond: "<1ms", 1500 * time.Microsecond: "2ms",
		1234 * time.Millisecond: "1.23s", 61*time.Second + 400*time.Millisecond: "1m1s", 49 * time.Hour: "49h0m0s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}
