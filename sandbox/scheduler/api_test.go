package scheduler_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tumbler-rotation/tumbler/sandbox/scheduler"
)

func TestGetSchedule(t *testing.T) {
	e := newEnv(t, scheduler.Config{})
	ctx := t.Context()
	created, err := e.CreateSchedule(ctx, valid("rate(1 day)"))
	e.check(err)
	const arn = "arn:aws:scheduler:eu-north-1:123456789012:schedule/default/s"
	if *created.ScheduleArn != arn {
		t.Errorf("ARN %s", *created.ScheduleArn)
	}
	got, err := e.GetSchedule(ctx, &sdk.GetScheduleInput{Name: aws.String("s")})
	e.check(err)
	want := &sdk.GetScheduleOutput{
		Arn: aws.String(arn), Name: aws.String("s"), GroupName: aws.String("default"), State: types.ScheduleStateEnabled,
		ScheduleExpression: aws.String("rate(1 day)"), ScheduleExpressionTimezone: aws.String("UTC"),
		ActionAfterCompletion: types.ActionAfterCompletionNone, FlexibleTimeWindow: valid("").FlexibleTimeWindow,
		CreationDate: &begin, LastModificationDate: &begin, Target: valid("").Target,
	}
	want.Target.RetryPolicy = &types.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(86400), MaximumRetryAttempts: aws.Int32(185)}
	ignore := []cmp.Option{
		cmpopts.IgnoreFields(sdk.GetScheduleOutput{}, "ResultMetadata"),
		cmpopts.IgnoreUnexported(sdk.GetScheduleOutput{}, types.Target{}, types.RetryPolicy{}, types.FlexibleTimeWindow{}),
	}
	if diff := cmp.Diff(want, got, ignore...); diff != "" {
		t.Error(diff)
	}

	// An update replaces everything but the date of creation.
	e.pass(time.Hour)
	start, end := begin.Add(48*time.Hour), begin.Add(96*time.Hour)
	update := &sdk.UpdateScheduleInput{
		Name: aws.String("s"), ScheduleExpression: aws.String("cron(0 2 ? * SUN *)"), State: types.ScheduleStateDisabled,
		Description: aws.String("d"), StartDate: &start, EndDate: &end,
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible, MaximumWindowInMinutes: aws.Int32(30)},
		Target:             &types.Target{Arn: aws.String(machine), RoleArn: want.Target.RoleArn, RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(0)}},
	}
	_, err = e.UpdateSchedule(ctx, update)
	e.check(err)
	got, err = e.GetSchedule(ctx, &sdk.GetScheduleInput{Name: aws.String("s"), GroupName: aws.String("default")})
	e.check(err)
	modified := e.clock.Now()
	want.ScheduleExpression, want.State, want.Description = update.ScheduleExpression, update.State, update.Description
	want.StartDate, want.EndDate, want.LastModificationDate = &start, &end, &modified
	want.FlexibleTimeWindow, want.Target = update.FlexibleTimeWindow, update.Target
	want.Target.RetryPolicy.MaximumEventAgeInSeconds = aws.Int32(86400)
	if diff := cmp.Diff(want, got, ignore...); diff != "" {
		t.Error(diff)
	}
}

