package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/metrics"
)

// TestAlarms: each goes to the topic, and counts something that is written.
func TestAlarms(t *testing.T) {
	known := []string{"ExecutionThrottled", "ApproximateAgeOfOldestMessage", "Invocations", "Errors", "ExecutionsTimedOut"}
	for _, name := range metrics.Names {
		known = append(known, string(name))
	}
	var names []string
	for id, r := range templates[0].Resources {
		switch r.Type {
		case "AWS::Logs::MetricFilter":
			known = append(known, r.Properties["MetricTransformations"].([]any)[0].(map[string]any)["MetricName"].(string))
		case "AWS::CloudWatch::Alarm":
			names = append(names, r.Properties["AlarmName"].(string))
			for _, when := range []string{"AlarmActions", "OKActions"} {
				if got := templates[0].texts(r.Properties[when]); !slices.Equal(got, []string{"${AlertTopic}"}) {
					t.Errorf("%s: %s tells %v", id, when, got)
				}
			}
		}
	}
	for id, r := range templates[0].Resources {
		if r.Type == "AWS::CloudWatch::Alarm" && !slices.Contains(known, r.Properties["MetricName"].(string)) {
			t.Errorf("%s waits for %s, which nobody writes", id, r.Properties["MetricName"])
		}
	}
	slices.Sort(names)
	// What the workflow, the audit and the function incident alert of has no alarm, and
	// what nobody measures has none.
	var main []string
	for _, name := range names {
		if name := strings.TrimPrefix(name, "tumbler-"); !strings.HasPrefix(name, "reporting-") && !strings.HasPrefix(name, "no-vpc-") {
			main = append(main, name)
		}
	}
	if want := []string{"audit-errors", "audit-silent", "credential-gap", "fleet-timed-out", "incident-errors", "rotator-errors", "throttled", "undelivered"}; !slices.Equal(main, want) {
		t.Errorf("there are the alarms %v, want %v", main, want)
	}
	watched := synthYAML(t, "heartbeat: true\nalerts: {emails: [a@b.c]}\n"+minimal)
	watched.named(t, "AWS::CloudWatch::Alarm", "AlarmName", "tumbler-drift")
	watched.named(t, "AWS::CloudWatch::Alarm", "AlarmName", "tumbler-heartbeat-errors")
	watched.named(t, "AWS::CloudWatch::Alarm", "AlarmName", "tumbler-heartbeat-silent")
	if f := watched.named(t, "AWS::Lambda::Function", "FunctionName", "tumbler-incident").Properties; f["DeadLetterConfig"] == nil {
		t.Error("an incident that the function cannot tell is lost")
	}
	for _, target := range watched.named(t, "AWS::Events::Rule", "Name", "tumbler-incident").Properties["Targets"].([]any) {
		if target.(map[string]any)["DeadLetterConfig"] == nil {
			t.Error("an incident of which the function cannot be told is lost")
		}
	}
	for _, r := range templates[1].Resources {
		if r.Type == "AWS::CloudWatch::Alarm" {
			t.Error("there are alarms without anybody to tell")
		}
	}
}

// TestGoldenAlarms: when people are told, by every alarm of the example and of what it
// has not.
func TestGoldenAlarms(t *testing.T) {
	var b strings.Builder
	for _, tpl := range []template{templates[0].template, synthYAML(t, "name: watched\nheartbeat: true\nalerts: {emails: [a@b.c]}\n"+minimal)} {
		for _, id := range slices.Sorted(maps.Keys(tpl.Resources)) {
			p := tpl.Resources[id].Properties
			if tpl.Resources[id].Type != "AWS::CloudWatch::Alarm" {
				continue
			}
			fmt.Fprintf(&b, "%s\n  %s\n", p["AlarmName"], p["AlarmDescription"])
			series, _ := p["Metrics"].([]any)
			if series == nil {
				fmt.Fprintf(&b, "  %s %s of %s %v", p["Statistic"], p["MetricName"], p["Namespace"], dimensions(tpl, p["Dimensions"]))
			}
			for _, s := range series {
				s := s.(map[string]any)
				if s["Expression"] != nil {
					fmt.Fprintf(&b, "  %s", s["Expression"])
				}
			}
			fmt.Fprintf(&b, "\n  %s %v within %v s; without data %s\n\n", p["ComparisonOperator"], p["Threshold"], period(p), p["TreatMissingData"])
		}
	}
	checkGolden(t, "alarms.txt", b.String())
}

