package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/spf13/cobra"
)

// target says which deployment of Tumbler a command talks to.
type target struct {
	name         string
	stateMachine string
}

func (t *target) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.name, "name", "tumbler", "name of the deployment, as in rotations.yaml")
	cmd.Flags().StringVar(&t.stateMachine, "state-machine", "", "ARN of the state machine, instead of looking it up by name")
}

// environment is the account, Region and endpoint that the environment names.
func environment(ctx context.Context) (aws.Config, error) {
	// The SDK warns of connections that could not be kept, which is no news to
	// people; its errors come as errors.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return aws.Config{}, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return aws.Config{}, errors.New("no AWS Region is set. Set AWS_REGION, or for the sandbox the variables that 'tumbler sandbox' prints")
	}
	return cfg, nil
}

// connect returns a Step Functions client for the environment.
func connect(ctx context.Context) (*sfn.Client, error) {
	cfg, err := environment(ctx)
	if err != nil {
		return nil, err
	}
	return sfn.NewFromConfig(cfg), nil
}

// find returns the ARN of the state machine.
func (t *target) find(ctx context.Context, api *sfn.Client) (string, error) {
	return t.findNamed(ctx, api, "-rotation")
}

// findNamed returns the ARN of the deployment's state machine with this suffix.
func (t *target) findNamed(ctx context.Context, api *sfn.Client, suffix string) (string, error) {
	if t.stateMachine != "" {
		return t.stateMachine, nil
	}
	want := t.name + suffix
	pages := sfn.NewListStateMachinesPaginator(api, &sfn.ListStateMachinesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", explain("looking for state machine "+want, err)
		}
		for _, machine := range page.StateMachines {
			if aws.ToString(machine.Name) == want {
				return aws.ToString(machine.StateMachineArn), nil
			}
		}
	}
	return "", fmt.Errorf("there is no state machine %s in this account and Region. "+
		"Deploy Tumbler (make deploy), or name another deployment with --name or --state-machine", want)
}

// explain adds a remedy to what commonly goes wrong with an AWS call.
func explain(doing string, err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return fmt.Errorf("%s: nothing answers at %s. Is the endpoint in AWS_ENDPOINT_URL right, and the sandbox running?", doing, op.Addr)
	}
	if strings.Contains(err.Error(), "get credentials") || strings.Contains(err.Error(), "no EC2 IMDS role found") {
		return fmt.Errorf("%s: no AWS credentials. Log in to AWS, or for the sandbox set the variables that 'tumbler sandbox' prints", doing)
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fmt.Errorf("%s: %w", doing, err)
	}
	remedy := remedies[api.ErrorCode()]
	return fmt.Errorf("%s: %s: %s%s", doing, api.ErrorCode(), strings.TrimSuffix(api.ErrorMessage(), "."), remedy)
}

// remedies continue AWS's own message about what people get wrong.
var remedies = map[string]string{
	"ExecutionDoesNotExist":    ". Check its account and Region; executions are forgotten 90 days after their end",
	"StateMachineDoesNotExist": ". Check --state-machine, the account and the Region",
	"InvalidArn":               ". Use the ARN as an alert, the console or 'tumbler rotate' shows it",
}