func TestNotFoundAndConflict(t *testing.T) {
	e := newEnv(t, scheduler.Config{})
	ctx := t.Context()
	_, err := e.GetSchedule(ctx, &sdk.GetScheduleInput{Name: aws.String("s")})
	e.refused(err, "ResourceNotFoundException", "Schedule s does not exist.")
	_, err = e.GetSchedule(ctx, &sdk.GetScheduleInput{Name: aws.String("s"), GroupName: aws.String("g")})
	e.refused(err, "ResourceNotFoundException", "Schedule group g does not exist.")
	_, err = e.DeleteSchedule(ctx, &sdk.DeleteScheduleInput{Name: aws.String("s")})
	e.refused(err, "ResourceNotFoundException", "Schedule s does not exist.")
	_, err = e.UpdateSchedule(ctx, &sdk.UpdateScheduleInput{
		Name: aws.String("s"), ScheduleExpression: aws.String("rate(1 day)"), FlexibleTimeWindow: valid("").FlexibleTimeWindow, Target: valid("").Target,
	})
	e.refused(err, "ResourceNotFoundException", "Schedule s does not exist.")
	_, err = e.CreateSchedule(ctx, valid("rate(1 day)", func(in *input) { in.GroupName = aws.String("g") }))
	e.refused(err, "ResourceNotFoundException", "Schedule group g does not exist.")
	_, err = e.GetScheduleGroup(ctx, &sdk.GetScheduleGroupInput{Name: aws.String("g")})
	e.refused(err, "ResourceNotFoundException", "Schedule group g does not exist.")
	_, err = e.ListSchedules(ctx, &sdk.ListSchedulesInput{GroupName: aws.String("g")})
	e.refused(err, "ResourceNotFoundException", "Schedule group g does not exist.")

	e.create("rate(1 day)")
	_, err = e.CreateSchedule(ctx, valid("rate(1 day)"))
	e.refused(err, "ConflictException", "Schedule s already exists.")
	_, err = e.CreateScheduleGroup(ctx, &sdk.CreateScheduleGroupInput{Name: aws.String("default")})
	e.refused(err, "ConflictException", "Schedule group default already exists.")
	_, err = e.DeleteScheduleGroup(ctx, &sdk.DeleteScheduleGroupInput{Name: aws.String("default")})
	e.refused(err, "ValidationException", "The default schedule group cannot be deleted.")
}

func TestClientTokenRepeats(t *testing.T) {
	e := newEnv(t, scheduler.Config{})
	ctx, token := t.Context(), aws.String("t-1")
	for range 2 {
		_, err := e.CreateScheduleGroup(ctx, &sdk.CreateScheduleGroupInput{Name: aws.String("g"), ClientToken: token})
		e.check(err)
	}
	for range 2 {
		_, err := e.CreateSchedule(ctx, valid("rate(1 day)", func(in *input) { in.ClientToken, in.GroupName = token, aws.String("g") }))
		e.check(err)
	}
	for range 2 {
		_, err := e.DeleteSchedule(ctx, &sdk.DeleteScheduleInput{Name: aws.String("s"), GroupName: aws.String("g"), ClientToken: token})
		e.check(err)
	}
	for range 2 {
		_, err := e.DeleteScheduleGroup(ctx, &sdk.DeleteScheduleGroupInput{Name: aws.String("g"), ClientToken: token})
		e.check(err)
	}
}

func TestGroups(t *testing.T) {
	e := newEnv(t, scheduler.Config{})
	ctx, g := t.Context(), aws.String("tumbler")
	out, err := e.CreateScheduleGroup(ctx, &sdk.CreateScheduleGroupInput{Name: g})
	e.check(err)
	if *out.ScheduleGroupArn != "arn:aws:scheduler:eu-north-1:123456789012:schedule-group/tumbler" {
		t.Error(*out.ScheduleGroupArn)
	}
	got, err := e.GetScheduleGroup(ctx, &sdk.GetScheduleGroupInput{Name: g})
	e.check(err)
	if *got.Name != "tumbler" || got.State != types.ScheduleGroupStateActive || !got.CreationDate.Equal(begin) {
		t.Errorf("%+v", got)
	}
	// The same name in two groups is two schedules; another Region sees neither.
	e.create("cron(0 6 * * ? *)")
	e.create("cron(0 7 * * ? *)", func(in *input) { in.GroupName = g })
	elsewhere, err := e.client("us-east-1").ListSchedules(ctx, &sdk.ListSchedulesInput{})
	e.check(err)
	if len(elsewhere.Schedules) != 0 {
		t.Errorf("another Region sees %d schedules", len(elsewhere.Schedules))
	}
	groups, err := e.ListScheduleGroups(ctx, &sdk.ListScheduleGroupsInput{})
	e.check(err)
	if len(groups.ScheduleGroups) != 2 {
		t.Errorf("%d groups", len(groups.ScheduleGroups))
	}
	groups, err = e.ListScheduleGroups(ctx, &sdk.ListScheduleGroupsInput{NamePrefix: aws.String("tum")})
	e.check(err)
	if len(groups.ScheduleGroups) != 1 {
		t.Errorf("%d groups with the prefix", len(groups.ScheduleGroups))
	}
	_, err = e.DeleteScheduleGroup(ctx, &sdk.DeleteScheduleGroupInput{Name: g})
	e.check(err)
	e.pass(24 * time.Hour)
	if diff := cmp.Diff([]string{"04 06:00:00"}, e.times()); diff != "" {
		t.Errorf("the deleted group's schedule fires: %s", diff)
	}
}

