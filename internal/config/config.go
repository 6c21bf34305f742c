// Package config reads rotations.yaml, the description of what Tumbler rotates
// and when. [Load] is where to start. Parsing is strict: an unknown field, a
// value of the wrong type or an impossible combination is an error that names
// the file, the line and the column, the field, the value and the remedy, and
// all mistakes of a file are reported at once.
//
// docs/rotations.schema.json has the same rules for editors, as far as a schema can.
//
// The CDK app and the CLI share this package, so it depends on neither.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// DefaultFile is the default name of the configuration file.
const DefaultFile = "rotations.yaml"

// Config is one deployment: one stack in one account and Region.
type Config struct {
	// Name begins the name of everything the deployment creates, so that several
	// fit into one account. Optional; tumbler.
	Name string `yaml:"name"`
	// Architecture of the Lambda functions. Optional; arm64.
	Architecture Architecture `yaml:"architecture"`
	// Alerts says who receives alerts. Optional.
	Alerts Alerts `yaml:"alerts"`
	// LogRetentionDays is how long logs are kept. Optional; 90, which is also how
	// long Step Functions keeps the history of an execution.
	LogRetentionDays int `yaml:"logRetentionDays"`
	// LogKMSKey is the ARN of the key that encrypts the logs. Optional; the key of
	// CloudWatch Logs.
	LogKMSKey string `yaml:"logKmsKey"`
	// RemovalPolicy says whether logs, topic and queue are deleted with the stack: destroy
	// or retain. Optional; destroy.
	RemovalPolicy RemovalPolicy `yaml:"removalPolicy"`
	// LogExecutionData puts the inputs and outputs of states into the log of the
	// state machine. They hold no secret value. Optional; false.
	LogExecutionData bool `yaml:"logExecutionData"`
	// Tracing turns X-Ray on. Optional; true.
	Tracing bool `yaml:"tracing"`
	// Dashboard adds a CloudWatch dashboard and saved queries. Optional; false.
	Dashboard bool `yaml:"dashboard"`
	// Heartbeat logs in with every AWSCURRENT each hour, to detect passwords that were
	// changed by hand. Optional; false.
	Heartbeat bool `yaml:"heartbeat"`
	// RotateNow says which events start rotations. Optional.
	RotateNow RotateNow `yaml:"rotateNow"`
	// CertificateAuthorities are files with certificates of private authorities, in
	// PEM form, relative to the configuration. They are trusted for databases that
	// are not AWS's. Optional.
	CertificateAuthorities []string `yaml:"certificateAuthorities"`
	// Authorities is the content of those files.
	Authorities []byte `yaml:"-"`
	// PermissionsBoundary is the ARN of the permissions boundary of every role. Optional.
	PermissionsBoundary string `yaml:"permissionsBoundary"`
	// Permissions are patterns of secrets' names for the roles, for when the names of all
	// secrets are too long for a policy. Optional; the roles name each secret.
	Permissions Permissions `yaml:"permissions"`
	// Tags are put on everything that can have tags. Optional.
	Tags map[string]string `yaml:"tags"`
	// Networks are networks to which rotations refer by name. Optional.
	Networks map[string]*Network `yaml:"networks"`
	// Defaults apply to every rotation that does not say otherwise. Optional.
	Defaults Rotation `yaml:"defaults"`
	// Rotations lists the secrets. Required.
	Rotations []Rotation `yaml:"rotations"`
}

// Alerts says who receives alerts.
type Alerts struct {
	// Topic is the ARN of an existing SNS topic. Optional; one is created.
	Topic string `yaml:"topic"`
	// TopicKMSKey is the ARN of the customer managed key of Topic. Optional.
	TopicKMSKey string `yaml:"topicKmsKey"`
	// Emails are subscribed to the alert topic; each has to confirm. Optional.
	Emails []string `yaml:"emails"`
	// Severity is the least that is sent to Emails. Optional; everything.
	Severity Severity `yaml:"severity"`
	// Runbook is the URL at which docs/runbook.md is published, for links in alerts.
	// Optional; alerts name the command that prints it.
	Runbook string `yaml:"runbook"`
}

// Anybody reports whether anybody receives alerts.
func (a Alerts) Anybody() bool { return a.Topic != "" || len(a.Emails) > 0 }

