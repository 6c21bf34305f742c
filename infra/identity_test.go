package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const twoNetworks = "networks:\n  one: {vpc: vpc-00000001, subnets: [subnet-00000001], databaseSecurityGroups: [sg-00000001, sg-00000002]}\n" +
	"  two: {vpc: vpc-00000002, subnets: [subnet-00000002], databaseSecurityGroups: [sg-00000003]}\ndefaults: {network: one}\n"

const (
	secretA = "  - {secret: a, schedule: rate(30 days), nativeBackstop: 90d}\n"
	secretB = "  - {secret: b, schedule: rate(30 days), network: two, nativeBackstop: 90d}\n"
	secretC = "  - {secret: c, network: none}\n"
)

// fixed are the properties that a resource cannot change: another value makes
// another resource. Source: the CloudFormation resource references ("Update
// requires: Replacement"), of what is deployed here.
var fixed = map[string][]string{
	"AWS::Lambda::Function": {"FunctionName"}, "AWS::StepFunctions::StateMachine": {"StateMachineName", "StateMachineType"},
	"AWS::Scheduler::Schedule": {"Name"}, "AWS::Scheduler::ScheduleGroup": {"Name"}, "AWS::Logs::LogGroup": {"LogGroupName"},
	"AWS::SNS::Topic": {"TopicName"}, "AWS::SQS::Queue": {"QueueName"}, "AWS::Events::Rule": {"Name", "EventBusName"}, "AWS::Events::EventBus": {"Name"},
	"AWS::SecretsManager::RotationSchedule": {"SecretId"}, "AWS::EC2::SecurityGroup": {"GroupDescription", "VpcId"},
	"AWS::EC2::SecurityGroupIngress": {"GroupId", "SourceSecurityGroupId", "FromPort", "ToPort", "IpProtocol"},
	"AWS::EC2::SecurityGroupEgress":  {"GroupId", "DestinationSecurityGroupId", "FromPort", "ToPort", "IpProtocol"},
	"AWS::EC2::VPCEndpoint":          {"VpcId", "ServiceName", "VpcEndpointType"},
	"AWS::CloudWatch::Alarm":         {"AlarmName"}, "AWS::Lambda::Permission": {"Action", "FunctionName", "Principal", "SourceAccount", "SourceArn"},
	"AWS::Lambda::Version": {"FunctionName"}, "AWS::CloudWatch::Dashboard": {"DashboardName"}, "AWS::SNS::Subscription": {"Protocol", "Endpoint", "TopicArn"},
}

// replaced lists what of a stack goes, or is made anew, when it is updated.
func replaced(t *testing.T, before, after string) (list []string) {
	t.Helper()
	a, b := synthYAML(t, before), synthYAML(t, after)
	for _, id := range slices.Sorted(maps.Keys(a.Resources)) {
		was, is := a.Resources[id], b.Resources[id]
		if is.Type != was.Type && was.UpdateReplacePolicy == "Retain" && was.Type == "AWS::Lambda::Version" {
			list = append(list, "kept "+strings.TrimRight(a.short(id, was), "0123456789abcdef"))
			continue
		}
		if is.Type != was.Type {
			list = append(list, "removed "+a.short(id, was))
			continue
		}
		for _, property := range fixed[was.Type] {
			if !cmp.Equal(was.Properties[property], is.Properties[property]) {
				list = append(list, "replaced "+a.short(id, was))
			}
		}
		if cmp.Equal(was.Properties["VpcConfig"], is.Properties["VpcConfig"]) {
			continue
		}
		list = append(list, "moved "+a.short(id, was))
	}
	return list
}

func (tpl template) short(id string, r resource) string {
	return fmt.Sprintf("%s %s", r.Type[strings.LastIndex(r.Type, ":")+1:], tpl.readable(id))
}

// said is how docs/deploy.md calls what goes or is made anew.
var said = map[string]string{
	"StateMachine": "fleet", "LogGroup": "logs", "Role": "roles", "Function": "functions", "Version": "versions", "Schedule": "schedule",
	"Permission": "permission", "SecurityGroupIngress": "rules", "SecurityGroupEgress": "rules", "SecurityGroup": "security group",
	"ScheduleGroup": "schedule group",
}

