package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/aws/secretsmgr"
	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/fleet"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// fleetFlags are the flags of rotate for many secrets.
type fleetFlags struct {
	tags        []string
	prefix      string
	all         bool
	resume      string
	yes         bool
	canary      int
	maxFailures string
	budget      int
}

func (f *fleetFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.tags, "tag", nil, "rotate all secrets with this tag, KEY=VALUE; repeated: with all of them")
	flags.StringVar(&f.prefix, "prefix", "", "rotate all secrets whose name begins so")
	flags.BoolVar(&f.all, "all", false, "rotate all secrets of rotations.yaml")
	flags.StringVar(&f.resume, "resume", "", "rotate what an earlier `EXECUTION` for many secrets has left")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask before rotating many secrets")
	flags.IntVar(&f.canary, "canary", fleet.DefaultCanary, "of many secrets, rotate so many first, and stop if one of them fails")
	flags.StringVar(&f.maxFailures, "max-failures", fleet.DefaultMaxFailures, "of many secrets, stop when more than this number or percentage has failed")
	flags.IntVar(&f.budget, "budget", fleet.DefaultBudget, "calls per second that may write secrets; the account's quota of 50 is shared with everybody else")
}

// onlyMany are the flags that apply to many secrets only, and onlyOne those that apply to
// one only.
var (
	choosing = []string{"tag", "prefix", "all", "resume"}
	onlyMany = []string{"yes", "canary", "max-failures", "budget"}
	onlyOne  = []string{"watch", "at-next-window"}
)

// many reports whether the command line selects many secrets. Its errors are usage errors.
func (f *fleetFlags) many(cmd *cobra.Command, args []string) (bool, error) {
	changed := func(names []string) (set []string) {
		for _, name := range names {
			if cmd.Flags().Changed(name) {
				set = append(set, "--"+name)
			}
		}
		return set
	}
	chosen := changed(choosing)
	switch set := changed(onlyMany); {
	case len(chosen) == 0 && len(set) > 0:
		return false, usageError{fmt.Errorf("%s is for many secrets: choose them with --tag, --prefix or --all", set[0])}
	case len(chosen) == 0:
		return false, oneArg("secret")(cmd, args)
	case len(args) > 0:
		return true, usageError{fmt.Errorf("name a secret or choose many with %s, not both", chosen[0])}
	case len(chosen) > 1:
		return true, usageError{fmt.Errorf("%s exclude each other", strings.Join(chosen, " and "))}
	}
	if set := changed(onlyOne); len(set) > 0 {
		return true, usageError{fmt.Errorf("%s is for one secret, not with %s", set[0], chosen[0])}
	}
	return true, nil
}

// request makes the fleet's request from the flags.
func (f *fleetFlags) request(ctx context.Context, cmd *cobra.Command, api *sfn.Client, reason string, outside bool) (fleet.Request, error) {
	r := fleet.Request{Select: fleet.Selection{Prefix: f.prefix, All: f.all}}
	for _, tag := range f.tags {
		key, value, ok := strings.Cut(tag, "=")
		if !ok || key == "" {
			return r, usageError{fmt.Errorf("--tag %q: write it as KEY=VALUE", tag)}
		}
		if r.Select.Tags == nil {
			r.Select.Tags = map[string]string{}
		}
		r.Select.Tags[key] = value
	}
	if f.resume != "" {
		var err error
		if r, err = earlier(ctx, api, f.resume); err != nil {
			return r, err
		}
	}
	// A resume has the request of the earlier fleet, except for flags that are given now.
	set := func(flag string) bool { return f.resume == "" || cmd.Flags().Changed(flag) }
	if set("canary") {
		r.Canary = &f.canary
	}
	if set("max-failures") {
		r.MaxFailures = f.maxFailures
	}
	if set("budget") {
		r.Budget = f.budget
	}
	if set("reason") {
		r.Reason = reason
	}
	if outside {
		r.OutsideWindow = rotation.OutsideRotate
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return r, err
	}
	if r, err = fleet.ParseRequest(raw); err != nil {
		return r, usageError{explainFault("many secrets", err)}
	}
	return r, nil
}

