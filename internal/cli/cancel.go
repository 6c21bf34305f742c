package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/executions"
)

func newCancel() *cobra.Command {
	var (
		to             target
		midway, asJSON bool
		reason         string
	)
	cmd := &cobra.Command{
		Use:   "cancel SECRET|EXECUTION",
		Short: "Cancel a rotation that waits for its window, or has not begun to change anything",
		Long: `Stops a rotation that has not stored anything yet: one that waits for its window
(--at-next-window), or has just been started. Of a secret it is the one that waits; if
there are several, name one by its ARN.

A rotation that has begun goes to its end within minutes, and puts right what it cannot
finish. Stopped in the middle it does neither, and AWSCURRENT may be refused: that takes
--midway. The next rotation repairs what is left.

People are alerted of a rotation that was stopped, with what it means for applications.`,
		Example: `  tumbler cancel prod/app --reason "wrong secret"
  tumbler cancel arn:aws:states:eu-central-1:111122223333:execution:tumbler-rotation:NAME`,
		Args:              oneArg("secret or execution"),
		ValidArgsFunction: completeSecrets,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			api, arn, err := to.running(ctx, args[0])
			if err != nil {
				return err
			}
			state, err := lastState(ctx, api, arn)
			if err != nil {
				return err
			}
			if !midway && !slices.Contains(harmlessStates, state) {
				return fmt.Errorf("the rotation is in %s: stopped there it would leave the secret half-way. "+
					"It ends by itself and puts right what it cannot finish: tumbler watch %s. To stop it all the same, add --midway", state, arn)
			}
			if _, err := api.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &arn, Error: aws.String("Cancelled"), Cause: aws.String(why(reason))}); err != nil {
				return explain("stopping the execution", err)
			}
			if state, err = lastState(ctx, api, arn); err != nil { // it may have continued meanwhile
				return err
			}
			result := cancelled{Execution: arn, State: state, Harmless: slices.Contains(harmlessStates, state)}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), result)
			}
			text := "It had changed nothing."
			if !result.Harmless {
				text = "The secret may be half-way: rotate again, which finds out which password works and repairs it."
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Cancelled in state %s: %s %s\n", state, arn, text)
			return nil
		},
	}
	to.flags(cmd)
	cmd.Flags().BoolVar(&midway, "midway", false, "stop it even where the secret is left half-way")
	cmd.Flags().StringVar(&reason, "reason", "", "why, recorded with the execution")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// cancelled is what cancel writes as JSON.
type cancelled struct {
	Execution string `json:"execution"`
	State     string `json:"state"`    // in which it was stopped
	Harmless  bool   `json:"harmless"` // nothing had been changed
}

// harmlessStates are the states before anything is stored.
var harmlessStates = []string{"", "Receive", "Plan", "WindowOpen", "WaitForWindow"}

func why(reason string) string {
	if reason == "" {
		return "cancelled by hand"
	}
	return "cancelled by hand: " + reason
}

// running finds the running execution of a secret, or by its ARN.
func (t *target) running(ctx context.Context, what string) (*sfn.Client, string, error) {
	if strings.Contains(what, ":execution:") {
		api, err := connect(ctx)
		return api, what, err
	}
	v, err := t.view(ctx)
	if err != nil {
		return nil, "", err
	}
	if v.history, err = executions.New(v.api).Outcomes(ctx, v.machine); err != nil {
		return nil, "", explainFault("looking at the executions", err)
	}
	var arns []string
	for _, o := range v.of(what) {
		if o.Running {
			arns = append(arns, o.Execution)
		}
	}
	switch len(arns) {
	case 0:
		return nil, "", fmt.Errorf("no rotation of %s is running or waiting", what)
	case 1:
		return v.api, arns[0], nil
	}
	return nil, "", errors.New("several rotations of " + what + " are running or waiting; name one of:\n  " + strings.Join(arns, "\n  "))
}

// lastState is the state that an execution has entered last.
func lastState(ctx context.Context, api *sfn.Client, arn string) (string, error) {
	trace, err := executions.New(api).Trace(ctx, arn)
	if err != nil {
		return "", explainFault("looking where the rotation is", err)
	}
	return trace.State, nil
}
