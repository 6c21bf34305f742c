// Package config reads rotations.yaml, the description of what Tumbler rotates
// and when. [Load] is where to start. Parsing is strict: an unknown field, a
// value of the wrong type or an impossible combination is an error that names
// the file, the line and the column, the field, the value and the remedy, and
// all mistakes of a file are reported at once.
//
// The CDK app and the CLI share this package, so it knows nothing of either.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// DefaultFile is the configuration's name when nobody says otherwise.
const DefaultFile = "rotations.yaml"

// Config is one deployment: one stack in one account and Region.
type Config struct {
	// Name begins the name of everything the deployment creates, so that several
	// fit into one account. Optional; tumbler.
	Name string `yaml:"name"`
	// Architecture of the Lambda functions. Optional; arm64.
	Architecture Architecture `yaml:"architecture"`
	// Alerts says who is told about failures. Optional.
	Alerts Alerts `yaml:"alerts"`
	// LogRetentionDays is how long logs are kept. Optional; 90, which is also how
	// long Step Functions keeps the history of an execution.
	LogRetentionDays int `yaml:"logRetentionDays"`
	// Tracing turns X-Ray on. Optional; true.
	Tracing bool `yaml:"tracing"`
	// Rotations lists the secrets. Required.
	Rotations []Rotation `yaml:"rotations"`
}

// Alerts says who is told about failures.
type Alerts struct {
	// Emails are subscribed to the alert topic; each has to confirm. Optional.
	Emails []string `yaml:"emails"`
}

// Rotation is one secret and how it is rotated.
type Rotation struct {
	// Secret is its name or complete ARN. Required.
	Secret string `yaml:"secret"`
	// Strategy is how the database's users are rotated. Optional; single-user.
	Strategy Strategy `yaml:"strategy"`
	// SuperuserSecret is the name or complete ARN of the secret of a user who may
	// change others' passwords. Required with alternating-users.
	SuperuserSecret string `yaml:"superuserSecret"`
	// Schedule is a rate() or cron() expression in UTC. Optional; without it the
	// secret is rotated on demand only.
	Schedule string `yaml:"schedule"`
	// Duration is the length of the rotation window in hours, as in "3h". Optional.
	Duration string `yaml:"duration"`
	// Network is where the database is reached. Optional; without it the functions
	// run outside any VPC.
	Network *Network `yaml:"network"`
	// KMSKey is the ARN of the customer managed key the secret is encrypted with.
	// Optional; aws/secretsmanager, which needs no permission.
	KMSKey string `yaml:"kmsKey"`
}

// Network is a place in a VPC from which a database can be reached.
type Network struct {
	// VPC is its id. Required.
	VPC string `yaml:"vpc"`
	// Subnets are their ids. At least one.
	Subnets []string `yaml:"subnets"`
	// SecurityGroups are attached to the functions beside the deployment's own
	// one. Optional.
	SecurityGroups []string `yaml:"securityGroups"`
}

// Architecture is a Lambda instruction set, as Lambda spells it.
type Architecture string

// The architectures Lambda has.
const (
	ARM64 Architecture = "arm64"
	X8664 Architecture = "x86_64"
)

// Strategy is how the database's users are rotated. Source: AWS Secrets Manager
// user guide, "Lambda function rotation strategies".
type Strategy string

// The strategies Secrets Manager knows.
const (
	SingleUser       Strategy = "single-user"
	AlternatingUsers Strategy = "alternating-users"
)

// Load reads and checks the file. Mistakes in it are [Problems].
func Load(path string) (*Config, error) {
	src, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no configuration at %s: copy rotations.example.yaml there and name your secrets in it: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(path, src)
}

// Parse reads and checks src; file is its name in errors. Mistakes in it are
// [Problems].
func Parse(file string, src []byte) (*Config, error) {
	cfg := defaults()
	d := &decoder{file: file, at: map[string]position{}}
	if d.document(src, &cfg); len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	for i := range cfg.Rotations {
		if r := &cfg.Rotations[i]; r.Strategy == "" {
			r.Strategy = SingleUser
		}
	}
	c := &checker{decoder: d}
	if c.config(&cfg); len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return &cfg, nil
}

func defaults() Config {
	return Config{Name: "tumbler", Architecture: ARM64, LogRetentionDays: 90, Tracing: true}
}
