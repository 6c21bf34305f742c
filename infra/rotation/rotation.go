// Package rotation has the CDK construct that deploys Tumbler. [NewRotation] is
// what to call, from Tumbler's own app or from any other CDK app in Go.
//
// It uses L1 constructs throughout: a reviewer finds in the template exactly the
// roles and statements that stand here, nothing is added behind one's back, and
// no helper function in another language is deployed.
package rotation

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// RotationProps says what [NewRotation] deploys.
type RotationProps struct {
	// Config is what rotations.yaml says. Required.
	Config *config.Config
	// CodeDir holds the compiled functions as ARCHITECTURE/FUNCTION/bootstrap.
	// Optional; build/lambda, where `make build` puts them.
	CodeDir *string
	// RotatorArn is the ARN of this deployment's own native rotation function.
	// Plan accepts a secret that rotates natively only when it does so through
	// this function. Optional.
	RotatorArn *string
}

// Rotation is a deployed workflow with its triggers and alerts.
type Rotation struct {
	constructs.Construct
	// StateMachineArn is what to start with a rotation request.
	StateMachineArn *string
	// AlertTopicArn is what to subscribe to.
	AlertTopicArn *string
	// ScheduleGroupName is the EventBridge Scheduler group of all schedules.
	ScheduleGroupName *string
	// SecurityGroupID is what a database has to let in; nil without a network.
	SecurityGroupID *string
}

// deployment carries what the parts of the construct have in common.
type deployment struct {
	scope   constructs.Construct
	cfg     *config.Config
	codeDir string
	rotator *string
}

// NewRotation adds the workflow to scope. Its error is about what a person can
// put right, such as functions that are not built.
func NewRotation(scope constructs.Construct, id *string, props *RotationProps) (*Rotation, error) {
	d := &deployment{cfg: props.Config, codeDir: "build/lambda", rotator: props.RotatorArn}
	if props.CodeDir != nil {
		d.codeDir = *props.CodeDir
	}
	if err := d.checkCode(); err != nil {
		return nil, err
	}
	d.scope = constructs.NewConstruct(scope, id)
	awscdk.Tags_Of(d.scope).Add(jsii.String("tumbler:deployment"), jsii.String(d.cfg.Name), nil)
	d.warn()

	topic := d.alerts()
	vpc, securityGroup := d.network()
	functions := d.functions(vpc)
	machine := d.stateMachine(functions, topic)
	undelivered := d.undelivered()
	d.schedules(machine, undelivered)
	d.rotateNow(machine, undelivered)

	// The Ref of a state machine and of a topic is its ARN; more emulators of
	// CloudFormation know it than know Fn::GetAtt on them.
	return &Rotation{
		Construct:         d.scope,
		StateMachineArn:   machine.Ref(),
		AlertTopicArn:     topic.Ref(),
		ScheduleGroupName: jsii.String(d.cfg.Name),
		SecurityGroupID:   securityGroup,
	}, nil
}

// named is the physical name of a part. Names are fixed, so that policies can
// name resources that do not exist yet and a second deployment with another
// name fits beside the first.
func (d *deployment) named(part string) string { return d.cfg.Name + "-" + part }

// arn is the ARN of a resource in the stack's own account and Region.
func (d *deployment) arn(service, resource string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s",
		*awscdk.Aws_PARTITION(), service, *awscdk.Aws_REGION(), *awscdk.Aws_ACCOUNT_ID(), resource)
}

func (d *deployment) stateMachineARN() string {
	return d.arn("states", "stateMachine:"+d.named("rotation"))
}

func (d *deployment) secretARN(secret string) string {
	if config.IsARN(secret) {
		return secret
	}
	// Secrets Manager adds a hyphen and six random characters to the name; "*"
	// would also match every longer name.
	return d.arn("secretsmanager", "secret:"+secret+"-??????")
}

// warn says at synthesis what is accepted and yet not what it seems.
func (d *deployment) warn() {
	for _, r := range d.cfg.Rotations {
		if r.Strategy == config.AlternatingUsers {
			awscdk.Annotations_Of(d.scope).AddWarningV2(jsii.String("tumbler:alternating-users"), jsii.String(fmt.Sprintf(
				"%s: strategy alternating-users is not implemented yet; its rotations end in Refused and change nothing", r.Secret,
			)))
		}
		if r.Schedule == "" {
			continue
		}
		if expr := schedulerExpression(r.Schedule); expr[:4] == "rate" {
			awscdk.Annotations_Of(d.scope).AddWarningV2(jsii.String("tumbler:rate"), jsii.String(fmt.Sprintf(
				"%s: EventBridge Scheduler starts %s as soon as it is deployed, so the secret is rotated then; use cron(...) to choose the time",
				r.Secret, r.Schedule,
			)))
		}
		if r.Duration != "" {
			awscdk.Annotations_Of(d.scope).AddWarningV2(jsii.String("tumbler:duration"), jsii.String(fmt.Sprintf(
				"%s: duration %s is not enforced yet; a rotation starts when the schedule says", r.Secret, r.Duration,
			)))
		}
	}
}
