package secretsmanager

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// RotationRules is a secret's rotation schedule (API reference,
// RotationRulesType).
type RotationRules struct {
	// AutomaticallyAfterDays is 1 to 1000; not together with
	// ScheduleExpression.
	AutomaticallyAfterDays *int64 `json:",omitempty"`
	// Duration is the length of the window in hours, such as "3h".
	Duration *string `json:",omitempty"`
	// ScheduleExpression is a rate() or cron() expression, in UTC.
	ScheduleExpression *string `json:",omitempty"`
}

var (
	durationPattern = regexp.MustCompile(`^[0-9]+h$`)
	schedulePattern = regexp.MustCompile(`^[0-9A-Za-z()#?*\-/, ]+$`)
	ratePattern     = regexp.MustCompile(`^rate\(\s*([0-9]{1,4})\s+(hours?|days?)\s*\)$`)
	cronPattern     = regexp.MustCompile(`^cron\(.+\)$`)
)

// check applies the constraints of the page, and the scheduler's judgement.
func (r *RotationRules) check(next func(RotationRules, time.Time) (time.Time, error), now time.Time) *wire.Error {
	if r == nil {
		return nil
	}
	if r.AutomaticallyAfterDays != nil && r.ScheduleExpression != nil {
		return errParameter("You can't specify both AutomaticallyAfterDays and ScheduleExpression in RotationRules.")
	}
	if days := r.AutomaticallyAfterDays; days != nil && (*days < 1 || *days > 1000) {
		return errParameter("RotationRules.AutomaticallyAfterDays must be within 1-1000.")
	}
	if r.Duration != nil {
		if err := length("rotationRules.duration", r.Duration, 2, 3, required); err != nil {
			return err
		}
		if !durationPattern.MatchString(*r.Duration) {
			return invalid("rotationRules.duration", "Member must satisfy regular expression pattern: %s", durationPattern)
		}
	}
	if r.ScheduleExpression != nil {
		if err := length("rotationRules.scheduleExpression", r.ScheduleExpression, 1, 256, required); err != nil {
			return err
		}
		if !schedulePattern.MatchString(*r.ScheduleExpression) {
			return invalid("rotationRules.scheduleExpression", "Member must satisfy regular expression pattern: %s", schedulePattern)
		}
		if _, err := next(*r, now); err != nil {
			return errParameter("Invalid ScheduleExpression: %v", err)
		}
	}
	return nil
}

// simpleNextRotation is the default of Config.NextRotation.
func simpleNextRotation(r RotationRules, last time.Time) (time.Time, error) {
	if r.AutomaticallyAfterDays != nil {
		return last.AddDate(0, 0, int(*r.AutomaticallyAfterDays)), nil
	}
	expression := deref(r.ScheduleExpression)
	if m := ratePattern.FindStringSubmatch(expression); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n == 0 {
			return time.Time{}, fmt.Errorf("%q is not a positive rate", expression)
		}
		if m[2][0] == 'd' {
			return last.AddDate(0, 0, n), nil
		}
		// "You can rotate a secret as often as every four hours."
		if n < 4 {
			return time.Time{}, fmt.Errorf("%q is more often than every four hours", expression)
		}
		return last.Add(time.Duration(n) * time.Hour), nil
	}
	if expression == "" || cronPattern.MatchString(expression) {
		return time.Time{}, nil
	}
	return time.Time{}, fmt.Errorf("%q is neither rate() nor cron()", expression)
}

// reschedule computes NextRotationDate anew after a rotation. A new current
// value set by hand counts as one (RotationRulesType, AutomaticallyAfterDays).
func (s *Service) reschedule(sec *secret, last time.Time) {
	r := &sec.rotation
	if !r.enabled || r.rules == nil {
		return
	}
	// The rules were judged when they were set.
	if next, err := s.cfg.NextRotation(*r.rules, last); err == nil {
		r.next = next
	}
}
