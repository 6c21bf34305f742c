package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/secretsmgr"
	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/internal/window"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/console"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
	sandboxevents "github.com/tumbler-rotation/tumbler/sandbox/eventbridge"
	"github.com/tumbler-rotation/tumbler/sandbox/sample"
	sandboxsns "github.com/tumbler-rotation/tumbler/sandbox/sns"
)

// fastest leaves the clock room for a day of real time.
const fastest = 100_000

func newSandbox() *cobra.Command {
	var (
		port        int
		authorities string
		databaseURL string
		verbose     bool
		speed       float64
		schedule    rotation.Schedule
		secrets     []string
		every       time.Duration
		asJSON      bool
	)
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a local AWS with Tumbler and a real database",
		Long: `Runs a local AWS on 127.0.0.1 with Tumbler deployed in it, and a real PostgreSQL
server with one user whose credentials are a secret. The AWS CLI (2.13 and newer),
boto3 (1.28 and newer) and the SDKs of that time work against it with the variables
that it prints. Older ones ignore AWS_ENDPOINT_URL and would call AWS: give them the
endpoint with --endpoint-url, or endpoint_url in boto3.

With --schedule the secret is rotated by itself, too, and with --speed it is not
long until then: time runs so many times faster for schedules and waits. What a
rotation does takes the time it takes, so that a window may be over in the middle
of it when a second is an hour. With --rotate-every it is rotated again and again.

On the console page, whose address it prints, the states of the last rotation light up,
labels move between versions, and an application's logins are accepted or refused; with
buttons to rotate and to let something go wrong.

With --json the first line says that it is ready, and where: for scripts and continuous
integration. Alerts follow, an object a line.

Everything is in memory and gone with Ctrl-C.`,
		Example: `  tumbler sandbox
  tumbler sandbox --schedule "rate(4 hours)" --duration 4h --speed 1440
  tumbler sandbox --rotate-every 10s
  tumbler sandbox --port 0 --json
  tumbler sandbox --port 4600 --database-url postgres://postgres:PASSWORD@localhost:5432/postgres`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			configured := rotation.Request{SecretID: sample.SecretID}
			if port < 0 || port > 65535 {
				return usageError{fmt.Errorf("--port %d: a port is 1 to 65535, or 0 for a free one", port)}
			}
			if schedule.Expression == "" && schedule.Duration != "" {
				return usageError{errors.New("--duration means nothing without --schedule")}
			}
			if schedule.Expression != "" {
				if _, err := window.Parse(schedule.Expression, schedule.Duration); err != nil {
					return usageError{err}
				}
				configured.Schedule = &schedule
			}
			if speed < 1 || speed > fastest {
				return usageError{fmt.Errorf("--speed %g: time can run 1 to %d times as fast", speed, fastest)}
			}
			if every != 0 && every < time.Second {
				return usageError{fmt.Errorf("--rotate-every %s: a second at least", every)}
			}
			engines := all.Engines
			if authorities != "" {
				var err error
				if engines, err = all.Trusting(authorities); err != nil {
					return usageError{fmt.Errorf("--ca-file: %w", err)}
				}
			}
			ctx := cmd.Context()
			out := terminal.New(cmd.OutOrStdout())
			var writing sync.Mutex // alerts arrive at any time
			page := &console.Console{}
			lines := json.NewEncoder(cmd.OutOrStdout())
			cfg := sandbox.Config{
				Port:     port,
				Engines:  engines,
				Registry: true,
				Open:     secrets,
				Pages:    page.Pages(),
				OnAlert: func(m sandboxsns.Message) {
					page.Alert(m)
					writing.Lock()
					defer writing.Unlock()
					if asJSON {
						_ = lines.Encode(sandboxAlert{"alert", time.Now().UTC(), m.Subject, m.Body}) // Checked keeps the error
						return
					}
					out.Heading("%s  alert on %s", time.Now().Format(time.TimeOnly), m.TopicARN)
					out.Quote(m.Subject + "\n\n" + m.Body)
				},
			}
			cfg.OnEvent = func(e sandboxevents.Event) {
				if line := startedByItself(e); line != "" && !asJSON {
					writing.Lock()
					defer writing.Unlock()
					out.Say("%s  %s", time.Now().Format(time.TimeOnly), line)
				}
			}
			cfg.OnUndelivered = func(what string) {
				if asJSON {
					return
				}
				writing.Lock()
				defer writing.Unlock()
				out.Say("%s  %s", time.Now().Format(time.TimeOnly), what)
			}
			if speed > 1 {
				cfg.Clock = sandbox.NewFastClock(speed)
				cfg.Now = cfg.Clock.Now
			}
			if verbose {
				cfg.Log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
			}
			running, err := sandbox.Start(ctx, cfg)
			if err != nil {
				return err
			}
			defer running.Close()
			database, err := sample.Open(ctx, databaseURL, dbserver.Postgres{})
			if err != nil {
				return err
			}
			defer database.Close()
			secret, err := database.CreateSecret(ctx, running.AWS("sandbox"))
			if err != nil {
				return err
			}
			requests := []rotation.Request{configured}
			for _, id := range secrets {
				requests = append(requests, rotation.Request{SecretID: id})
			}
			for _, request := range requests {
				if err := running.Configure(ctx, request); err != nil {
					return err
				}
			}

			var behind sync.WaitGroup
			watched, done := context.WithCancel(ctx)
			defer behind.Wait()
			defer done()
			behind.Go(func() {
				page.Run(watched, console.Config{
					AWS: running.AWS("console"), StateMachineARN: running.StateMachineARN, SecretID: secret, Intercept: running.Intercept,
					Login: func(ctx context.Context) error { return logInAs(ctx, running.AWS("console"), engines, secret) },
				})
			})
			if every > 0 {
				behind.Go(func() { rotateEvery(watched, running, secret, every) })
			}
			if asJSON {
				writing.Lock()
				err := lines.Encode(sandboxReady{
					"ready", running.URL, running.URL + console.Path, sandbox.Region, secret, running.StateMachineARN, database.String(),
				})
				writing.Unlock()
				if err != nil {
					return err
				}
				return untilEnd(ctx, database)
			}

			writing.Lock()
			out.Say("Tumbler's sandbox is up: a local AWS at %s and %s.", running.URL, database)
			out.Say("The credentials of its user are in secret %s.", secret)
			if speed > 1 {
				out.Say("Time runs %g times faster than yours: an hour is %s.", speed, terminal.Duration(time.Duration(float64(time.Hour)/speed)))
			}
			if every > 0 {
				out.Say("It is rotated every %s.", every)
			}
			if configured.Schedule != nil {
				out.Say("It is rotated by the schedule %s.", schedule.Expression)
			}
			out.Heading("In a browser")
			out.Command("%s%s", running.URL, console.Path)
			out.Heading("In another terminal")
			// Some clients read one name of the Region, some the other.
			out.Command("export AWS_ENDPOINT_URL=%s AWS_REGION=%s AWS_DEFAULT_REGION=%s", running.URL, sandbox.Region, sandbox.Region)
			out.Command("export AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox")
			out.Say("")
			out.Command("%s rotate %s --watch", os.Args[0], secret)
			out.Command("aws secretsmanager get-secret-value --secret-id %s", secret)
			out.Aside("An AWS CLI before 2.13, such as Debian 12's, ignores AWS_ENDPOINT_URL and would call AWS:")
			out.Command("aws --endpoint-url %s secretsmanager get-secret-value --secret-id %s", running.URL, secret)
			out.Say("")
			out.Say("Alerts, and rotations that nobody at a keyboard began, appear below. Ctrl-C ends the sandbox.")
			writing.Unlock()

			return untilEnd(ctx, database)
		},
	}
	cmd.Flags().IntVar(&port, "port", sandbox.DefaultPort, "port of the local AWS endpoint; 0 for a free one")
	cmd.Flags().StringVar(&databaseURL, "database-url", "", "use this PostgreSQL, as a user that may create roles, instead of starting one")
	cmd.Flags().StringVar(&authorities, "ca-file", "", "trust the private authorities in this PEM file for databases that are not AWS's")
	cmd.Flags().StringArrayVar(&secrets, "secret", nil, "name of a secret that you will store, to be rotated on demand as each request says; may be repeated")
	cmd.Flags().StringVar(&schedule.Expression, "schedule", "", "rotate the secret by this schedule as well, as 'tumbler schedule' explains it")
	cmd.Flags().StringVar(&schedule.Duration, "duration", "", "length of the schedule's windows in hours, such as 3h")
	cmd.Flags().Float64Var(&speed, "speed", 1, "let time run so many times faster")
	cmd.Flags().DurationVar(&every, "rotate-every", 0, "rotate the secret again and again, so often (default only when asked)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON, an object a line, when it is ready and of each alert")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "write the functions' logs to standard error")
	return cmd
}

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

