package registry_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/scheduler"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
)

// TestApply: schedules are made, found, left alone while they are as they
// should be, changed and removed; others in the group stay.
func TestApply(t *testing.T) {
	e := newEnv(t)
	ctx := context.Background()
	const n = 400
	e.configure(registry.Name("prod/of-the-template"), request("prod/of-the-template"))
	var want []registry.Schedule
	for i := range n {
		id := fmt.Sprintf("prod/app-%d", i)
		want = append(want, registry.Schedule{
			SecretID: id, Description: "Rotates " + id, Enabled: true, Expression: "rate(30 days)", Deadline: time.Hour, Retries: 185, Flexible: 30,
			StartDate: time.Now().Add(48 * time.Hour).UTC().Format(time.RFC3339), Input: `{"secretId":"` + id + `","trigger":{"source":"schedule"}}`,
		})
	}
	target := registry.Target{
		ARN: "arn:aws:states:eu-north-1:123456789012:stateMachine:tumbler-rotation", RoleARN: "arn:aws:iam::123456789012:role/scheduler",
		QueueARN: "arn:aws:sqs:eu-north-1:123456789012:tumbler-undelivered",
	}
	apply := func(list []registry.Schedule, want registry.Applied) {
		t.Helper()
		if done, err := e.Apply(ctx, list, target); err != nil || done != want {
			t.Fatalf("%+v, %v; want %+v", done, err, want)
		}
	}
	apply(want, registry.Applied{Created: n})
	apply(want, registry.Applied{Kept: n})
	later := slices.Clone(want)
	for i := range later { // synthesised a month later
		later[i].StartDate = time.Now().Add(31 * 24 * time.Hour).UTC().Format(time.RFC3339)
	}
	later[7].Enabled, later[7].Expression, later[7].StartDate = false, "cron(0 0 1 1 ? *)", ""
	apply(later[:n-1], registry.Applied{Kept: n - 2, Updated: 1, Deleted: 1})

	entries, err := e.List(ctx)
	if err != nil || len(entries) != n {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for id, there := range map[string]bool{"prod/app-0": true, "prod/app-7": true, "prod/app-399": false, "prod/of-the-template": true} {
		if _, found, err := e.Lookup(ctx, "arn:aws:secretsmanager:eu-north-1:123456789012:secret:"+id+"-AbCdEf", id); err != nil || found != there {
			t.Errorf("%s: %t, %v", id, found, err)
		}
	}
	configured, err := e.Configured(ctx)
	if err != nil || !configured("", "prod/app-0") || configured("", "prod/app-399") {
		t.Error("Configured does not know what was applied")
	}
	apply(nil, registry.Applied{Deleted: n - 1})
	left, err := e.api.ListSchedules(ctx, &sdk.ListSchedulesInput{})
	if err != nil || len(left.Schedules) != 1 {
		t.Errorf("%d schedules are left, %v", len(left.Schedules), err)
	}
}
