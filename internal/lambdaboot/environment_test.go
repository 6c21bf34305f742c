package lambdaboot

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/google/go-cmp/cmp"
)

// What functions find in their environment is what the SDK's package config finds in it,
// which they do without: each client gets the same Region, credentials, endpoint and
// attempts.
func TestAWS(t *testing.T) {
	lambdas := map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_SESSION_TOKEN": "token",
		"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
	}
	for name, more := range map[string]map[string]string{
		"as Lambda sets it": nil,
		"one endpoint":      {"AWS_ENDPOINT_URL": "http://localhost:1"},
		"endpoints of services": {
			"AWS_ENDPOINT_URL": "http://localhost:1", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "https://vpce-1.example",
			"AWS_ENDPOINT_URL_SCHEDULER": "https://vpce-2.example", "AWS_ENDPOINT_URL_RDS": "https://vpce-3.example",
			"AWS_ENDPOINT_URL_SFN": "https://vpce-4.example",
		},
		"FIPS":           {"AWS_USE_FIPS_ENDPOINT": "true"},
		"FIPS, not":      {"AWS_USE_FIPS_ENDPOINT": "false"},
		"another Region": {"AWS_REGION": "us-gov-west-1"},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{}
			for _, m := range []map[string]string{lambdas, more} {
				for key, value := range m {
					env[key] = value
					t.Setenv(key, value)
				}
			}
			theirs, err := config.LoadDefaultConfig(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			theirs = Patient(theirs)
			ours := AWS(func(name string) string { return env[name] })
			if diff := cmp.Diff(facts(t, theirs), facts(t, ours)); diff != "" {
				t.Errorf("(-package config +lambdaboot)\n%s", diff)
			}
		})
	}
}

// facts are what decides where calls go, and as whom.
func facts(t *testing.T, cfg aws.Config) map[string]any {
	t.Helper()
	c, err := cfg.Credentials.Retrieve(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	secrets, states := secretsmanager.NewFromConfig(cfg).Options(), sfn.NewFromConfig(cfg).Options()
	schedules, databases := scheduler.NewFromConfig(cfg).Options(), rds.NewFromConfig(cfg).Options()
	return map[string]any{
		"credentials": []string{c.AccessKeyID, c.SecretAccessKey, c.SessionToken},
		"region":      []string{secrets.Region, states.Region, schedules.Region, databases.Region},
		"endpoints":   []string{aws.ToString(secrets.BaseEndpoint), aws.ToString(states.BaseEndpoint), aws.ToString(schedules.BaseEndpoint), aws.ToString(databases.BaseEndpoint)},
		"FIPS":        secrets.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled,
		"dual stack":  secrets.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled,
		"attempts":    secrets.Retryer.MaxAttempts(),
	}
}