// RotateNow says which events start rotations.
type RotateNow struct {
	// Enabled creates an event bus for such events. Optional; true.
	Enabled bool `yaml:"enabled"`
	// Allow lists the only accounts, roles and users that may put events on the bus.
	// Optional; everybody in the account whom IAM allows, and nobody outside it.
	Allow []string `yaml:"allow"`
	// MinimumInterval is the minimum age of AWSCURRENT for a rotation by an event, such as
	// "30m" or "2h". Optional; 1h.
	MinimumInterval string `yaml:"minimumInterval"`
}

// Interval is MinimumInterval as a duration.
func (r RotateNow) Interval() time.Duration {
	interval, _ := time.ParseDuration(r.MinimumInterval)
	return interval
}

// Permissions are patterns of secrets' names, with * and ?, that the roles may use. They
// must cover every secret of the configuration and may cover more.
type Permissions struct {
	// Secrets covers the rotated secrets. Optional.
	Secrets []string `yaml:"secrets"`
	// Superusers covers the superusers' secrets. Optional.
	Superusers []string `yaml:"superusers"`
}

// Rotation is one secret and how it is rotated.
type Rotation struct {
	// Secret is the name or complete ARN. Required.
	Secret string `yaml:"secret"`
	// Strategy is how the database's users are rotated. Optional; single-user.
	Strategy Strategy `yaml:"strategy"`
	// SuperuserSecret is the name or complete ARN of the secret of a user who may
	// change others' passwords. Required with alternating-users.
	SuperuserSecret string `yaml:"superuserSecret"`
	// Username is the database user that the secret must name; with alternating-users,
	// either of the two. A secret that names another user is refused. Optional.
	Username string `yaml:"username"`
	// RecoverPassword lets the superuser reset a lost password. Optional.
	RecoverPassword bool `yaml:"recoverPassword"`
	// KeepPrevious has the database accept the old password until the next rotation, too.
	// Optional; single-user, MySQL from 8.0.14 on,
	// Oracle from 19.12 on with a profile that has a PASSWORD_ROLLOVER_TIME.
	KeepPrevious bool `yaml:"keepPrevious"`
	// SeparateOwnership makes a clone own what it creates. Optional;
	// alternating-users, PostgreSQL.
	SeparateOwnership bool `yaml:"separateOwnership"`
	// Schedule is a rate() or cron() expression in UTC, or none. Optional; without
	// it the secret is rotated on demand only.
	Schedule string `yaml:"schedule"`
	// Duration is the length of the rotation window in hours, such as "3h". Optional.
	Duration string `yaml:"duration"`
	// FlexibleStart spreads the starts over the beginning of the window, such as "30m" or
	// "2h". Optional.
	FlexibleStart string `yaml:"flexibleStart"`
	// Freeze lists periods without scheduled rotations. Optional.
	Freeze []string `yaml:"freeze"`
	// RotateImmediately rotates when the rotation is added or changed. Optional.
	RotateImmediately bool `yaml:"rotateImmediately"`
	// NativeBackstop is the interval at which Secrets Manager itself rotates, through
	// Tumbler's rotator, such as "90d". Optional.
	NativeBackstop string `yaml:"nativeBackstop"`
	// Network is the network of the functions that reach the database: a name from
	// [Config.Networks], a network written out, or none. Optional; without it the functions
	// run outside any VPC.
	Network *Network `yaml:"network"`
	// RotationFunction is the ARN of an existing rotation function that runs the
	// set and test steps. Optional.
	RotationFunction string `yaml:"rotationFunction"`
	// AlsoUpdate lists further keys of the secret in which user and password are
	// replaced, such as that of a connection string. Optional.
	AlsoUpdate []string `yaml:"alsoUpdate"`
	// Password configures new passwords. Optional; the engine's defaults.
	Password *Password `yaml:"password"`
	// KMSKey is the ARN of the customer managed key that encrypts the secret. Optional;
	// aws/secretsmanager, which needs no permission.
	KMSKey string `yaml:"kmsKey"`
	// SuperuserKMSKey is the same for the superuser's secret. Optional; KMSKey.
	SuperuserKMSKey string `yaml:"superuserKmsKey"`
}

// Password configures new passwords. Source: AWS Secrets Manager API reference,
// "GetRandomPassword".
type Password struct {
	Length                  int     `yaml:"length"` // 8-128
	ExcludeCharacters       *string `yaml:"excludeCharacters"`
	ExcludeNumbers          bool    `yaml:"excludeNumbers"`
	ExcludePunctuation      bool    `yaml:"excludePunctuation"`
	ExcludeUppercase        bool    `yaml:"excludeUppercase"`
	ExcludeLowercase        bool    `yaml:"excludeLowercase"`
	RequireEachIncludedType *bool   `yaml:"requireEachIncludedType"`
}

