// Package rotation has the CDK construct that deploys Tumbler. Call [NewRotation] from
// any CDK app in Go; Tumbler's own app calls [FromConfig] with a rotations.yaml.
//
// It uses L1 constructs throughout: the template has exactly the roles and statements
// that are written here, and no helper functions in other languages.
package rotation

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// Rotation is a deployed workflow with its triggers and alerts.
type Rotation struct {
	constructs.Construct
	// StateMachineArn is the state machine that takes a rotation request.
	StateMachineArn *string
	// FleetStateMachineArn is the state machine that takes a fleet request; nil with a
	// single secret.
	FleetStateMachineArn *string
	// AlertTopicArn is the SNS topic of the alerts.
	AlertTopicArn *string
	// ScheduleGroupName is the EventBridge Scheduler group of all schedules.
	ScheduleGroupName *string
	// SecurityGroupID is the functions' security group, which a database has to let in;
	// nil without a network.
	SecurityGroupID *string
	// RotatorArn is Tumbler's own native rotation function; nil without a native
	// backstop.
	RotatorArn *string
	// RotateNowBusName is the event bus for events that ask for a rotation; nil when
	// they are turned off.
	RotateNowBusName *string
	// OperatorPolicyArn is the managed policy for people who run the command tumbler.
	OperatorPolicyArn *string
	// DashboardName is the CloudWatch dashboard; nil without one.
	DashboardName    *string
	name, deployment string // names of this network's workflow and of the deployment
	connections      awsec2.Connections
	arn              func(service, resource string) string

	// Others are the workflows of further networks, by the network's name.
	Others map[string]*Rotation
}

// Options are the settings of [FromConfig] that are not in the configuration.
type Options struct {
	// CodeDir holds the compiled functions as ARCHITECTURE/FUNCTION/bootstrap.
	// Optional; build/lambda, where `make build` puts them.
	CodeDir string
	// Now is the time of the synthesis: a rate that is no cron expression starts
	// at its next window. Optional; time.Now.
	Now func() time.Time
	// SchedulesInTemplate is the number of rotations up to which their schedules are
	// resources of the template; with more, a function makes all schedules. Optional; 150.
	SchedulesInTemplate int
}

// shared is what all workflows of a stack have in common.
type shared struct {
	cfg     *config.Config
	id      *string // of the construct
	codeDir string
	now     func() time.Time
	root    constructs.Construct
	// inTemplate is Options.SchedulesInTemplate.
	inTemplate int

	region string // a token if the stack does not name one

	topicARN     *string
	topicKeyARN  *string // nil if the topic is not the stack's or has the AWS managed key
	undelivered  awssqs.CfnQueue
	rotateNowBus awsevents.CfnEventBus     // of rotate-now events; nil when they are turned off
	busName      *string                   // the same
	authorities  awslambda.CfnLayerVersion // private ones; nil without any
}

// deployment is one workflow: a state machine with its functions, schedules and
// triggers. A stack has one for each network.
type deployment struct {
	*shared
	scope     constructs.Construct
	name      string // as in --name of the CLI
	set       string // the network's name; "" for the main one
	rotations []config.Rotation
	network   *config.Network
	others    []config.Rotation // of the stack's other workflows

	placement *placement
	passes    *string             // ARN of the schedules' role
	inChina   awscdk.CfnCondition // nil if nothing differs there
	machine   awsstepfunctions.CfnStateMachine
	// versions are the published versions of the steps, by the function's name.
	versions map[string]awslambda.CfnVersion
	fleet    awsstepfunctions.CfnStateMachine // nil for a single secret
}

// checkLocation refuses secrets of another account or Region, because the functions look
// for secrets in their own.
func (s *shared) checkLocation(stack awscdk.Stack) error {
	region, account, field := s.cfg.Location()
	s.region = *stack.Region()
	known := func(value string) bool { return !*awscdk.Token_IsUnresolved(value) }
	if field == "" || (!known(s.region) || s.region == region) && (!known(*stack.Account()) || *stack.Account() == account) {
		return nil
	}
	return fmt.Errorf("%s is in %s %s, and the stack is in %s %s: a deployment rotates the secrets of its own account and Region; "+
		"put these into a stack there", field, region, account, s.region, *stack.Account())
}

// checkUnique refuses a second deployment of the same name in an account and Region,
// since all physical names would collide. If these are not known, it compares the
// deployments of the app or stage.
func (s *shared) checkUnique(scope constructs.Construct) error {
	holder := scope.Node().Root()
	if stage := awscdk.Stage_Of(scope); stage != nil {
		holder = stage
	}
	const kind = "tumbler:deployment"
	what := s.cfg.Name + " in " + *awscdk.Stack_Of(scope).Environment()
	for _, entry := range *holder.Node().Metadata() {
		if first, _ := entry.Data.([]any); *entry.Type == kind && len(first) == 2 && first[0] == what {
			return fmt.Errorf("%s in %s is a second deployment called %q, after that in %s: give one of the two another name (Name)", *s.id, *scope.Node().Path(), s.cfg.Name, first[1])
		}
	}
	holder.Node().AddMetadata(jsii.String(kind), []any{what, *scope.Node().Path()}, nil)
	return nil
}

