package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/config"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// target is the deployment on which a command works.
type target struct {
	name         string
	stateMachine string
	named        func() bool // whether --name was given
}

func nameFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "name", defaultName, "name of the deployment, as in rotations.yaml")
}

func (t *target) flags(cmd *cobra.Command) {
	nameFlag(cmd, &t.name)
	t.named = func() bool { return cmd.Flags().Changed("name") }
	cmd.Flags().StringVar(&t.stateMachine, "state-machine", "", "ARN of the state machine, instead of looking it up by name")
}

// environment is the account, Region and endpoint that the environment names.
func environment(ctx context.Context) (aws.Config, error) {
	// The SDK logs warnings about connections that it could not keep open, which do not
	// matter to people. Errors are returned.
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return aws.Config{}, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	if err := checkEndpoints(os.Environ()); err != nil {
		return aws.Config{}, err
	}
	if cfg.Region == "" {
		return aws.Config{}, errors.New("no AWS Region is set. Set AWS_REGION, or for the sandbox the variables that 'tumbler sandbox' prints")
	}
	return cfg, nil
}

// checkEndpoints finds invalid endpoint URLs, for which the SDK's own errors are obscure.
func checkEndpoints(environ []string) error {
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "AWS_ENDPOINT_URL") || value == "" {
			continue
		}
		u, err := url.Parse(value)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("%s is %q, which is no address. Write it as http://HOST:PORT, as 'tumbler sandbox' prints it", name, value)
		}
	}
	return nil
}

// connect returns a Step Functions client for the environment.
func connect(ctx context.Context) (*sfn.Client, error) {
	cfg, err := environment(ctx)
	if err != nil {
		return nil, err
	}
	return sfn.NewFromConfig(cfg), nil
}

// exclusive refuses a name that would be ignored.
func (t *target) exclusive() error {
	if t.stateMachine != "" && t.named() {
		return usageError{errors.New("--name and --state-machine exclude each other")}
	}
	return nil
}

// find returns the ARN of the state machine.
func (t *target) find(ctx context.Context, api *sfn.Client) (string, error) {
	return t.findNamed(ctx, api, rotationSuffix)
}

// findNamed returns the ARN of the deployment's state machine with this suffix.
func (t *target) findNamed(ctx context.Context, api *sfn.Client, suffix string) (string, error) {
	if t.stateMachine != "" {
		return t.stateMachine, nil
	}
	machines, err := stateMachines(ctx, api)
	if err != nil {
		return "", err
	}
	if arn, found := machines[t.name+suffix]; found {
		return arn, nil
	}
	if _, deployed := machines[t.name+rotationSuffix]; deployed && suffix == fleetSuffix {
		return "", fmt.Errorf("deployment %s rotates one secret, and has nothing that rotates many. Rotate it with: tumbler rotate SECRET%s", t.name, t.asFlag())
	}
	return "", fmt.Errorf("there is no state machine %s in this account and Region. %s", t.name+suffix, deployOr(machines))
}

const (
	rotationSuffix, fleetSuffix = "-rotation", "-fleet"
	defaultName                 = "tumbler"
)

// asFlag is the flag that names the deployment, for commands that people copy.
func (t *target) asFlag() string {
	if t.name == defaultName {
		return ""
	}
	return " --name " + t.name
}

// deployOr is the remedy for a deployment that does not exist.
func deployOr(machines map[string]string) string {
	names := deployments(machines)
	if len(names) == 0 {
		return "Deploy Tumbler (make deploy), or name another deployment with --name or --state-machine"
	}
	return "What is deployed here is named by --name " + strings.Join(names, " or --name ")
}

// deployments are the names of the deployments that state machines belong to.
func deployments(machines map[string]string) (names []string) {
	for machine := range machines {
		if name, ours := strings.CutSuffix(machine, rotationSuffix); ours {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// stateMachines are all of the account and Region: ARNs by name.
func stateMachines(ctx context.Context, api *sfn.Client) (map[string]string, error) {
	machines := map[string]string{}
	pages := sfn.NewListStateMachinesPaginator(api, &sfn.ListStateMachinesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, explain("looking for what is deployed", err)
		}
		for _, machine := range page.StateMachines {
			machines[aws.ToString(machine.Name)] = aws.ToString(machine.StateMachineArn)
		}
	}
	return machines, nil
}

// elsewhere names the deployment of another network that rotates the secret, when this one
// does not. It returns "" if it cannot find out.
func (t *target) elsewhere(ctx context.Context, cfg aws.Config, code, secret string) string {
	// If the policies name the secrets, AWS denies access to others.
	if code != string(fault.NotConfigured) && code != string(fault.AccessDenied) {
		return ""
	}
	machines, err := stateMachines(ctx, sfn.NewFromConfig(cfg))
	if err != nil {
		return ""
	}
	name, arn := secret, ""
	if config.IsARN(secret) {
		name, arn = config.SecretName(secret), secret
		if config.IsARN(name) { // without the six characters at its end
			name = name[strings.LastIndexByte(name, ':')+1:]
		}
	}
	for _, deployment := range deployments(machines) {
		if deployment == t.name {
			continue
		}
		if _, found, err := registry.New(scheduler.NewFromConfig(cfg), deployment).Lookup(ctx, arn, name); err == nil && found {
			return fmt.Sprintf(". Deployment %s rotates it: --name %[1]s", deployment)
		}
	}
	return ""
}

// explain adds a remedy to common errors of AWS calls.
func explain(doing string, err error) error {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("%s: the name %s cannot be resolved. Check the network and its DNS, AWS_REGION, and AWS_ENDPOINT_URL if it is set", doing, dns.Name)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" && op.Addr != nil {
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

// remedies are appended to AWS's own messages.
var remedies = map[string]string{
	"ExecutionDoesNotExist":    ". Check its account and Region; executions are forgotten 90 days after their end",
	"StateMachineDoesNotExist": ". Check --state-machine, the account and the Region",
	"InvalidArn":               ". Use the ARN as an alert, the console or 'tumbler rotate' shows it",
}
