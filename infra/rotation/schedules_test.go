package rotation

import (
	"regexp"
	"strings"
	"testing"
)

func TestSchedulerExpression(t *testing.T) {
	for in, want := range map[string]string{
		"rate(1 day)":             "cron(0 0 * * ? *)",
		"rate(24 hours)":          "cron(0 0 * * ? *)",
		"rate(4 hours)":           "cron(0 0/4 * * ? *)",
		"rate(12 hours)":          "cron(0 0/12 * * ? *)",
		"rate(5 hours)":           "rate(5 hours)", // does not divide the day
		"rate(10 days)":           "rate(10 days)",
		"cron(0 /8 * * ? *)":      "cron(0 0/8 * * ? *)",
		"cron(0 8/8 * * ? *)":     "cron(0 8/8 * * ? *)",
		"cron(0 1 ? 1/3 SUN#1 *)": "cron(0 1 ? 1/3 SUN#1 *)",
	} {
		if got := schedulerExpression(in); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}

func TestScheduleName(t *testing.T) {
	valid := regexp.MustCompile(`^[0-9A-Za-z_.-]{1,64}$`) // Scheduler API reference, CreateSchedule
	seen := map[string]string{}
	for _, secret := range []string{
		"prod/app", "prod-app", "prod.app", "///", strings.Repeat("x", 512), strings.Repeat("x", 511) + "y",
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/app-AbCdEf",
	} {
		name := scheduleName(secret)
		if !valid.MatchString(name) {
			t.Errorf("%s is not a name of a schedule", name)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("%s and %s share the name %s", secret, other, name)
		}
		seen[name] = secret
	}
}