// earlier reads the request of an execution that is to be resumed.
func earlier(ctx context.Context, api *sfn.Client, execution string) (fleet.Request, error) {
	about, err := api.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &execution})
	if err != nil {
		return fleet.Request{}, explain("looking at what is to be resumed", err)
	}
	var r fleet.Request
	if json.Unmarshal([]byte(aws.ToString(about.Input)), &r) != nil || !strings.Contains(aws.ToString(about.StateMachineArn), "-fleet") {
		return fleet.Request{}, fmt.Errorf("%s did not rotate many secrets. Rotate its secret again with: tumbler rotate SECRET", execution)
	}
	if about.StopDate == nil {
		return fleet.Request{}, fmt.Errorf("%s is still running. Wait for its end, or stop it; rotations under way go on to theirs", execution)
	}
	if !slices.Contains(r.Resume, execution) {
		r.Resume = append(r.Resume, execution)
	}
	return r, nil
}

// rotatedMany is what rotate writes about many secrets with --json.
type rotatedMany struct {
	fleet.Event
	Missing []string `json:"missing,omitempty"` // of rotations.yaml, and there is no such secret
}

// run shows the plan, asks, starts the fleet and follows it to its end.
func (f *fleetFlags) run(cmd *cobra.Command, rotate *rotateFlags) error {
	if rotate.asJSON && !f.yes {
		return usageError{errors.New("--json about many secrets takes --yes: the plan and the question would be part of the output")}
	}
	ctx, to := cmd.Context(), rotate.to
	cfg, err := environment(ctx)
	if err != nil {
		return err
	}
	api := sfn.NewFromConfig(cfg)
	request, err := f.request(ctx, cmd, api, rotate.request.Trigger.Reason, rotate.outside)
	if err != nil {
		return err
	}
	machine, err := to.findNamed(ctx, api, fleetSuffix)
	if err != nil {
		return err
	}
	source := fleet.Source{
		Secrets: secretsmgr.New(secretsmanager.NewFromConfig(cfg)), Registry: registry.New(scheduler.NewFromConfig(cfg), to.name),
		Region: cfg.Region, MachineARN: strings.TrimSuffix(machine, "-fleet") + "-rotation",
		RotatorARN: rotatorARN(machine),
	}
	out, write := terminal.New(cmd.OutOrStdout()), func(fleet.Event, []string) error { return nil }
	if rotate.asJSON {
		out = terminal.New(io.Discard)
		write = func(e fleet.Event, missing []string) error {
			return writeJSON(cmd.OutOrStdout(), rotatedMany{e, missing})
		}
	}
	plan, err := makePlan(ctx, source, registry.New(scheduler.NewFromConfig(cfg), to.name), request)
	if err != nil {
		return explainFault("looking for the secrets", err)
	}
	plan.show(out)
	if plan.Total == 0 {
		return errors.Join(write(plan.event(fleet.NothingToDo, ""), plan.missing), plan.nothing())
	}
	if !f.yes {
		if err := confirm(ctx, cmd.InOrStdin(), cmd.OutOrStdout(), plan.Total); err != nil {
			return err
		}
	}
	arn, err := startFleet(ctx, api, machine, request)
	if err != nil {
		return err
	}
	out.Say("Started %s", arn)
	if rotate.detach {
		return errors.Join(write(plan.event(running, arn), plan.missing), plan.complete())
	}
	ending, err := followFleet(ctx, api, out, arn, plan.Total)
	if ending != nil {
		err = errors.Join(write(ending.Event, plan.missing), err)
	}
	if err != nil {
		return err
	}
	return plan.complete()
}

// rotatorARN is Tumbler's own native rotation function, next to the state
// machine: arn:P:states:R:A:stateMachine:NAME-fleet.
func rotatorARN(machine string) string {
	parts := strings.Split(machine, ":")
	if len(parts) != 7 {
		return ""
	}
	parts[2], parts[5], parts[6] = "lambda", "function", strings.TrimSuffix(parts[6], "-fleet")+"-rotator"
	return strings.Join(parts, ":")
}

func startFleet(ctx context.Context, api *sfn.Client, machine string, request fleet.Request) (string, error) {
	input, err := json.Marshal(request)
	if err != nil {
		return "", err
	}
	out, err := api.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &machine, Input: aws.String(string(input)),
		Name: aws.String("manual-" + time.Now().UTC().Format("20060102T150405") + "-" + rand.Text()[:6]),
	})
	if err != nil {
		return "", explain("starting the fleet", err)
	}
	return aws.ToString(out.ExecutionArn), nil
}

// errStopped is the error for when the answer was no.
var errStopped = errors.New("nothing was started")