// TestIdentity compares the templates before and after each change that
// docs/deploy.md speaks of. What goes or is made anew is listed here and there. A
// rename makes another stack, of which everything is new.
func TestIdentity(t *testing.T) {
	all := twoNetworks + "rotations:\n" + secretA + secretB + secretC
	page, err := os.ReadFile("../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, changes, _ := strings.Cut(string(page), "\n## Changing things\n")
	changes, _, _ = strings.Cut(changes, "\n## ")
	for _, tt := range []struct {
		name, before, after string
		want                []string
	}{
		{"reorder", all, twoNetworks + "rotations:\n" + secretC + secretB + secretA, nil},
		{"add", twoNetworks + "rotations:\n" + secretA + secretB, all, nil},
		{"add before", twoNetworks + "rotations:\n" + secretA, twoNetworks + "rotations:\n" + secretB + secretA, nil},
		{"remove", "rotations:\n" + secretA + "  - {secret: d}\n", "rotations:\n" + secretA, []string{
			// Of one secret there is no fleet.
			"removed StateMachine Fleet", "removed LogGroup FleetLogs", "removed Role FleetRole", "removed Function PlanWaveFunction",
			"removed LogGroup PlanWaveLogs", "removed Role PlanWaveRole",
			"kept Version PlanWaveVersion", // which its function takes with it
			"removed Schedule Scheduled18ac3e73",
		}},
		{"reorder the groups of a network", all, strings.Replace(all, "[sg-00000001, sg-00000002]", "[sg-00000002, sg-00000001]", 1), nil},
		{"remove a group", all, strings.Replace(all, "[sg-00000001, sg-00000002]", "[sg-00000002]", 1), []string{
			"removed SecurityGroupIngress FromFunctions6462f9760", "removed SecurityGroupEgress ToDatabase6462f9760",
		}},
		{"name to ARN", "rotations:\n" + secretA, "rotations:\n" + strings.Replace(secretA, "secret: a", "secret: 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:a-AbCdEf'", 1), []string{
			"replaced Permission RotatorPermission", "removed Schedule Scheduleaca978112",
		}},
		{"move to another network", all, strings.Replace(all, "{secret: a, ", "{secret: a, network: two, ", 1) + "  - {secret: e}\n", []string{
			// The rotator of the one network with it; the backstop itself goes on.
			"replaced Permission NetworktwoRotatorPermission",
			"kept Version PlanVersion", // it is no longer told of the rotator
			"removed Function RotatorFunction", "removed LogGroup RotatorLogs",
			"removed Permission RotatorPermission", "removed Role RotatorRole", "removed Schedule Scheduleaca978112",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, replaced(t, tt.before, tt.after)); diff != "" {
				t.Errorf("what goes or is made anew (-docs +template): %s", diff)
			}
			for _, change := range tt.want {
				kind := strings.Fields(change)[1]
				if word := said[kind]; word == "" || !strings.Contains(changes, word) {
					t.Errorf("%s: docs/deploy.md, Changing things, does not speak of a %s (%q)", change, kind, word)
				}
			}
		})
	}
}

// TestAnotherDefaultNetwork: the set with the deployment's own name moves to the other
// network, and the set that was called after that one goes: all that it had, by kind.
func TestAnotherDefaultNetwork(t *testing.T) {
	before := twoNetworks + "rotations:\n" + secretA + secretB
	after := strings.Replace(twoNetworks, "defaults: {network: one}", "defaults: {network: two}", 1) + "rotations:\n" + strings.Replace(secretA, "secret: a, ", "secret: a, network: one, ", 1) + secretB
	var kinds []string
	for _, change := range replaced(t, before, after) {
		words := strings.Fields(change)
		kinds = append(kinds, words[0]+" "+words[1])
	}
	slices.Sort(kinds)
	want := []string{
		"kept Version", "moved Function", "removed Function", "removed LogGroup", "removed ManagedPolicy", "removed Permission", "removed Role", "removed Rule",
		"removed Schedule", "removed ScheduleGroup", "removed SecurityGroup", "removed SecurityGroupEgress", "removed SecurityGroupIngress", "removed StateMachine",
		"replaced Permission", "replaced SecurityGroup",
	}
	if diff := cmp.Diff(want, slices.Compact(kinds)); diff != "" {
		t.Errorf("what goes or is made anew (-docs +template): %s", diff)
	}
}
