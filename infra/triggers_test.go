package main

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func jsonOf(t *testing.T, v any) any {
	t.Helper()
	var out any
	if err := json.Unmarshal([]byte(v.(string)), &out); err != nil {
		t.Fatalf("%s: %v", v, err)
	}
	return out
}

func TestScheduleStartsTheRotation(t *testing.T) {
	s := templates[0].named(t, "AWS::Scheduler::Schedule", "ScheduleExpression", "rate(30 days)").Properties
	target := s["Target"].(map[string]any)
	want := map[string]any{
		"secretId":          "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/billing/app-AbCdEf",
		"strategy":          "alternating-users",
		"superuserSecretId": "prod/billing/admin",
		"trigger":           map[string]any{"source": "schedule", "scheduledAt": "<aws.scheduler.scheduled-time>"},
	}
	if diff := cmp.Diff(any(want), jsonOf(t, target["Input"])); diff != "" {
		t.Error(diff)
	}
	if s["ScheduleExpressionTimezone"] != "UTC" {
		t.Errorf("the schedule is in %v, want UTC", s["ScheduleExpressionTimezone"])
	}
	if target["DeadLetterConfig"] == nil || target["RetryPolicy"] == nil {
		t.Errorf("a start that fails is lost: %v", target)
	}
}

func TestNoScheduleNoSchedule(t *testing.T) {
	for id, r := range templates[1].Resources {
		if r.Type == "AWS::Scheduler::Schedule" {
			t.Errorf("the minimal configuration has the schedule %s", id)
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

// TestRotateNowKeepsTheStrategy: an event names a secret; how it is rotated comes
// from the configuration.
func TestRotateNowKeepsTheStrategy(t *testing.T) {
	const secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/billing/app-AbCdEf"
	special := templates[0].named(t, "AWS::Events::Rule", "Name", "tumbler-rotate-now-69d32d0b").Properties
	if diff := cmp.Diff(any(map[string]any{"secretId": []any{secret}}), special["EventPattern"].(map[string]any)["detail"]); diff != "" {
		t.Error(diff)
	}
	template := special["Targets"].([]any)[0].(map[string]any)["InputTransformer"].(map[string]any)["InputTemplate"]
	request := jsonOf(t, template).(map[string]any)
	if request["strategy"] != "alternating-users" || request["superuserSecretId"] != "prod/billing/admin" {
		t.Errorf("the request is %v", request)
	}
	general := templates[0].named(t, "AWS::Events::Rule", "Name", "tumbler-rotate-now").Properties
	want := map[string]any{"secretId": []any{map[string]any{"anything-but": []any{secret}}, map[string]any{"exists": false}}}
	if diff := cmp.Diff(any(want), general["EventPattern"].(map[string]any)["detail"]); diff != "" {
		t.Error(diff)
	}
}