func dimensions(tpl template, list any) (texts []string) {
	for _, d := range list.([]any) {
		d := d.(map[string]any)
		texts = append(texts, fmt.Sprintf("%s=%s", d["Name"], tpl.text(d["Value"])))
	}
	return texts
}

func period(alarm map[string]any) any {
	if series, ok := alarm["Metrics"].([]any); ok {
		for _, s := range series {
			if stat, ok := s.(map[string]any)["MetricStat"].(map[string]any); ok {
				return stat["Period"]
			}
		}
	}
	return alarm["Period"]
}

// TestRetained: what an audit wants outlives the stack, if that is wanted, and nothing
// else does.
func TestRetained(t *testing.T) {
	const rest = "alerts: {emails: [a@b.c]}\nrotations:\n  - secret: a\n  - secret: b\n"
	kinds := []string{"AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::SNS::Topic", "AWS::SQS::Queue"}
	for _, policy := range []string{"", "removalPolicy: destroy\n", "removalPolicy: retain\n"} {
		retained := policy == "removalPolicy: retain\n"
		for id, r := range synthYAML(t, policy+rest).Resources {
			if want := retained && slices.Contains(kinds, r.Type) || r.Type == "AWS::Lambda::Version"; (r.DeletionPolicy == "RetainExceptOnCreate") != want {
				t.Errorf("%q: %s %s is deleted by %q", policy, r.Type, id, r.DeletionPolicy)
			}
		}
	}
}

// TestExistingTopic: no topic and no key is made, and subscriptions are added.
func TestExistingTopic(t *testing.T) {
	const topic = "arn:aws:sns:eu-west-1:111122223333:oncall"
	tpl := synthYAML(t, "alerts: {topic: '"+topic+"', emails: [a@b.c], severity: critical}\n"+minimal)
	for id, r := range tpl.Resources {
		if strings.HasPrefix(r.Type, "AWS::SNS::Topic") || r.Type == "AWS::KMS::Key" {
			t.Errorf("%s is made", id)
		}
	}
	s := tpl.only(t, "AWS::SNS::Subscription").Properties
	want := map[string]any{"severity": []any{"critical"}}
	if diff := cmp.Diff(any(want), s["FilterPolicy"]); s["TopicArn"] != topic || diff != "" {
		t.Errorf("the subscription is %v", s)
	}
}

// TestDashboard is a document that CloudWatch can read, with every deployment.
func TestDashboard(t *testing.T) {
	body := templates[0].text(templates[0].only(t, "AWS::CloudWatch::Dashboard").Properties["DashboardBody"])
	var d struct {
		Widgets []struct {
			Type                string
			X, Y, Width, Height int
		}
	}
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		t.Fatal(err)
	}
	for _, w := range d.Widgets {
		if w.Width < 1 || w.Height < 1 || w.X+w.Width > 24 {
			t.Errorf("a widget does not fit: %+v", w)
		}
	}
	for _, want := range []string{"tumbler-reporting", "tumbler-no-vpc", "prod/ledger/app", "CredentialGapMs"} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not on it", want)
		}
	}
}

