package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/window"
	"github.com/tumbler-rotation/tumbler/sandbox"
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
of it when a second is an hour.

Everything is in memory and gone with Ctrl-C.`,
		Example: `  tumbler sandbox
  tumbler sandbox --schedule "rate(4 hours)" --duration 4h --speed 1440
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
			cfg := sandbox.Config{
				Port:     port,
				Engines:  engines,
				Registry: true,
				Open:     secrets,
				OnAlert: func(m sandboxsns.Message) {
					writing.Lock()
					defer writing.Unlock()
					out.Heading("%s  alert on %s", time.Now().Format(time.TimeOnly), m.TopicARN)
					out.Quote(m.Subject + "\n\n" + m.Body)
				},
			}
			cfg.OnEvent = func(e sandboxevents.Event) {
				if line := startedByItself(e); line != "" {
					writing.Lock()
					defer writing.Unlock()
					out.Say("%s  %s", time.Now().Format(time.TimeOnly), line)
				}
			}
			cfg.OnUndelivered = func(what string) {
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

			writing.Lock()
			out.Say("Tumbler's sandbox is up: a local AWS at %s and %s.", running.URL, database)
			out.Say("The credentials of its user are in secret %s.", secret)
			if speed > 1 {
				out.Say("Time runs %g times faster than yours: an hour is %s.", speed, terminal.Duration(time.Duration(float64(time.Hour)/speed)))
			}
			if configured.Schedule != nil {
				out.Say("It is rotated by the schedule %s.", schedule.Expression)
			}
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

			select {
			case <-ctx.Done():
				return nil
			case <-database.Ended():
				return fmt.Errorf("the database ended: see its log at %s", database.LogPath())
			}
		},
	}
	cmd.Flags().IntVar(&port, "port", sandbox.DefaultPort, "port of the local AWS endpoint; 0 for a free one")
	cmd.Flags().StringVar(&databaseURL, "database-url", "", "use this PostgreSQL, as a user that may create roles, instead of starting one")
	cmd.Flags().StringVar(&authorities, "ca-file", "", "trust the private authorities in this PEM file for databases that are not AWS's")
	cmd.Flags().StringArrayVar(&secrets, "secret", nil, "name of a secret that you will store, to be rotated on demand as each request says; may be repeated")
	cmd.Flags().StringVar(&schedule.Expression, "schedule", "", "rotate the secret by this schedule as well, as 'tumbler schedule' explains it")
	cmd.Flags().StringVar(&schedule.Duration, "duration", "", "length of the schedule's windows in hours, such as 3h")
	cmd.Flags().Float64Var(&speed, "speed", 1, "let time run so many times faster")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "write the functions' logs to standard error")
	return cmd
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
