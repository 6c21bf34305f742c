package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/secretsmgr"
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/window"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/console"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
	sandboxevents "github.com/tumbler-rotation/tumbler/sandbox/eventbridge"
	"github.com/tumbler-rotation/tumbler/sandbox/sample"
	sandboxsns "github.com/tumbler-rotation/tumbler/sandbox/sns"
)

// fastest is the maximum speed, at which the clock does not overflow within a day of real
// time.
const fastest = 100_000

// sandboxFlags are the flags of `tumbler sandbox`.
type sandboxFlags struct {
	port        int
	authorities string
	databaseURL string
	verbose     bool
	speed       float64
	schedule    rotation.Schedule
	secrets     []string
	every       time.Duration
	json        bool
}

func newSandbox() *cobra.Command {
	var f sandboxFlags
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
			if err := f.check(); err != nil {
				return usageError{err}
			}
			return f.run(cmd)
		},
	}
	cmd.Flags().IntVar(&f.port, "port", sandbox.DefaultPort, "port of the local AWS endpoint; 0 for a free one")
	cmd.Flags().StringVar(&f.databaseURL, "database-url", "", "use this PostgreSQL, as a user that may create roles, instead of starting one")
	cmd.Flags().StringVar(&f.authorities, "ca-file", "", "trust the private authorities in this PEM file for databases that are not AWS's")
	cmd.Flags().StringArrayVar(&f.secrets, "secret", nil, "name of a secret that you will store, to be rotated on demand as each request says; may be repeated")
	cmd.Flags().StringVar(&f.schedule.Expression, "schedule", "", "rotate the secret by this schedule as well, as 'tumbler schedule' explains it")
	cmd.Flags().StringVar(&f.schedule.Duration, "duration", "", "length of the schedule's windows in hours, such as 3h")
	cmd.Flags().Float64Var(&f.speed, "speed", 1, "let time run so many times faster")
	cmd.Flags().DurationVar(&f.every, "rotate-every", 0, "rotate the secret again and again, so often (default only when asked)")
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON, an object a line, when it is ready and of each alert")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "write the functions' logs to standard error")
	return cmd
}

func (f sandboxFlags) check() error {
	if f.port < 0 || f.port > 65535 {
		return fmt.Errorf("--port %d: a port is 1 to 65535, or 0 for a free one", f.port)
	}
	if f.schedule.Expression == "" && f.schedule.Duration != "" {
		return errors.New("--duration means nothing without --schedule")
	}
	if f.schedule.Expression != "" {
		if _, err := window.Parse(f.schedule.Expression, f.schedule.Duration); err != nil {
			return err
		}
	}
	if f.speed < 1 || f.speed > fastest {
		return fmt.Errorf("--speed %g: time can run 1 to %d times as fast", f.speed, fastest)
	}
	if f.every != 0 && f.every < time.Second {
		return fmt.Errorf("--rotate-every %s: a second at least", f.every)
	}
	return nil
}

func (f sandboxFlags) run(cmd *cobra.Command) error {
	engines := all.Engines
	if f.authorities != "" {
		var err error
		if engines, err = all.Trusting(f.authorities); err != nil {
			return usageError{fmt.Errorf("--ca-file: %w", err)}
		}
	}
	ctx := cmd.Context()
	page := &console.Console{}
	tell := newSandboxTeller(cmd.OutOrStdout(), f.json)
	running, err := sandbox.Start(ctx, f.config(engines, page, tell, cmd.ErrOrStderr()))
	if err != nil {
		return err
	}
	defer running.Close()
	database, err := sample.Open(ctx, f.databaseURL, dbserver.Postgres{})
	if err != nil {
		return err
	}
	defer database.Close()
	secret, err := database.CreateSecret(ctx, running.AWS("sandbox"))
	if err != nil {
		return err
	}
	for _, request := range f.requests() {
		if err := running.Configure(ctx, request); err != nil {
			return err
		}
	}

	secrets := secretsmgr.New(secretsmanager.NewFromConfig(running.AWS("console")))
	var behind sync.WaitGroup
	watched, done := context.WithCancel(ctx)
	defer behind.Wait()
	defer done()
	behind.Go(func() {
		page.Run(watched, console.Config{
			AWS: running.AWS("console"), StateMachineARN: running.StateMachineARN, SecretID: secret, Intercept: running.Intercept,
			Login: func(ctx context.Context) error {
				session, err := sample.Connect(ctx, secrets, engines, secret)
				if err == nil {
					session.Close()
				}
				return err
			},
		})
	})
	if f.every > 0 {
		behind.Go(func() { rotateEvery(watched, running, secret, f.every) })
	}
	err = tell.ready(sandboxReady{
		"ready", running.URL, running.URL + console.Path, sandbox.Region, secret, running.StateMachineARN, database.String(),
	}, f)
	if err != nil {
		return err
	}
	return untilEnd(ctx, database)
}

// requests are the configured rotations.
func (f sandboxFlags) requests() []rotation.Request {
	first := rotation.Request{SecretID: sample.SecretID}
	if f.schedule.Expression != "" {
		first.Schedule = &f.schedule
	}
	requests := []rotation.Request{first}
	for _, id := range f.secrets {
		requests = append(requests, rotation.Request{SecretID: id})
	}
	return requests
}

func (f sandboxFlags) config(engines engine.Table, page *console.Console, tell *sandboxTeller, log io.Writer) sandbox.Config {
	cfg := sandbox.Config{
		Port:     f.port,
		Engines:  engines,
		Registry: true,
		Open:     f.secrets,
		Pages:    page.Pages(),
		OnAlert: func(m sandboxsns.Message) {
			page.Alert(m)
			tell.alert(m)
		},
		OnEvent: func(e sandboxevents.Event) {
			if line := startedByItself(e); line != "" {
				tell.now(line)
			}
		},
		OnUndelivered: tell.now,
	}
	if f.speed > 1 {
		cfg.Clock = sandbox.NewFastClock(f.speed)
		cfg.Now = cfg.Clock.Now
	}
	if f.verbose {
		cfg.Log = slog.New(slog.NewJSONHandler(log, nil))
	}
	return cfg
}

func untilEnd(ctx context.Context, database *sample.Database) error {
	select {
	case <-ctx.Done():
		return nil
	case <-database.Ended():
		return fmt.Errorf("the database ended: see its log at %s", database.LogPath())
	}
}

// rotateEvery starts rotations until ctx ends, and ignores their outcomes.
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

// startedByItself describes how a rotation ended that a schedule or an event started; ""
// for all other events.
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
