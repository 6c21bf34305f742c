package rotation

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"

	"github.com/tumbler-rotation/tumbler/statemachine"
)

// fleetMachine rotates many secrets, each by an execution of the rotation's
// state machine.
func (d *deployment) fleetMachine() awsstepfunctions.CfnStateMachine {
	substitutions := d.announcements()
	planWave := d.anyVersion("planwave")
	substitutions["PlanWaveFunctionArn"] = d.versions["planwave"].Ref()
	substitutions["RotationStateMachineArn"] = d.machine.Ref()
	own := d.arn("states", "stateMachine:"+d.named("fleet"))
	role := d.role("FleetRole", "Tumbler: what the rotation of many secrets may do",
		d.trust("states.amazonaws.com", own), append(d.workflowMay([]string{planWave}), d.fleetMay(own)...))
	return d.newMachine("Fleet", "fleet", statemachine.Fleet, substitutions, role)
}

// fleetMay lets the fleet start rotations, learn how they ended, and run itself as a
// distributed Map. It may not stop a rotation: one that has begun runs to its end.
// Sources: Step Functions developer guide, "IAM policies for using Distributed Map
// states" and "Call AWS Step Functions".
func (d *deployment) fleetMay(own string) []statement {
	execution := d.arn("states", "execution:"+d.named("fleet"))
	return []statement{
		{Actions: []string{"states:StartExecution"}, Resources: []string{*d.machine.Ref(), own}},
		{
			Actions: []string{"states:DescribeExecution", "states:StopExecution"},
			Resources: []string{
				execution + ":*", execution + "/*",
			},
			Why: "The names of executions are not known before.",
		},
		{
			Actions: []string{"states:RedriveExecution"}, Resources: []string{execution + "/*"},
			Why: "The names of executions are not known before.",
		},
		{
			Actions: []string{"states:DescribeExecution"}, Resources: []string{d.arn("states", "execution:"+d.named("rotation")+":*")},
			Why: "The names of executions are not known before.",
		},
		{
			Actions:   []string{"events:DescribeRule", "events:PutRule", "events:PutTargets"},
			Resources: []string{d.arn("events", "rule/StepFunctionsGetEventsForStepFunctionsExecutionRule")},
		},
	}
}
