package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// rotateFlags are the flags of `tumbler rotate`.
type rotateFlags struct {
	to      target
	watch   bool
	detach  bool
	asJSON  bool
	wait    bool
	outside bool
	fleet   fleetFlags
	request rotation.Request
}

func newRotate() *cobra.Command {
	f := rotateFlags{request: rotation.Request{Trigger: rotation.Trigger{Source: rotation.SourceManual}}}
	cmd := &cobra.Command{
		Use: "rotate SECRET",
		// A rotation repairs an outage (docs/decisions/0024-rotating-is-restoring.md).
		SuggestFor: []string{"restore", "recover", "repair"},
		Short:      "Rotate a secret, or many, now and wait for the outcome",
		Long: `Rotate a secret now and wait for the outcome. SECRET is a name or an ARN.
How it is rotated is what rotations.yaml says of it.

A secret with a schedule is rotated within its windows. Outside of them this is
refused with the time of the next one, unless you ask for it (--at-next-window,
--outside-window).

With --tag, --prefix or --all many secrets are rotated (docs/fleet.md): the plan is
shown first, then a few canaries are rotated, then the others, until too many
have failed.

The exit code tells how it ended: 0 Rotated (or all of many), 10 AlreadyRotating,
11 WindowClosed, 12 Refused, 13 RestoredCleanly, 14 NeedsAttention, 15 cut short; 1 for
everything else, also when some of many failed, and 2 for a mistake in the command line.`,
		Example: `  tumbler rotate prod/app --watch
  tumbler rotate prod/app --outside-window --reason "laptop stolen, INC-4711"
  tumbler rotate prod/app --at-next-window --detach
  tumbler rotate --tag team=payments --canary 3 --max-failures 5%
  tumbler rotate --prefix prod/ --yes --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			_, err := f.fleet.many(cmd, args)
			return err
		},
		ValidArgsFunction: completeSecrets,
		RunE:              f.run,
	}
	f.to.flags(cmd)
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "show each state as it runs")
	cmd.Flags().BoolVar(&f.detach, "detach", false, "start the rotation and do not wait for it")
	cmd.Flags().BoolVar(&f.wait, "at-next-window", false, "outside the rotation window, wait for the next one (31 days at most)")
	cmd.Flags().BoolVar(&f.outside, "outside-window", false, "rotate now even if the rotation window is closed")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "write JSON about how it ended; many secrets also need --yes")
	f.fleet.add(cmd)
	cmd.Flags().StringVar(&f.request.Trigger.Reason, "reason", "", "why, recorded with the rotation")
	return cmd
}

func (f *rotateFlags) run(cmd *cobra.Command, args []string) error {
	if f.asJSON && f.watch {
		return usageError{errors.New("--json and --watch exclude each other")}
	}
	if len(args) == 0 {
		return f.fleet.run(cmd, f)
	}
	if err := f.to.exclusive(); err != nil {
		return err
	}
	if f.watch && f.detach {
		return usageError{errors.New("--watch and --detach exclude each other")}
	}
	switch {
	case f.wait && f.outside:
		return usageError{errors.New("--at-next-window and --outside-window exclude each other")}
	case f.wait:
		f.request.OutsideWindow = rotation.OutsideWait
	case f.outside:
		f.request.OutsideWindow = rotation.OutsideRotate
	}
	ctx := cmd.Context()
	f.request.SecretID = args[0]
	cfg, err := environment(ctx)
	if err != nil {
		return err
	}
	api := sfn.NewFromConfig(cfg)
	machine, err := f.to.find(ctx, api)
	if err != nil {
		return err
	}
	arn, err := start(ctx, api, machine, f.request)
	if err != nil {
		return err
	}
	switch {
	case f.detach && f.asJSON:
		return writeJSON(cmd.OutOrStdout(), past{StartedAt: time.Now().UTC(), Outcome: running, Trigger: f.request.Trigger, Execution: arn})
	case !f.asJSON:
		fmt.Fprintf(cmd.OutOrStdout(), "Rotating %s: %s\n", args[0], arn)
	}
	if f.detach {
		return nil
	}
	err = reportEnd(cmd, api, arn, f.watch, f.asJSON)
	if failed, ok := errors.AsType[notRotatedError](err); ok {
		return fmt.Errorf("%w%s", err, f.to.elsewhere(ctx, cfg, failed.code, args[0]))
	}
	return err
}

// start starts an execution, whose name contains the secret and the time.
func start(ctx context.Context, api *sfn.Client, machine string, request rotation.Request) (string, error) {
	input, err := json.Marshal(request)
	if err != nil {
		return "", err
	}
	out, err := api.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &machine,
		Name:            aws.String(executionName(request.SecretID, time.Now())),
		Input:           aws.String(string(input)),
	})
	if err != nil {
		return "", explain("starting the rotation", err)
	}
	return aws.ToString(out.ExecutionArn), nil
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// executionName fits Step Functions' rules: 80 characters, unique for 90 days.
func executionName(secretID string, now time.Time) string {
	if i := strings.LastIndex(secretID, ":secret:"); i >= 0 {
		secretID = secretID[i+len(":secret:"):]
	}
	name := notInName.ReplaceAllString(secretID, "-")
	if len(name) > 40 {
		name = name[:40]
	}
	return fmt.Sprintf("%s-manual-%s-%s", name, now.UTC().Format("20060102T150405"), rand.Text()[:6])
}

// reportEnd waits for the execution's end and returns an error unless the secret
// was rotated.
func reportEnd(cmd *cobra.Command, api *sfn.Client, arn string, watch, asJSON bool) error {
	out := terminal.New(cmd.OutOrStdout())
	follower := follow.Config{API: api}
	if watch {
		follower.OnStep, follower.OnSecond = out.Step, out.Second
	}
	ending, err := follower.Execution(cmd.Context(), arn)
	out.Close()
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("stopped watching; the rotation goes on. Watch it again with: tumbler watch %s", arn)
	}
	if err != nil {
		return explain("watching", err)
	}
	if asJSON {
		outcome, err := executions.New(api).Outcome(cmd.Context(), arn)
		if err != nil {
			return explainFault("looking how it ended", err)
		}
		if err := writeJSON(cmd.OutOrStdout(), pastOf(outcome)); err != nil {
			return err
		}
	}
	if ending.Status != types.ExecutionStatusSucceeded {
		return notRotated(ending)
	}
	if !asJSON {
		out.Ending(ending)
	}
	return nil
}

// notRotated is the error for an execution that did not rotate the secret.
func notRotated(e follow.Ending) error {
	if e.Status != types.ExecutionStatusFailed {
		return notRotatedError{"", cutShort, fmt.Sprintf("the rotation did not end: the execution is %s in state %s. "+
			"The secret may be half-way; rotate again to repair it", e.Status, e.State)}
	}
	text := "not rotated: " + e.State
	if e.Error != e.State {
		text += ": " + e.Error
	}
	return notRotatedError{e.Error, e.State, text + ": " + strings.TrimPrefix(e.Cause, e.Error+": ")}
}

// notRotatedError is an execution that failed, by its error's name and its ending.
type notRotatedError struct{ code, ending, text string }

func (e notRotatedError) Error() string { return e.text }