// TestNetwork: the functions in the VPC get out to the database's group and to
// the endpoints, and nowhere else.
func TestNetwork(t *testing.T) {
	tpl := templates[0]
	f := tpl.named(t, "AWS::Lambda::Function", "FunctionName", "tumbler-setsecret").Properties
	own := f["VpcConfig"].(map[string]any)["SecurityGroupIds"].([]any)[0].(map[string]any)["Fn::GetAtt"].([]any)[0].(string)
	for _, rule := range tpl.Resources[own].Properties["SecurityGroupEgress"].([]any) {
		if rule.(map[string]any)["IpProtocol"] != "icmp" {
			t.Errorf("the functions may go to %v", rule)
		}
	}
	var out, in []string
	for _, id := range slices.Sorted(maps.Keys(tpl.Resources)) {
		switch r := tpl.Resources[id]; r.Type {
		case "AWS::EC2::SecurityGroupEgress":
			out = append(out, tpl.text(r.Properties["DestinationSecurityGroupId"])+" "+tpl.text(r.Properties["ToPort"]))
		case "AWS::EC2::SecurityGroupIngress":
			in = append(in, tpl.text(r.Properties["GroupId"])+" "+tpl.text(r.Properties["ToPort"])+" from "+tpl.text(r.Properties["SourceSecurityGroupId"]))
		case "AWS::EC2::VPCEndpoint":
			if r.Properties["PrivateDnsEnabled"] != false || r.Properties["PolicyDocument"] == nil {
				t.Errorf("the endpoint %s is for everybody in the VPC: %v", id, r.Properties)
			}
		}
	}
	if want := []string{"sg-0a1b2c3d4e5f60718 3306", "sg-0a1b2c3d4e5f60718 5432", "${EndpointGroup.GroupId} 443"}; !slices.Equal(out, want) {
		t.Errorf("out: %v, want %v", out, want)
	}
	if want := []string{"sg-0a1b2c3d4e5f60718 3306 from ${DatabaseClients.GroupId}", "sg-0a1b2c3d4e5f60718 5432 from ${DatabaseClients.GroupId}"}; !slices.Equal(in, want) {
		t.Errorf("in: %v, want %v", in, want)
	}
}

func TestDualStackAndReuse(t *testing.T) {
	tpl := synthYAML(t, "networks:\n  db: {vpc: vpc-00000001, subnets: [subnet-00000001], dualStack: true, databasePorts: [5432], endpoints: reuse, endpointSecurityGroups: [sg-00000001]}\n"+
		"rotations:\n  - {secret: a, network: db}\n")
	f := tpl.named(t, "AWS::Lambda::Function", "FunctionName", "tumbler-setsecret").Properties
	if f["VpcConfig"].(map[string]any)["Ipv6AllowedForDualStack"] != true {
		t.Errorf("the function is %v", f["VpcConfig"])
	}
	rules, _ := json.Marshal(tpl.only(t, "AWS::EC2::SecurityGroup").Properties["SecurityGroupEgress"])
	if !strings.Contains(string(rules), "::/0") || strings.Contains(string(rules), "443") {
		t.Errorf("the rules are %s", rules)
	}
	if to := tpl.only(t, "AWS::EC2::SecurityGroupEgress").Properties; to["DestinationSecurityGroupId"] != "sg-00000001" || to["ToPort"] != 443.0 {
		t.Errorf("the way to the endpoints is %v", to)
	}
}

// TestVPCByTags needs to know where to look.
func TestVPCByTags(t *testing.T) {
	const src = "rotations:\n  - {secret: a, network: {vpcTags: {Name: prod}}}\n"
	t.Setenv("CDK_DEFAULT_ACCOUNT", "")
	t.Setenv("CDK_DEFAULT_REGION", "")
	cfg := parse(t, src)
	if _, err := synth(cfg); err == nil || !strings.Contains(err.Error(), "log in to AWS") {
		t.Errorf("got %v", err)
	}
	t.Setenv("CDK_DEFAULT_ACCOUNT", "111122223333")
	t.Setenv("CDK_DEFAULT_REGION", "eu-west-1")
	// Without the CLI the context provider answers with a VPC of its own making.
	f := synthConfig(t, cfg).named(t, "AWS::Lambda::Function", "FunctionName", "tumbler-setsecret").Properties
	if len(f["VpcConfig"].(map[string]any)["SubnetIds"].([]any)) == 0 {
		t.Error("no subnets are found")
	}
}
