package registry_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
)

func TestName(t *testing.T) {
	valid := regexp.MustCompile(`^[0-9A-Za-z_.-]{1,64}$`) // API reference, CreateSchedule
	seen := map[string]string{}
	for _, secret := range []string{
		"prod/app", "prod-app", "prod.app", "///", strings.Repeat("x", 512), strings.Repeat("x", 511) + "y",
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/app-AbCdEf",
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/app",
	} {
		name := registry.Name(secret)
		if !valid.MatchString(name) {
			t.Errorf("%s is not a name of a schedule", name)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("%s and %s share the name %s", secret, other, name)
		}
		seen[name] = secret
	}
	// A name that moved would be a new schedule at the next deployment.
	for secret, want := range map[string]string{
		"prod/app": "prod-app-a6f01f8a",
		"arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/billing/app-AbCdEf": "prod-billing-app-AbCdEf-69d32d0b",
	} {
		if got := registry.Name(secret); got != want {
			t.Errorf("the schedule of %s is %s, want %s", secret, got, want)
		}
	}
}
