package scheduler

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Patterns of the API reference: CreateSchedule, Target, DeadLetterConfig.
var (
	namePattern  = regexp.MustCompile(`^[0-9a-zA-Z-_.]+$`)
	tokenPattern = regexp.MustCompile(`^[a-zA-Z0-9-_]+$`)
	rolePattern  = regexp.MustCompile(`^arn:aws(-[a-z]+)?:iam::\d{12}:role\/[\w+=,.@\/-]+$`)
	queuePattern = regexp.MustCompile(`^arn:aws(-[a-z]+)?:sqs:[a-z0-9\-]+:\d{12}:[a-zA-Z0-9\-_]+$`)
	keyPattern   = regexp.MustCompile(`^arn:aws(-[a-z]+)?:kms:[a-z0-9\-]+:\d{12}:(key|alias)\/[0-9a-zA-Z-_]*$`)
	arnPattern   = regexp.MustCompile(`^arn:`)
)

// lateStart is how far back a start date may be.
const lateStart = 5 * time.Minute

// check refuses what AWS refuses and says when the schedule fires.
func (s *Service) check(d definition) (timetable, *wire.Error) {
	if d.FlexibleTimeWindow == nil {
		return timetable{}, null("flexibleTimeWindow")
	}
	if d.Target == nil {
		return timetable{}, null("target")
	}
	err := first(
		checkName("name", d.Name),
		checkName("groupName", d.GroupName),
		checkLength("scheduleExpression", d.ScheduleExpression, 1, 256),
		checkLength("scheduleExpressionTimezone", d.ScheduleExpressionTimezone, 1, 50),
		checkOneOf("state", d.State, enabled, disabled),
		checkOneOf("actionAfterCompletion", d.ActionAfterCompletion, keepAfter, dropAfter),
		d.FlexibleTimeWindow.check(),
		d.Target.check(),
	)
	if d.Description != nil {
		err = first(err, checkLength("description", d.Description, 0, 512))
	}
	if d.KmsKeyArn != nil {
		err = first(err, checkPattern("kmsKeyArn", d.KmsKeyArn, 2048, keyPattern))
	}
	if err != nil {
		return timetable{}, err
	}
	if zone := *d.ScheduleExpressionTimezone; zone != "UTC" {
		if _, err := time.LoadLocation(zone); err != nil {
			return timetable{}, validation("Invalid Schedule Expression Timezone %s.", zone)
		}
		return timetable{}, validation("The sandbox knows the time zone UTC only, not %s.", zone)
	}
	plan, ok := parseExpression(*d.ScheduleExpression)
	if !ok {
		return timetable{}, validation("Invalid Schedule Expression %s.", *d.ScheduleExpression)
	}
	return plan.between(d.StartDate, d.EndDate, s.now())
}

func (w *flexibleTimeWindow) check() *wire.Error {
	err := first(
		checkOneOf("flexibleTimeWindow.mode", w.Mode, modeOff, modeFlex),
		checkRange("flexibleTimeWindow.maximumWindowInMinutes", w.MaximumWindowInMinutes, 1, 1440),
	)
	switch {
	case err != nil:
		return err
	case *w.Mode == modeFlex && w.MaximumWindowInMinutes == nil:
		return validation("MaximumWindowInMinutes must be specified when FlexibleTimeWindow mode is FLEXIBLE.") // user guide, "Configuring flexible time windows"
	case *w.Mode == modeOff && w.MaximumWindowInMinutes != nil:
		return validation("MaximumWindowInMinutes must not be specified when FlexibleTimeWindow mode is OFF.") // derived
	}
	return nil
}

func (t *target) check() *wire.Error {
	err := first(
		checkPattern("target.arn", t.Arn, 1600, arnPattern),
		checkPattern("target.roleArn", t.RoleArn, 1600, rolePattern),
		checkRange("target.retryPolicy.maximumEventAgeInSeconds", t.RetryPolicy.MaximumEventAgeInSeconds, 60, 86400),
		checkRange("target.retryPolicy.maximumRetryAttempts", t.RetryPolicy.MaximumRetryAttempts, 0, 185),
	)
	if t.DeadLetterConfig != nil && t.DeadLetterConfig.Arn != nil {
		err = first(err, checkPattern("target.deadLetterConfig.arn", t.DeadLetterConfig.Arn, 1600, queuePattern))
	}
	if err != nil {
		return err
	}
	for name, parameters := range map[string]json.RawMessage{
		"EcsParameters": t.EcsParameters, "EventBridgeParameters": t.EventBridgeParameters, "KinesisParameters": t.KinesisParameters,
		"SageMakerPipelineParameters": t.SageMakerPipelineParameters, "SqsParameters": t.SqsParameters,
	} {
		if parameters != nil {
			return validation("The sandbox has no targets with %s.", name)
		}
	}
	// "If you are using ... Step Functions ... targets, the Input must be a JSON
	// string" (API reference, Target).
	if t.Input != nil && !json.Valid([]byte(*t.Input)) {
		return validation("Invalid Target Input: it must be valid JSON.")
	}
	return nil
}

func checkName(member string, value *string) *wire.Error {
	return checkPattern(member, value, 64, namePattern)
}

func checkToken(token *string) *wire.Error {
	if token == nil {
		return nil
	}
	return checkPattern("clientToken", token, 64, tokenPattern)
}

func checkPattern(member string, value *string, longest int, pattern *regexp.Regexp) *wire.Error {
	if err := checkLength(member, value, 1, longest); err != nil {
		return err
	}
	if !pattern.MatchString(*value) {
		return constraint(member, "Member must satisfy regular expression pattern: %s", pattern)
	}
	return nil
}

func checkLength(member string, value *string, shortest, longest int) *wire.Error {
	if value == nil {
		return null(member)
	}
	switch n := utf8.RuneCountInString(*value); {
	case n < shortest:
		return constraint(member, "Member must have length greater than or equal to %d", shortest)
	case n > longest:
		return constraint(member, "Member must have length less than or equal to %d", longest)
	}
	return nil
}

func checkRange(member string, value *int, least, most int) *wire.Error {
	switch {
	case value == nil:
		return nil
	case *value < least:
		return constraint(member, "Member must have value greater than or equal to %d", least)
	case *value > most:
		return constraint(member, "Member must have value less than or equal to %d", most)
	}
	return nil
}

func checkOneOf(member string, value *string, allowed ...string) *wire.Error {
	if value == nil {
		return null(member)
	}
	for _, a := range allowed {
		if *value == a {
			return nil
		}
	}
	return constraint(member, "Member must satisfy enum value set: [%s]", strings.Join(allowed, ", "))
}

func null(member string) *wire.Error { return constraint(member, "Member must not be null") }

func constraint(member, format string, args ...any) *wire.Error {
	return validation("1 validation error detected: Value at '%s' failed to satisfy constraint: %s", member, fmt.Sprintf(format, args...))
}

func validation(format string, args ...any) *wire.Error {
	return wire.Errorf("ValidationException", format, args...)
}

// first returns the first error.
func first(errs ...*wire.Error) *wire.Error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