func TestListSchedules(t *testing.T) {
	e := newEnv(t, scheduler.Config{})
	ctx := t.Context()
	for i := range 25 {
		e.create("rate(1 day)", func(in *input) {
			in.Name = aws.String(fmt.Sprintf("s%02d", i))
			if i%5 == 0 {
				in.State = types.ScheduleStateDisabled
			}
		})
	}
	list := func(in sdk.ListSchedulesInput) (names []string, pages int) {
		t.Helper()
		p := sdk.NewListSchedulesPaginator(e.Client, &in)
		for p.HasMorePages() {
			page, err := p.NextPage(ctx)
			e.check(err)
			pages++
			for _, s := range page.Schedules {
				names = append(names, *s.Name)
				if *s.Target.Arn != machine {
					t.Errorf("target %s", *s.Target.Arn)
				}
			}
		}
		return names, pages
	}
	if names, pages := list(sdk.ListSchedulesInput{MaxResults: aws.Int32(10)}); len(names) != 25 || pages != 3 || names[24] != "s24" {
		t.Errorf("%d pages of %v", pages, names)
	}
	names, _ := list(sdk.ListSchedulesInput{State: types.ScheduleStateDisabled, NamePrefix: aws.String("s1"), GroupName: aws.String("default")})
	if diff := cmp.Diff([]string{"s10", "s15"}, names); diff != "" {
		t.Error(diff)
	}
	_, err := e.ListSchedules(ctx, &sdk.ListSchedulesInput{MaxResults: aws.Int32(101)})
	e.refused(err, "ValidationException", "1 validation error detected: Value at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100")
	_, err = e.ListSchedules(ctx, &sdk.ListSchedulesInput{NextToken: aws.String("x")})
	e.refused(err, "ValidationException", "Invalid NextToken.")
}

