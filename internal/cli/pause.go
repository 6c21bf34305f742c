package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

func newPause() *cobra.Command {
	cmd := newSwitch(types.ScheduleStateDisabled)
	cmd.Use, cmd.Short = "pause SECRET", "Switch a secret's schedule off, until unpause or the next deployment"
	cmd.Long = `Switches off the schedule of a secret: no rotation of it begins by itself any more.
One that runs goes on to its end, and rotations by hand and by events go on as before.
It lasts until 'tumbler unpause', or until the next deployment that changes the
rotation: for longer, change rotations.yaml. Windows that pass meanwhile count as
missed, and the function audit tells of them.

It needs scheduler:GetSchedule and UpdateSchedule, and iam:PassRole for the role of the
schedule.`
	cmd.Example = `  tumbler pause prod/app
  tumbler list`
	return cmd
}

func newUnpause() *cobra.Command {
	cmd := newSwitch(types.ScheduleStateEnabled)
	cmd.Use, cmd.Short = "unpause SECRET", "Switch a secret's schedule on again"
	cmd.Long = `Switches the schedule of a secret on again, after 'tumbler pause'. What was missed
meanwhile is not made up for: rotate by hand, or wait for the next window.`
	cmd.Example = "  tumbler unpause prod/app"
	return cmd
}

// newSwitch is a command that enables or disables a secret's schedule.
func newSwitch(state types.ScheduleState) *cobra.Command {
	var (
		name   string
		asJSON bool
	)
	cmd := &cobra.Command{
		Args:              oneArg("secret"),
		ValidArgsFunction: completeSecrets,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := environment(cmd.Context())
			if err != nil {
				return err
			}
			api := scheduler.NewFromConfig(cfg)
			entry, err := scheduled(cmd.Context(), registry.New(api, name), name, args[0])
			if err != nil {
				return err
			}
			was, err := switchSchedule(cmd.Context(), api, name, entry.Name, state)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), switched{entry.SecretID, state == types.ScheduleStateDisabled, was != state})
			}
			words := map[types.ScheduleState]string{
				types.ScheduleStateDisabled: "paused: no rotation begins by its schedule", types.ScheduleStateEnabled: "on: it rotates by its schedule",
			}
			already := ""
			if was == state {
				already = " already"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is%s %s (%s)\n", entry.SecretID, already, words[state], entry.Expression)
			return nil
		},
	}
	nameFlag(cmd, &name)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// switched is what pause and unpause write as JSON.
type switched struct {
	Secret  string `json:"secret"`
	Paused  bool   `json:"paused"`
	Changed bool   `json:"changed"` // false if the schedule already had the state
}

// scheduled finds the rotation of a secret that has a schedule.
func scheduled(ctx context.Context, configured *registry.Client, name, secret string) (registry.Entry, error) {
	entries, err := configured.List(ctx)
	if err != nil {
		return registry.Entry{}, explainFault("reading what is configured", err)
	}
	at := slices.IndexFunc(entries, func(e registry.Entry) bool { return sameSecret(e.SecretID, secret) })
	if at < 0 {
		return registry.Entry{}, notConfigured(name, secret)
	}
	if request, err := rotation.ParseRequest(entries[at].Input); err == nil && request.Schedule == nil {
		return registry.Entry{}, fmt.Errorf("%s has no schedule: it is rotated on demand only", secret)
	}
	return entries[at], nil
}

// switchSchedule changes the state only. UpdateSchedule replaces the whole schedule, so it
// passes on all other fields.
// Source: Amazon EventBridge Scheduler API reference, "UpdateSchedule".
func switchSchedule(ctx context.Context, api *scheduler.Client, group, name string, state types.ScheduleState) (was types.ScheduleState, err error) {
	s, err := api.GetSchedule(ctx, &scheduler.GetScheduleInput{GroupName: &group, Name: &name})
	if err != nil {
		return "", explain("reading the schedule", err)
	}
	if s.State == state {
		return state, nil
	}
	_, err = api.UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{
		Name: &name, GroupName: &group, State: state,
		ScheduleExpression: s.ScheduleExpression, ScheduleExpressionTimezone: s.ScheduleExpressionTimezone,
		StartDate: s.StartDate, EndDate: s.EndDate, FlexibleTimeWindow: s.FlexibleTimeWindow, Target: s.Target,
		Description: s.Description, KmsKeyArn: s.KmsKeyArn, ActionAfterCompletion: s.ActionAfterCompletion,
		ClientToken: aws.String(rand.Text()),
	})
	if err != nil {
		return "", explain("changing the schedule", err)
	}
	return s.State, nil
}