// FromConfig adds what cfg describes to scope. Its errors are what a person can put
// right, such as functions that are not built.
func FromConfig(scope constructs.Construct, id *string, cfg *config.Config, o Options) (*Rotation, error) {
	s := &shared{cfg: cfg, id: id, codeDir: defaultCodeDir, now: time.Now, inTemplate: cmp.Or(o.SchedulesInTemplate, config.SchedulesInTemplate)}
	if o.CodeDir != "" {
		s.codeDir = o.CodeDir
	}
	if o.Now != nil {
		s.now = o.Now
	}
	if err := s.checkCode(); err != nil {
		return nil, err
	}
	if err := s.checkLocation(awscdk.Stack_Of(scope)); err != nil {
		return nil, err
	}
	if err := s.checkUnique(scope); err != nil {
		return nil, err
	}
	root := constructs.NewConstruct(scope, id)
	// The alerts' key has no tags: emulators of CloudFormation fail on them, and the key
	// is found through its topic.
	tagged := &awscdk.TagProps{ExcludeResourceTypes: jsii.Strings("AWS::KMS::Key")}
	awscdk.Tags_Of(root).Add(jsii.String("tumbler:deployment"), jsii.String(cfg.Name), tagged)
	for _, key := range slices.Sorted(maps.Keys(cfg.Tags)) {
		awscdk.Tags_Of(root).Add(jsii.String(key), jsii.String(cfg.Tags[key]), tagged)
	}
	s.root = root
	s.alerts(root)
	s.queue(root)
	s.bus(root)
	if err := s.layer(root); err != nil {
		return nil, err
	}

	var main *Rotation
	all := s.deployments()
	for _, d := range all {
		if d.scope = root; d.set != "" {
			d.scope = constructs.NewConstruct(root, jsii.String("Network-"+d.set))
		}
		made := d.deploy()
		if main == nil {
			main = made
			continue
		}
		if main.Others == nil {
			main.Others = map[string]*Rotation{}
		}
		main.Others[d.set] = made
	}
	if cfg.Dashboard {
		main.DashboardName = s.dashboard(root, all)
	}
	return main, nil
}

// deployments returns the workflows, one for each network, the main one first.
func (s *shared) deployments() []*deployment {
	var all []*deployment
	for _, set := range s.cfg.Sets() {
		d := &deployment{shared: s, name: s.cfg.Name, set: set.Name, rotations: set.Rotations, network: set.Network, versions: map[string]awslambda.CfnVersion{}}
		if set.Name != "" {
			d.name += "-" + set.Name
		}
		for _, other := range s.cfg.Sets() {
			if other.Name != set.Name {
				d.others = append(d.others, other.Rotations...)
			}
		}
		all = append(all, d)
	}
	return all
}

func (d *deployment) deploy() *Rotation {
	d.placement = d.newPlacement()
	functions := d.functions()
	d.machine = d.stateMachine()
	if d.hasFleet() {
		d.fleet = d.fleetMachine()
	}
	schedules := d.schedules()
	d.rotateNow()
	d.backstop(functions)
	d.rotateImmediately(functions, schedules)
	if d.isWatched() {
		d.watch(functions)
		d.alarms(functions)
	}
	if d.hasHeartbeat() {
		d.every("Heartbeat", functions["heartbeat"])
	}
	// The Ref of a state machine or topic is its ARN. More emulators of CloudFormation
	// support it than Fn::GetAtt on these.
	made := &Rotation{
		Construct:         d.scope,
		StateMachineArn:   d.machine.Ref(),
		AlertTopicArn:     d.topicARN,
		ScheduleGroupName: jsii.String(d.name),
		RotateNowBusName:  d.busName,
		name:              d.name, deployment: d.cfg.Name, arn: d.arn,
	}
	made.OperatorPolicyArn = d.operators()
	if d.fleet != nil {
		made.FleetStateMachineArn = d.fleet.Ref()
	}
	if d.placement != nil {
		made.SecurityGroupID = d.placement.group
	}
	if d.hasRotator() {
		made.RotatorArn = jsii.String(d.rotatorARN())
	}
	return made
}

// keep retains a resource that an audit may need when the stack is deleted, if the
// configuration says so.
func (s *shared) keep(r awscdk.CfnResource) {
	if s.cfg.RemovalPolicy == config.Retain {
		r.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE, nil)
	}
}

// hasFleet reports whether there is more than one secret, and so a use for a fleet.
func (d *deployment) hasFleet() bool { return len(d.rotations) > 1 }

// isWatched reports whether anybody receives alerts. Without, there are no alarms and no
// functions that alert.
func (d *deployment) isWatched() bool { return d.cfg.Alerts.Anybody() }

func (d *deployment) hasHeartbeat() bool { return d.cfg.Heartbeat }

// isMain reports whether this is the main workflow, which has what the stack has once.
func (d *deployment) isMain() bool { return d.name == d.cfg.Name }

func (d *deployment) hasRotator() bool { return len(d.backstopped()) > 0 }

func (d *deployment) rotatorARN() string { return d.arn("lambda", "function:"+d.named("rotator")) }

// named is the physical name of a part. Names are fixed, so that policies can name
// resources that do not exist yet, and deployments of different names can coexist.
func (d *deployment) named(part string) string { return d.name + "-" + part }

func (s *shared) named(part string) string { return s.cfg.Name + "-" + part }

// arn is the ARN of a resource in the stack's own account and Region.
func (s *shared) arn(service, resource string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s",
		*awscdk.Aws_PARTITION(), service, *awscdk.Aws_REGION(), *awscdk.Aws_ACCOUNT_ID(), resource)
}

func (d *deployment) stateMachineARN() string {
	return d.arn("states", "stateMachine:"+d.named("rotation"))
}

func (s *shared) secretARN(secret string) string {
	if config.IsARN(secret) {
		return secret
	}
	// Secrets Manager appends a hyphen and six random characters to the name; "*" would
	// also match every longer name.
	return s.arn("secretsmanager", "secret:"+secret+"-??????")
}