func TestValidation(t *testing.T) {
	const at = "1 validation error detected: Value at '%s' failed to satisfy constraint: "
	long := func(n int) *string { return aws.String(strings.Repeat("x", n)) }
	past := begin.Add(-6 * time.Minute)
	for want, edit := range map[string]func(*input){
		fmt.Sprintf(at, "name") + "Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$": func(in *input) { in.Name = aws.String("a b") },
		fmt.Sprintf(at, "name") + "Member must have length less than or equal to 64":                  func(in *input) { in.Name = long(65) },
		fmt.Sprintf(at, "description") + "Member must have length less than or equal to 512":          func(in *input) { in.Description = long(513) },
		fmt.Sprintf(at, "state") + "Member must satisfy enum value set: [ENABLED, DISABLED]":          func(in *input) { in.State = "ON" },
		fmt.Sprintf(at, "flexibleTimeWindow.maximumWindowInMinutes") + "Member must have value less than or equal to 1440": func(in *input) {
			in.FlexibleTimeWindow = &types.FlexibleTimeWindow{Mode: "FLEXIBLE", MaximumWindowInMinutes: aws.Int32(1441)}
		},
		"MaximumWindowInMinutes must be specified when FlexibleTimeWindow mode is FLEXIBLE.": func(in *input) { in.FlexibleTimeWindow.Mode = "FLEXIBLE" },
		"MaximumWindowInMinutes must not be specified when FlexibleTimeWindow mode is OFF.":  func(in *input) { in.FlexibleTimeWindow.MaximumWindowInMinutes = aws.Int32(5) },
		fmt.Sprintf(at, "target.retryPolicy.maximumRetryAttempts") + "Member must have value less than or equal to 185": func(in *input) {
			in.Target.RetryPolicy = &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(186)}
		},
		fmt.Sprintf(at, "target.retryPolicy.maximumEventAgeInSeconds") + "Member must have value greater than or equal to 60": func(in *input) {
			in.Target.RetryPolicy = &types.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(59)}
		},
		fmt.Sprintf(at, "target.roleArn") + `Member must satisfy regular expression pattern: ^arn:aws(-[a-z]+)?:iam::\d{12}:role\/[\w+=,.@\/-]+$`: func(in *input) { in.Target.RoleArn = aws.String("role") },
		"Invalid Target Input: it must be valid JSON.":                           func(in *input) { in.Target.Input = aws.String("{") },
		"The sandbox has no targets with SqsParameters.":                         func(in *input) { in.Target.SqsParameters = &types.SqsParameters{} },
		"The sandbox knows the time zone UTC only, not Asia/Tokyo.":              func(in *input) { in.ScheduleExpressionTimezone = aws.String("Asia/Tokyo") },
		"Invalid Schedule Expression Timezone Mars/Olympus.":                     func(in *input) { in.ScheduleExpressionTimezone = aws.String("Mars/Olympus") },
		"The StartDate you specify cannot be earlier than 5 minutes ago.":        func(in *input) { in.StartDate = &past },
		"The EndDate you specify must be in the future and after the StartDate.": func(in *input) { in.EndDate = &past },
	} {
		e := newEnv(t, scheduler.Config{})
		_, err := e.CreateSchedule(t.Context(), valid("rate(1 day)", edit))
		e.refused(err, "ValidationException", want)
	}
	for _, expression := range []string{
		"rate(0 days)", "rate(1 week)", "rate(1day)", "rate(-1 day)", "rate(999999999 days)", "rate()", "1 day", "", "every day",
		"cron(0 2 * * *)", "cron(0 2 * * * *)", "cron(0 2 ? * ? *)", "cron(0 25 * * ? *)", "cron(0 2 * * ? *", "at(2026-02-30T00:00:00)", "at(2026-03-04)", "at(0001-01-01T00:00:00)",
	} {
		e := newEnv(t, scheduler.Config{})
		_, err := e.CreateSchedule(t.Context(), valid(expression))
		want := "Invalid Schedule Expression " + expression + "."
		if expression == "" {
			want = fmt.Sprintf(at, "scheduleExpression") + "Member must have length greater than or equal to 1"
		}
		e.refused(err, "ValidationException", want)
	}
}

func TestDeadLetterPage(t *testing.T) {
	e := newEnv(t, scheduler.Config{})
	page := func() string {
		w := httptest.NewRecorder()
		e.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/_sandbox/dead-letters", nil))
		return w.Body.String()
	}
	if got := page(); got != `{"deadLetters":[]}`+"\n" {
		t.Error(got)
	}
	e.fail = func(int) error { return fmt.Errorf("no") }
	e.create("at(2026-03-04T06:00:00)", func(in *input) { in.Target.RetryPolicy = &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(0)} })
	e.pass(time.Hour)
	if got := page(); !strings.Contains(got, `"exhaustedRetryCondition":"MaximumRetryAttempts"`) {
		t.Error(got)
	}
}
