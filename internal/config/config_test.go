package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMinimal(t *testing.T) {
	got, err := Parse("rotations.yaml", []byte("rotations:\n  - secret: prod/app\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Name: "tumbler", Architecture: ARM64, LogRetentionDays: 90, Tracing: true,
		Rotations: []Rotation{{Secret: "prod/app", Strategy: SingleUser}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExample(t *testing.T) {
	got, err := Load(filepath.Join("..", "..", "rotations.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	network := &Network{
		VPC:            "vpc-0a1b2c3d4e5f60718",
		Subnets:        []string{"subnet-0a1b2c3d4e5f60718", "subnet-18f7e6d5c4b3a2901"},
		SecurityGroups: []string{"sg-0a1b2c3d4e5f60718"},
	}
	want := &Config{
		Name: "tumbler", Architecture: ARM64, LogRetentionDays: 90, Tracing: true,
		Alerts: Alerts{Emails: []string{"oncall@example.com"}},
		Rotations: []Rotation{
			{
				Secret: "prod/orders/app", Strategy: SingleUser,
				Schedule: "cron(0 2 ? * SUN *)", Duration: "3h", Network: network,
				KMSKey: "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
			},
			{
				Secret:   "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/billing/app-AbCdEf",
				Strategy: AlternatingUsers, SuperuserSecret: "prod/billing/admin",
				Schedule: "rate(30 days)", Network: network,
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestExampleShowsEveryField keeps the example complete when a field is added.
func TestExampleShowsEveryField(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("..", "..", "rotations.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range allFields() {
		if !strings.Contains(string(src), field+":") {
			t.Errorf("rotations.example.yaml does not show the field %s", field)
		}
	}
}

func TestLoadMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "rotations.yaml"))
	if err == nil || !strings.Contains(err.Error(), "copy rotations.example.yaml there") {
		t.Errorf("got %v, want the remedy", err)
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want it to be os.ErrNotExist", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("rotations:\n  - secret: prod/app\n")
	f.Add("rotations: &a\n  - *a\n")
	f.Add("? [a]\n: {b: !!str c}\n")
	f.Fuzz(func(t *testing.T, src string) {
		cfg, err := Parse("f", []byte(src))
		if (cfg == nil) == (err == nil) {
			t.Errorf("got %v and %v", cfg, err)
		}
	})
}
