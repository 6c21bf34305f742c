package rotation

import (
	"encoding/json"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// RotationProps configures [NewRotation]. The fields are those of rotations.yaml;
// rotations.example.yaml explains each.
type RotationProps struct {
	// Rotations are the secrets. At least one, unless ConfigFile names them.
	Rotations *[]*SecretProps `json:"rotations,omitempty"`
	// ConfigFile is a rotations.yaml, instead of all the fields below but CodeDir.
	// Optional.
	ConfigFile *string `json:"-"`
	// CodeDir holds the compiled functions as ARCHITECTURE/FUNCTION/bootstrap.
	// Optional; build/lambda, where `make build` puts them.
	CodeDir *string `json:"-"`

	// Name begins the name of everything that is created. Optional; tumbler.
	Name *string `json:"name,omitempty"`
	// Architecture of the functions, arm64 or x86_64. Optional; arm64.
	Architecture *string `json:"architecture,omitempty"`
	// Alerts says who receives alerts. Optional.
	Alerts *AlertProps `json:"alerts,omitempty"`
	// LogRetentionDays is how long logs are kept. Optional; 90.
	LogRetentionDays *float64 `json:"logRetentionDays,omitempty"`
	// LogKmsKeyArn is the key that encrypts the logs. Optional.
	LogKmsKeyArn *string `json:"logKmsKey,omitempty"`
	// RemovalPolicy of logs, topic and queue: RETAIN or DESTROY. Optional; DESTROY.
	RemovalPolicy awscdk.RemovalPolicy `json:"-"`
	// LogExecutionData logs inputs and outputs of states. Optional; false.
	LogExecutionData *bool `json:"logExecutionData,omitempty"`
	// Tracing turns X-Ray on. Optional; true.
	Tracing *bool `json:"tracing,omitempty"`
	// Dashboard adds a dashboard and saved queries. Optional; false.
	Dashboard *bool `json:"dashboard,omitempty"`
	// Heartbeat logs in with every AWSCURRENT each hour. Optional; false.
	Heartbeat *bool `json:"heartbeat,omitempty"`
	// RotateNow says which events start rotations. Optional.
	RotateNow *RotateNowProps `json:"rotateNow,omitempty"`
	// CertificateAuthorities are files of private authorities in PEM form, relative
	// to the working directory. Optional.
	CertificateAuthorities *[]*string `json:"certificateAuthorities,omitempty"`
	// PermissionsBoundaryArn is the permissions boundary of every role. Optional.
	PermissionsBoundaryArn *string `json:"permissionsBoundary,omitempty"`
	// Permissions are patterns of secrets' names for the roles. Optional; the roles name
	// each secret.
	Permissions *PermissionsProps `json:"permissions,omitempty"`
	// Defaults apply to every secret that does not say otherwise. The workflow of its
	// network has the deployment's name. Required with secrets in several networks.
	Defaults *DefaultProps `json:"defaults,omitempty"`
	// Networks are the networks that SecretProps.Network names. Optional.
	Networks *map[string]*NetworkProps `json:"networks,omitempty"`
}

// AlertProps says who receives alerts.
type AlertProps struct {
	// TopicArn is an existing SNS topic. Optional; one is created.
	TopicArn *string `json:"topic,omitempty"`
	// TopicKmsKeyArn is that topic's customer managed key. Optional.
	TopicKmsKeyArn *string `json:"topicKmsKey,omitempty"`
	// Emails are addresses to subscribe. Optional.
	Emails *[]*string `json:"emails,omitempty"`
	// Severity is the least that is sent to them: info, warning or critical.
	// Optional; info.
	Severity *string `json:"severity,omitempty"`
}

// RotateNowProps says which events start rotations.
type RotateNowProps struct {
	// Enabled creates an event bus for them. Optional; true.
	Enabled *bool `json:"enabled,omitempty"`
	// AllowedArns are ARNs of roles and users, or account ids, that may put events on the
	// bus. Optional; everybody in the account whom IAM allows.
	AllowedArns *[]*string `json:"allow,omitempty"`
	// MinimumInterval is the least age of AWSCURRENT at which an event rotates, such as
	// 30m. Optional; 1h.
	MinimumInterval *string `json:"minimumInterval,omitempty"`
}

// PermissionsProps are patterns of secrets' names, with * and ?, that the roles' policies
// use instead of the name of each secret.
type PermissionsProps struct {
	// Secrets covers the rotated secrets. Optional.
	Secrets *[]*string `json:"secrets,omitempty"`
	// Superusers covers the superusers' secrets. Optional.
	Superusers *[]*string `json:"superusers,omitempty"`
}

// DefaultProps apply to every secret that does not say otherwise.
type DefaultProps struct {
	// Network is the name of one of RotationProps.Networks, or none. Optional.
	Network *string `json:"network,omitempty"`
}

// SecretProps is one secret and how it is rotated.
type SecretProps struct {
	// Secret is the name or complete ARN, as plain text. The schedule is named after it,
	// so a token, whose value is known only at deployment, is refused. Required, unless
	// FromSecret is given.
	Secret *string `json:"secret,omitempty"`
	// FromSecret is the secret as a CDK construct, instead of Secret and KmsKeyArn. A secret
	// of the same app must have a SecretName.
	FromSecret awssecretsmanager.ISecret `json:"-"`
	// Strategy is single-user or alternating-users. Optional; single-user.
	Strategy *string `json:"strategy,omitempty"`
	// SuperuserSecret is the name or ARN of a superuser's secret. Required with
	// alternating-users.
	SuperuserSecret *string `json:"superuserSecret,omitempty"`
	// FromSuperuserSecret is the superuser's secret as a CDK construct, instead of
	// SuperuserSecret and SuperuserKmsKeyArn.
	FromSuperuserSecret awssecretsmanager.ISecret `json:"-"`
	// Username is the database user that the secret must name; with alternating-users,
	// either of the two. A secret that names another user is refused. Optional.
	Username *string `json:"username,omitempty"`
	// RecoverPassword lets the superuser reset a lost password. Optional.
	RecoverPassword *bool `json:"recoverPassword,omitempty"`
	// KeepPrevious has the database accept the password before until the next
	// rotation. Optional; single-user, MySQL from 8.0.14 on.
	KeepPrevious *bool `json:"keepPrevious,omitempty"`
	// SeparateOwnership makes a clone own what it creates. Optional;
	// alternating-users, PostgreSQL.
	SeparateOwnership *bool `json:"separateOwnership,omitempty"`
	// Schedule is a rate() or cron() expression in UTC. Optional; on demand only.
	Schedule *string `json:"schedule,omitempty"`
	// Duration is the length of the window, such as 3h. Optional.
	Duration *string `json:"duration,omitempty"`
	// FlexibleStart spreads the starts over a time, such as 30m. Optional.
	FlexibleStart *string `json:"flexibleStart,omitempty"`
	// Freeze lists periods without scheduled rotations. Optional.
	Freeze *[]*string `json:"freeze,omitempty"`
	// RotateImmediately rotates when the rotation is added or changed. Optional.
	RotateImmediately *bool `json:"rotateImmediately,omitempty"`
	// NativeBackstop is the interval of native rotation, such as 90d. Optional.
	NativeBackstop *string `json:"nativeBackstop,omitempty"`
	// Network is the name of one of RotationProps.Networks. Optional; no VPC.
	Network *string `json:"network,omitempty"`
	// RotationFunctionArn is an existing rotation function. Optional.
	RotationFunctionArn *string `json:"rotationFunction,omitempty"`
	// AlsoUpdate lists further keys of the secret in which user and password are replaced.
	// Optional.
	AlsoUpdate *[]*string `json:"alsoUpdate,omitempty"`
	// Password says how new passwords look. Optional.
	Password *PasswordProps `json:"password,omitempty"`
	// KmsKeyArn is the secret's customer managed key. Optional.
	KmsKeyArn *string `json:"kmsKey,omitempty"`
	// EncryptionKey is that key as a CDK construct. Optional; that of FromSecret.
	EncryptionKey awskms.IKey `json:"-"`
	// SuperuserKmsKeyArn is the superuser secret's key. Optional; KmsKeyArn.
	SuperuserKmsKeyArn *string `json:"superuserKmsKey,omitempty"`
}

// PasswordProps says how new passwords look. What is left out is the engine's
// default.
type PasswordProps struct {
	Length                  *float64 `json:"length,omitempty"`
	ExcludeCharacters       *string  `json:"excludeCharacters,omitempty"`
	ExcludeNumbers          *bool    `json:"excludeNumbers,omitempty"`
	ExcludePunctuation      *bool    `json:"excludePunctuation,omitempty"`
	ExcludeUppercase        *bool    `json:"excludeUppercase,omitempty"`
	ExcludeLowercase        *bool    `json:"excludeLowercase,omitempty"`
	RequireEachIncludedType *bool    `json:"requireEachIncludedType,omitempty"`
}

// NetworkProps is a network in which functions reach databases. Ids may be tokens, whose
// values are known only at deployment, such as those of a VPC of the same app.
type NetworkProps struct {
	// Vpc of the databases as a CDK construct, instead of VpcId and SubnetIds. Optional.
	Vpc awsec2.IVpc `json:"-"`
	// VpcSubnets of Vpc. Optional; those with egress.
	VpcSubnets *awsec2.SubnetSelection `json:"-"`
	// SecurityGroups of the functions, in addition to their own and SecurityGroupIds.
	// Optional.
	SecurityGroups *[]awsec2.ISecurityGroup `json:"-"`
	// Databases let the functions in, like DatabaseSecurityGroupIds: instances, clusters,
	// proxies or security groups. Optional.
	Databases *[]awsec2.IConnectable `json:"-"`
	// VpcId of the databases. Required, unless Vpc is given.
	VpcId *string `json:"vpc,omitempty"` //nolint:revive // CDK's spelling
	// SubnetIds from which they can be reached. At least one, unless Vpc is given.
	SubnetIds *[]*string `json:"subnets,omitempty"`
	// SecurityGroupIds of the functions, in addition to their own. Optional.
	SecurityGroupIds *[]*string `json:"securityGroups,omitempty"`
	// DatabaseSecurityGroupIds get a rule that lets the functions in. Optional.
	DatabaseSecurityGroupIds *[]*string `json:"databaseSecurityGroups,omitempty"`
	// DatabasePorts of those rules. Optional; all.
	DatabasePorts *[]*float64 `json:"databasePorts,omitempty"`
	// Endpoints is none, create or reuse. Optional; none.
	Endpoints *string `json:"endpoints,omitempty"`
	// EndpointSecurityGroupIds are the security groups of the endpoints to reuse.
	EndpointSecurityGroupIds *[]*string `json:"endpointSecurityGroups,omitempty"`
	// DualStack lets the functions use IPv6. Optional; false.
	DualStack *bool `json:"dualStack,omitempty"`
}

// NewRotation adds rotation to a CDK app. Like every constructor of the CDK it panics
// for invalid props, with a message that names the field, the value and the remedy.
func NewRotation(scope constructs.Construct, id *string, props *RotationProps) *Rotation {
	if props == nil {
		props = &RotationProps{}
	}
	cfg, err := props.config()
	if err != nil {
		panic(err)
	}
	o := Options{}
	if props.CodeDir != nil {
		o.CodeDir = *props.CodeDir
	}
	made, err := FromConfig(scope, id, cfg, o)
	if err != nil {
		panic(err)
	}
	return made
}

// config checks the props like a file: their JSON is valid YAML.
func (p *RotationProps) config() (*config.Config, error) {
	if p.ConfigFile != nil {
		return config.Load(*p.ConfigFile)
	}
	plain, err := p.plain()
	if err != nil {
		return nil, err
	}
	src, err := json.MarshalIndent(plain, "", "  ")
	if err != nil {
		return nil, err
	}
	return config.Parse("RotationProps", src)
}
