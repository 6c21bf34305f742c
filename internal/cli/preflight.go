package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

func newPreflight() *cobra.Command {
	var (
		name          string
		asJSON        bool
		wait, outside bool
		all           bool
	)
	cmd := &cobra.Command{
		Use:   "preflight SECRET | --all",
		Short: "Tell whether a secret would rotate, and what would change; change nothing",
		Long: `Looks at everything that a rotation of the secret needs, from where a rotation
would run: the configuration, the credentials, the window, the network, TLS, the
login, the superuser and the privileges. It says what is missing and what to do,
what the rotation would change, and changes nothing. SECRET is a name or an ARN.

It logs in with AWSCURRENT, once, and with what a rotation would try next only if
that is refused.

With --all it looks at every secret of the deployment, whatever the window, and says of
each what stands in the way first.

Exit code 0 means that 'tumbler rotate' would rotate the secret now. Everything
else is exit code 1. "–" marks what could not be checked.`,
		Example: `  tumbler preflight prod/app
  tumbler preflight prod/app --outside-window
  tumbler preflight --all
  tumbler preflight prod/app --json | jq '.checks[] | select(.ok | not)'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if !all {
				return oneArg("secret")(cmd, args)
			}
			if len(args) > 0 || wait {
				return usageError{errors.New("--all excludes a secret's name and --at-next-window")}
			}
			return nil
		},
		ValidArgsFunction: completeSecrets,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all {
				return preflightAll(cmd, name, asJSON)
			}
			request := rotation.Request{SecretID: args[0], Trigger: rotation.Trigger{Source: rotation.SourceManual}}
			switch {
			case wait && outside:
				return usageError{errors.New("--at-next-window and --outside-window exclude each other")}
			case wait:
				request.OutsideWindow = rotation.OutsideWait
			case outside:
				request.OutsideWindow = rotation.OutsideRotate
			}
			result, err := preflight(cmd.Context(), name+"-preflight", request)
			if err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), result)
			} else {
				writePreflight(terminal.New(cmd.OutOrStdout()), args[0], result)
			}
			if err == nil && !result.WouldRotate {
				err = fmt.Errorf("%s would not be rotated. Nothing was changed%s", args[0], otherwise(cmd.Context(), name, args[0], result))
			}
			return err
		},
	}
	nameFlag(cmd, &name)
	cmd.Flags().BoolVar(&all, "all", false, "look at every secret of the deployment")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	cmd.Flags().BoolVar(&wait, "at-next-window", false, "for a rotation that waits for the next window")
	cmd.Flags().BoolVar(&outside, "outside-window", false, "for a rotation that disregards the window")
	return cmd
}

// otherwise names the deployment that rotates the secret, when this one does not.
func otherwise(ctx context.Context, name, secret string, result rotation.PreflightResult) string {
	cfg, err := environment(ctx)
	if err != nil {
		return ""
	}
	for _, c := range result.Checks {
		if !c.OK && !c.Skipped {
			if other := (&target{name: name}).elsewhere(ctx, cfg, string(c.Code), secret); other != "" {
				return other
			}
		}
	}
	return ""
}

// preflight calls the function preflight.
func preflight(ctx context.Context, function string, request rotation.Request) (result rotation.PreflightResult, err error) {
	cfg, err := environment(ctx)
	if err != nil {
		return result, err
	}
	raw, err := json.Marshal(request)
	if err != nil {
		return result, err
	}
	payload, err := json.Marshal(rotation.PreflightInput{Request: raw})
	if err != nil {
		return result, err
	}
	doing := "invoking function " + function
	out, err := lambda.NewFromConfig(cfg).Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: payload})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		machines, _ := stateMachines(ctx, sfn.NewFromConfig(cfg)) // without the right to look, none
		return result, fmt.Errorf("there is no function %s in this account and Region. %s", function, deployOr(machines))
	}
	if err != nil {
		return result, explain(doing, err)
	}
	if out.FunctionError != nil {
		return result, functionFailed(doing, out.Payload)
	}
	if err := json.Unmarshal(out.Payload, &result); err != nil || len(result.Checks) == 0 {
		return result, fmt.Errorf("%s: it does not answer as a preflight does. Deploy the release that this command is of", doing)
	}
	return result, nil
}

// functionFailed is the error for a function that failed, from Lambda's report.
func functionFailed(doing string, report []byte) error {
	var failed struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(report, &failed); err != nil || failed.ErrorType == "" {
		return fmt.Errorf("%s: it failed. Look at its log", doing)
	}
	return fmt.Errorf("%s: %s: %s", doing, failed.ErrorType, failed.ErrorMessage)
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func writePreflight(out *terminal.Printer, secret string, result rotation.PreflightResult) {
	out.Heading("Preflight of %s", secret)
	for _, c := range result.Checks {
		switch {
		case c.Skipped:
			out.Unchecked("%s: %s", c.Name, c.Message)
		case c.OK:
			out.Check(true, "%s: %s", c.Name, c.Message)
		default:
			out.Check(false, "%s: %s: %s", c.Name, c.Code, c.Message)
		}
		if c.Hint != "" {
			out.Hint("%s", c.Hint)
		}
	}
	if len(result.Changes) > 0 {
		out.Heading("What would change")
		for _, change := range result.Changes {
			out.Say("%s", change)
		}
	}
	out.Heading("%s", result.Summary)
}
