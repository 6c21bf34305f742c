package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/config"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

func marshal(t *testing.T, v any) string {
	t.Helper()
	src, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

func jsonOf(t *testing.T, v any) any {
	t.Helper()
	var out any
	if err := json.Unmarshal([]byte(v.(string)), &out); err != nil {
		t.Fatalf("%s: %v", v, err)
	}
	return out
}

const billing = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/billing/app-AbCdEf"

func (tpl template) schedule(t *testing.T, secret string) (properties, target map[string]any) {
	t.Helper()
	properties = tpl.named(t, "AWS::Scheduler::Schedule", "Name", registry.Name(secret)).Properties
	return properties, properties["Target"].(map[string]any)
}

func TestScheduleStartsTheRotation(t *testing.T) {
	s, target := templates[0].schedule(t, "prod/orders/app")
	want := map[string]any{
		"secretId":          "prod/orders/app",
		"strategy":          "single-user",
		"superuserSecretId": "prod/orders/admin",
		"alsoUpdate":        []any{"url"},
		"username":          "orders",
		"recoverPassword":   true,
		"schedule": map[string]any{
			"expression": "cron(0 2 ? * SUN *)", "duration": "3h", "freeze": []any{"2026-12-15..2027-01-05 year-end"},
		},
		"password": map[string]any{"length": 40.0, "excludeCharacters": `/@"'\:;`, "requireEachIncludedType": true},
		"trigger":  map[string]any{"source": "schedule", "scheduledAt": "<aws.scheduler.scheduled-time>"},
	}
	if diff := cmp.Diff(any(want), jsonOf(t, target["Input"])); diff != "" {
		t.Error(diff)
	}
	for property, want := range map[string]any{
		"ScheduleExpressionTimezone": "UTC", "State": "ENABLED", "ScheduleExpression": "cron(0 2 ? * 1 *)",
		"FlexibleTimeWindow": map[string]any{"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60.0},
	} {
		if diff := cmp.Diff(want, s[property]); diff != "" {
			t.Errorf("%s: %s", property, diff)
		}
	}
	// 3 h of window, less 1 h flexible start, less 15 min for the run.
	if diff := cmp.Diff(any(map[string]any{"MaximumEventAgeInSeconds": 6300.0, "MaximumRetryAttempts": 185.0}), target["RetryPolicy"]); diff != "" {
		t.Error(diff)
	}
	if target["DeadLetterConfig"] == nil {
		t.Errorf("a start that fails is lost: %v", target)
	}
}

// TestRegistryIsComplete: every rotation has a schedule with a request that Plan
// accepts; the one without a schedule of its own is disabled.
func TestRegistryIsComplete(t *testing.T) {
	for _, tpl := range templates {
		for _, r := range tpl.cfg.Rotations {
			s, target := tpl.schedule(t, r.Secret)
			input := strings.Replace(target["Input"].(string), "<aws.scheduler.scheduled-time>", "2026-10-04T02:00:00Z", 1)
			request, err := rotation.ParseRequest(json.RawMessage(input))
			if err != nil || request.SecretID != r.Secret {
				t.Errorf("%s: %s: %v", tpl.name, input, err)
			}
			want := map[bool]string{true: "DISABLED", false: "ENABLED"}[r.Schedule == ""]
			if s["State"] != want {
				t.Errorf("%s: the schedule of %s is %v, want %s", tpl.name, r.Secret, s["State"], want)
			}
		}
	}
}

// TestNothingRotatesOnDeployment: a rate begins at one of its windows, in the
// future; EventBridge Scheduler would start it at once otherwise.
func TestNothingRotatesOnDeployment(t *testing.T) {
	s, _ := templates[0].schedule(t, billing)
	if s["ScheduleExpression"] != "rate(30 days)" || s["StartDate"] != "2026-10-04T00:00:00Z" {
		t.Errorf("the schedule is %v from %v", s["ScheduleExpression"], s["StartDate"])
	}
	timetable, _ := templates[0].cfg.Rotations[1].Timetable()
	schedule := timetable.Schedule
	if next := schedule.Next(synthesised()).OpensAt.Format("2006-01-02T15:04:05Z"); s["StartDate"] != next {
		t.Errorf("it starts %v, and the next window opens %s", s["StartDate"], next)
	}
	for _, tpl := range templates {
		for id, r := range tpl.Resources {
			expression, _ := r.Properties["ScheduleExpression"].(string)
			if r.Type == "AWS::Scheduler::Schedule" && strings.HasPrefix(expression, "rate") && r.Properties["StartDate"] == nil {
				t.Errorf("%s: %s starts when it is deployed", tpl.name, id)
			}
		}
	}
}

// TestRemovedRotationLeavesNothing: what belongs to one rotation is only there
// because of it, and nothing of the others changes.
func TestRemovedRotationLeavesNothing(t *testing.T) {
	const first = "  - secret: a\n    schedule: rate(10 days)\n    rotateImmediately: true\n    nativeBackstop: 90d\n"
	const second = "  - secret: b\n    schedule: rate(10 days)\n    rotateImmediately: true\n    nativeBackstop: 90d\n"
	both, alone := synthYAML(t, "rotations:\n"+first+second), synthYAML(t, "rotations:\n"+second)
	for id, r := range alone.Resources {
		switch r.Type {
		case "AWS::Scheduler::Schedule", "Custom::TumblerRotateImmediately", "AWS::SecretsManager::RotationSchedule":
			if diff := cmp.Diff(r, both.Resources[id]); diff != "" {
				t.Errorf("%s changes when another rotation is removed: %s", id, diff)
			}
		}
	}
	for id := range alone.Resources {
		if strings.Contains(id, "Schedulea"+registry.Name("a")[2:]) {
			t.Errorf("%s is left behind", id)
		}
	}
	for _, tpl := range []template{both, alone} {
		for id, r := range tpl.Resources {
			if strings.HasPrefix(r.Type, "AWS::SecretsManager::Secret") {
				t.Errorf("%s is a %s: a stack must not own secrets", id, r.Type)
			}
		}
	}
}

func TestRotateNowEvent(t *testing.T) {
	rule := templates[1].only(t, "AWS::Events::Rule").Properties
	if diff := cmp.Diff(any(map[string]any{"source": []any{"tumbler.rotate-now"}}), rule["EventPattern"]); diff != "" {
		t.Error(diff)
	}
	target := rule["Targets"].([]any)[0].(map[string]any)
	want := map[string]any{
		"InputPathsMap": map[string]any{"secretId": "$.detail.secretId"},
		"InputTemplate": `{"secretId":<secretId>,"trigger":{"source":"event"}}`,
	}
	if diff := cmp.Diff(any(want), target["InputTransformer"]); diff != "" {
		t.Error(diff)
	}
	if target["DeadLetterConfig"] == nil {
		t.Error("an event that cannot be delivered is lost")
	}
}

// TestRotateNowHasABusOfItsOwn: whoever may put events on the default bus, which is
// often everybody, rotates nothing.
func TestRotateNowHasABusOfItsOwn(t *testing.T) {
	for _, tpl := range templates {
		if name := tpl.only(t, "AWS::Events::EventBus").Properties["Name"]; name != "tumbler-rotate-now" {
			t.Errorf("%s: the bus is %v", tpl.name, name)
		}
		for id, r := range tpl.Resources {
			asks := r.Type == "AWS::Events::Rule" && strings.Contains(marshal(t, r.Properties["EventPattern"]), statemachine.EventSource)
			if asks && r.Properties["EventBusName"] != "tumbler-rotate-now" {
				t.Errorf("%s: the rule %s listens on %v", tpl.name, id, r.Properties["EventBusName"])
			}
			if strings.Contains(id, "RotateNowRole") {
				trust := marshal(t, r.Properties["AssumeRolePolicyDocument"])
				if !strings.Contains(trust, "rule/tumbler-rotate-now/tumbler-") {
					t.Errorf("%s: the role may be assumed for another rule: %s", tpl.name, trust)
				}
			}
		}
	}
	// Nobody is named: IAM decides within the account, and nobody outside may.
	for id, r := range templates[1].Resources {
		if r.Type == "AWS::Events::EventBusPolicy" {
			t.Errorf("%s: %v", id, r.Properties)
		}
	}
}

// TestRotateNowAdmitsWhoIsNamed, and keeps everybody else out, whatever IAM allows
// them.
func TestRotateNowAdmitsWhoIsNamed(t *testing.T) {
	const role, user = "arn:aws:iam::111122223333:role/incident-response", "arn:aws:iam::444455556666:user/x"
	for allow, want := range map[string][2]string{
		role: {
			`{"AWS":"` + role + `"}`, `{"ArnNotEquals":{"aws:PrincipalArn":"` + role + `"}}`,
		},
		"777788889999": {
			`{"AWS":"arn:aws:iam::777788889999:root"}`, `{"StringNotEquals":{"aws:PrincipalAccount":"777788889999"}}`,
		},
		role + `", "` + user + `", "arn:aws:iam::777788889999:root`: {
			`{"AWS":["` + role + `","` + user + `","arn:aws:iam::777788889999:root"]}`,
			`{"ArnNotEquals":{"aws:PrincipalArn":["` + role + `","` + user + `"]},"StringNotEquals":{"aws:PrincipalAccount":"777788889999"}}`,
		},
	} {
		tpl := synthYAML(t, "rotateNow: {allow: [\""+allow+"\"]}\nrotations: [{secret: a}]\n")
		named := tpl.named(t, "AWS::Events::EventBusPolicy", "StatementId", "Named").Properties["Statement"].(map[string]any)
		nobody := tpl.named(t, "AWS::Events::EventBusPolicy", "StatementId", "NobodyElse").Properties["Statement"].(map[string]any)
		if got := marshal(t, resolved{tpl}.plain(named["Principal"])); got != want[0] || named["Effect"] != "Allow" || named["Action"] != "events:PutEvents" {
			t.Errorf("%s: %s may, want %s; %v", allow, got, want[0], named)
		}
		if got := marshal(t, resolved{tpl}.plain(nobody["Condition"])); got != want[1] || nobody["Effect"] != "Deny" || nobody["Principal"] != "*" {
			t.Errorf("%s: denied unless %s, want %s; %v", allow, got, want[1], nobody)
		}
	}
}

// TestRotateNowTurnedOff leaves nothing behind that an event could start.
func TestRotateNowTurnedOff(t *testing.T) {
	tpl := synthYAML(t, "rotateNow: {enabled: false}\nrotations: [{secret: a}]\n")
	for id, r := range tpl.Resources {
		if r.Type == "AWS::Events::EventBus" || r.Type == "AWS::Events::Rule" || strings.Contains(id, "RotateNow") {
			t.Errorf("%s is still there", id)
		}
	}
	plan := tpl.named(t, "AWS::Lambda::Function", "FunctionName", "tumbler-plan").Properties
	if got := plan["Environment"].(map[string]any)["Variables"].(map[string]any)["TUMBLER_EVENT_INTERVAL"]; got != "1h" {
		t.Errorf("Plan is told the interval %v", got)
	}
}

// TestRotateNowFindsTheNetwork: an event reaches the workflow of its secret; one
// about a secret that nobody knows reaches the main one, which refuses it.
func TestRotateNowFindsTheNetwork(t *testing.T) {
	other := templates[0].named(t, "AWS::Events::Rule", "Name", "tumbler-reporting-rotate-now").Properties
	want := map[string]any{"secretId": []any{
		map[string]any{"wildcard": "prod/ledger/app"}, map[string]any{"wildcard": "arn:*:secret:prod/ledger/app-*"},
	}}
	if diff := cmp.Diff(any(want), other["EventPattern"].(map[string]any)["detail"]); diff != "" {
		t.Error(diff)
	}
	main := templates[0].named(t, "AWS::Events::Rule", "Name", "tumbler-rotate-now").Properties
	want = map[string]any{"secretId": []any{
		map[string]any{"anything-but": map[string]any{"wildcard": []any{
			"prod/status/app", "arn:*:secret:prod/status/app-*", "prod/ledger/app", "arn:*:secret:prod/ledger/app-*",
		}}},
		map[string]any{"exists": false},
	}}
	if diff := cmp.Diff(any(want), main["EventPattern"].(map[string]any)["detail"]); diff != "" {
		t.Error(diff)
	}
}

// TestPrivateAuthorities reach the functions that log in to databases, and no other.
func TestPrivateAuthorities(t *testing.T) {
	cfg := parse(t, "heartbeat: true\nrotations: [{secret: a, nativeBackstop: 90d}]\n")
	cfg.Authorities = certs.New("a private authority").PEM()
	tpl := synthConfig(t, cfg)
	tpl.only(t, "AWS::Lambda::LayerVersion")
	for _, r := range tpl.Resources {
		if r.Type != "AWS::Lambda::Function" {
			continue
		}
		name := strings.TrimPrefix(r.Properties["FunctionName"].(string), "tumbler-")
		variables := r.Properties["Environment"].(map[string]any)["Variables"].(map[string]any)
		database := slices.Contains([]string{"setsecret", "testsecret", "restore", "preflight", "heartbeat", "rotator"}, name)
		if got := strings.Join(tpl.texts(r.Properties["Layers"]), " "); got != map[bool]string{true: "${Authorities}"}[database] {
			t.Errorf("%s has the layers %s", name, got)
		}
		if got, has := variables[all.AuthoritiesVariable]; has != database || has && got != "/opt/tumbler/certificate-authorities.pem" {
			t.Errorf("%s is told of %v", name, got)
		}
	}
}

// TestEgress: without the databases' groups and ports, the usual ports are open, and
// HTTPS for AWS where there are no endpoints; nothing else is.
func TestEgress(t *testing.T) {
	for network, want := range map[string]string{
		"":                                      "443 1433 1521 2484 3306 5432 5439 27017",
		"databasePorts: [6543]":                 "443 6543",
		"endpoints: create":                     "1433 1521 2484 3306 5432 5439 27017",
		"databaseSecurityGroups: [sg-00000001]": "443",
		"databaseSecurityGroups: [sg-00000001], databasePorts: [6543, 443]": "443",
		"databaseSecurityGroups: [sg-00000001], endpoints: create":          "",
	} {
		tpl := synthYAML(t, "rotations:\n  - {secret: a, network: {vpc: vpc-00000001, subnets: [subnet-00000001]"+strings.TrimSuffix(", "+network, ", ")+"}}\n")
		group := tpl.named(t, "AWS::EC2::SecurityGroup", "GroupDescription", "Functions of Tumbler that log in to databases. Let it in where the database listens.")
		var ports []int
		for _, rule := range group.Properties["SecurityGroupEgress"].([]any) {
			r := rule.(map[string]any)
			if r["IpProtocol"] != "tcp" {
				continue
			}
			if r["FromPort"] != r["ToPort"] {
				t.Errorf("{%s}: ports %v to %v are open", network, r["FromPort"], r["ToPort"])
			}
			ports = append(ports, int(r["FromPort"].(float64)))
		}
		slices.Sort(ports)
		if got := strings.Trim(fmt.Sprint(ports), "[]"); got != want {
			t.Errorf("{%s}: open to everywhere are %s, want %s", network, got, want)
		}
	}
}

// TestRotateImmediately: the resource holds the rotation's own configuration and
// nothing else, so that CloudFormation calls the function for no other reason.
func TestRotateImmediately(t *testing.T) {
	r := templates[0].only(t, "Custom::TumblerRotateImmediately").Properties
	request := jsonOf(t, r["Configuration"]).(map[string]any)
	if r["SecretId"] != billing || request["secretId"] != billing || request["trigger"] != nil {
		t.Errorf("the resource is %v", r)
	}
	if len(r) != 4 {
		t.Errorf("the resource has other properties: %v", r)
	}
	cfg := *templates[0].cfg
	cfg.LogRetentionDays, cfg.Tracing, cfg.Alerts = 30, false, config.Alerts{}
	cfg.Rotations = append([]config.Rotation{{Secret: "new", Strategy: "single-user"}}, cfg.Rotations...)
	again := synthConfig(t, &cfg).only(t, "Custom::TumblerRotateImmediately").Properties
	if diff := cmp.Diff(r, again); diff != "" {
		t.Errorf("a change of something else would rotate: %s", diff)
	}
}