func untilEnd(ctx context.Context, database *sample.Database) error {
	select {
	case <-ctx.Done():
		return nil
	case <-database.Ended():
		return fmt.Errorf("the database ended: see its log at %s", database.LogPath())
	}
}

// rotateEvery starts rotations until ctx ends. What becomes of one is its own affair.
func rotateEvery(ctx context.Context, box *sandbox.Sandbox, secret string, every time.Duration) {
	api := sfn.NewFromConfig(box.AWS("sandbox"))
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
		_, _ = start(ctx, api, box.StateMachineARN, rotation.Request{
			SecretID: secret, OutsideWindow: rotation.OutsideRotate, Trigger: rotation.Trigger{Source: rotation.SourceManual, Reason: "--rotate-every " + every.String()},
		})
	}
}

// logInAs logs in once with AWSCURRENT, as an application would that caches nothing.
func logInAs(ctx context.Context, cfg aws.Config, engines engine.Table, secret string) error {
	value, _, err := secretsmgr.New(secretsmanager.NewFromConfig(cfg)).Value(ctx, secret, rotation.Version{Label: rotation.Current})
	if err != nil {
		return err
	}
	doc, err := secretdoc.Parse(value)
	if err != nil {
		return err
	}
	database, err := engines.For(doc)
	if err != nil {
		return err
	}
	session, err := database.Connect(ctx, doc)
	if err != nil {
		return err
	}
	session.Close()
	return nil
}

// startedByItself says how a rotation ended that a schedule or an event started,
// and "" for all other events.
func startedByItself(e sandboxevents.Event) string {
	var ending rotation.Event
	if e.Source != "tumbler" || json.Unmarshal(e.Detail, &ending) != nil {
		return ""
	}
	switch ending.Trigger.Source {
	case rotation.SourceSchedule:
		at := ""
		if ending.Trigger.ScheduledAt != nil {
			at = " for " + ending.Trigger.ScheduledAt.UTC().Format("2006-01-02 15:04 UTC")
		}
		return fmt.Sprintf("%s: %s, scheduled%s", ending.Outcome, ending.SecretARN, at)
	case rotation.SourceEvent:
		return fmt.Sprintf("%s: %s, asked for by an event", ending.Outcome, ending.SecretARN)
	}
	return ""
}
