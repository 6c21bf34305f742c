package cli

import (
	"encoding/json"
	"io"
	"os"
	"sync"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/sandbox"
	sandboxsns "github.com/tumbler-rotation/tumbler/sandbox/sns"
)

// sandboxReady is the first line with --json.
type sandboxReady struct {
	Event        string `json:"event"` // ready
	URL          string `json:"url"`   // for AWS_ENDPOINT_URL
	Console      string `json:"console"`
	Region       string `json:"region"`
	Secret       string `json:"secret"`
	StateMachine string `json:"stateMachine"`
	Database     string `json:"database"`
}

// sandboxAlert is every further line.
type sandboxAlert struct {
	Event   string    `json:"event"` // alert
	At      time.Time `json:"at"`
	Subject string    `json:"subject"`
	Body    string    `json:"body"`
}

// sandboxTeller writes what happens in a sandbox, as text or as one JSON object a line. It
// is safe for concurrent use.
type sandboxTeller struct {
	mu    sync.Mutex
	out   *terminal.Printer
	lines *json.Encoder // nil for people
}

func newSandboxTeller(w io.Writer, asJSON bool) *sandboxTeller {
	t := &sandboxTeller{out: terminal.New(w)}
	if asJSON {
		t.lines = json.NewEncoder(w)
	}
	return t
}

func (t *sandboxTeller) alert(m sandboxsns.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines != nil {
		_ = t.lines.Encode(sandboxAlert{"alert", time.Now().UTC(), m.Subject, m.Body}) // Checked records the error
		return
	}
	t.out.Heading("%s  alert on %s", time.Now().Format(time.TimeOnly), m.TopicARN)
	t.out.Quote(m.Subject + "\n\n" + m.Body)
}

// now says a line to people.
func (t *sandboxTeller) now(line string) {
	if t.lines != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out.Say("%s  %s", time.Now().Format(time.TimeOnly), line)
}

// ready describes the sandbox and how to use it.
func (t *sandboxTeller) ready(r sandboxReady, f sandboxFlags) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines != nil {
		return t.lines.Encode(r)
	}
	t.out.Say("Tumbler's sandbox is up: a local AWS at %s and %s.", r.URL, r.Database)
	t.out.Say("The credentials of its user are in secret %s.", r.Secret)
	if f.speed > 1 {
		t.out.Say("Time runs %g times faster than yours: an hour is %s.", f.speed, terminal.Duration(time.Duration(float64(time.Hour)/f.speed)))
	}
	if f.every > 0 {
		t.out.Say("It is rotated every %s.", f.every)
	}
	if f.schedule.Expression != "" {
		t.out.Say("It is rotated by the schedule %s.", f.schedule.Expression)
	}
	t.out.Heading("In a browser")
	t.out.Command("%s", r.Console)
	t.out.Heading("In another terminal")
	// Clients differ in which variable they read for the Region.
	t.out.Command("export AWS_ENDPOINT_URL=%s AWS_REGION=%s AWS_DEFAULT_REGION=%s", r.URL, sandbox.Region, sandbox.Region)
	t.out.Command("export AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox")
	t.out.Say("")
	t.out.Command("%s rotate %s --watch", os.Args[0], r.Secret)
	t.out.Command("aws secretsmanager get-secret-value --secret-id %s", r.Secret)
	t.out.Aside("An AWS CLI before 2.13, such as Debian 12's, ignores AWS_ENDPOINT_URL and would call AWS:")
	t.out.Command("aws --endpoint-url %s secretsmanager get-secret-value --secret-id %s", r.URL, r.Secret)
	t.out.Say("")
	t.out.Say("Alerts, and rotations that nobody at a keyboard began, appear below. Ctrl-C ends the sandbox.")
	return nil
}