// Network is the part of a VPC in which functions reach a database.
type Network struct {
	// Name is its name in the file; "" when it is written out in a rotation.
	Name string `yaml:"-"`
	// VPC is its id. Required, unless VPCTags finds it.
	VPC string `yaml:"vpc"`
	// VPCTags find the VPC in the account at synthesis. Optional.
	VPCTags map[string]string `yaml:"vpcTags"`
	// Subnets are the subnets' ids. Required with VPC; with VPCTags the default is the VPC's
	// private subnets.
	Subnets []string `yaml:"subnets"`
	// SecurityGroups are attached to the functions in addition to the deployment's own
	// group. Optional.
	SecurityGroups []string `yaml:"securityGroups"`
	// DatabaseSecurityGroups get a rule that lets the functions in. Optional.
	DatabaseSecurityGroups []string `yaml:"databaseSecurityGroups"`
	// DatabasePorts are the ports of those rules, and the only ports that the functions may
	// reach except AWS's. Optional; any port.
	DatabasePorts []int `yaml:"databasePorts"`
	// Endpoints says how the functions reach AWS. Optional; none.
	Endpoints Endpoints `yaml:"endpoints"`
	// EndpointSecurityGroups are the groups of existing endpoints. They get a rule that lets
	// the functions in. Required with reuse.
	EndpointSecurityGroups []string `yaml:"endpointSecurityGroups"`
	// DualStack lets the functions use IPv6 in addition to IPv4. Optional; false.
	DualStack bool `yaml:"dualStack"`
}

// Architecture is a Lambda instruction set, as Lambda spells it.
type Architecture string

// The architectures of Lambda.
const (
	ARM64 Architecture = "arm64"
	X8664 Architecture = "x86_64"
)

// RemovalPolicy says whether resources are deleted with the stack.
type RemovalPolicy string

// The removal policies.
const (
	Destroy RemovalPolicy = "destroy"
	Retain  RemovalPolicy = "retain"
)

// Strategy is how the database's users are rotated. Source: AWS Secrets Manager
// user guide, "Lambda function rotation strategies".
type Strategy string

// The strategies of Secrets Manager.
const (
	SingleUser       Strategy = "single-user"
	AlternatingUsers Strategy = "alternating-users"
)

// Severity is the severity of an alert.
type Severity string

// The severities, lowest first.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Severities lists all, lowest first.
var Severities = []Severity{Info, Warning, Critical}

// Endpoints says how functions in a VPC reach AWS.
type Endpoints string

// The values of Endpoints.
const (
	NoEndpoints     Endpoints = "none"   // a NAT gateway, or endpoints open to the whole VPC
	CreateEndpoints Endpoints = "create" // the deployment's own interface endpoints
	ReuseEndpoints  Endpoints = "reuse"  // existing interface endpoints
)

// None is the value by which a rotation overrides a default with nothing.
const None = "none"

// Load reads and checks the file. Mistakes in it are [Problems].
func Load(path string) (*Config, error) {
	src, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no configuration at %s: write one with `tumbler init`, or copy rotations.example.yaml there and name your secrets in it: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(path, src)
}

// Parse reads and checks src; file is its name in errors. Mistakes in it are
// [Problems].
func Parse(file string, src []byte) (*Config, error) {
	src = bytes.TrimPrefix(src, []byte("\ufeff")) // a byte order mark
	cfg := defaults()
	d := &decoder{file: file, at: map[string]position{}, from: map[string]string{}}
	d.document(src, &cfg)
	unknown := d.problems
	if !unknown.onlyUnknown() {
		return nil, d.problems.sorted()
	}
	c := &checker{decoder: d}
	cfg.Authorities = c.authorities(cfg.CertificateAuthorities)
	c.complete(&cfg)
	c.config(&cfg)
	d.problems = d.problems.without(unknown, c.given)
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return &cfg, nil
}

func defaults() Config {
	return Config{Name: "tumbler", Architecture: ARM64, LogRetentionDays: 90, RemovalPolicy: Destroy, Tracing: true, RotateNow: RotateNow{Enabled: true, MinimumInterval: "1h"}}
}
