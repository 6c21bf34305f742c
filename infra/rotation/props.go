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

// RotationProps says what [NewRotation] deploys. The fields are those of
// rotations.yaml, where rotations.example.yaml explains each.
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
	// Alerts says who is told about failures. Optional.
	Alerts *AlertProps `json:"alerts,omitempty"`
	// LogRetentionDays is how long logs are kept. Optional; 90.
	LogRetentionDays *float64 `json:"logRetentionDays,omitempty"`
	// LogKmsKeyArn is of the key that logs are encrypted with. Optional.
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
	// PermissionsBoundaryArn is of a policy that bounds every role. Optional.
	PermissionsBoundaryArn *string `json:"permissionsBoundary,omitempty"`
	// Permissions are patterns of names for the roles. Optional; each secret by name.
	Permissions *PermissionsProps `json:"permissions,omitempty"`
	// Defaults hold for every secret that does not say otherwise. Its network has the
	// deployment's own name. Required with secrets in several networks.
	Defaults *DefaultProps `json:"defaults,omitempty"`
	// Networks are places that SecretProps.Network names. Optional.
	Networks *map[string]*NetworkProps `json:"networks,omitempty"`
}

// AlertProps says who is told about failures.
type AlertProps struct {
	// TopicArn is of a topic that exists. Optional; one is created.
	TopicArn *string `json:"topic,omitempty"`
	// TopicKmsKeyArn is of that topic's customer managed key. Optional.
	TopicKmsKeyArn *string `json:"topicKmsKey,omitempty"`
	// Emails are subscribed. Optional.
	Emails *[]*string `json:"emails,omitempty"`
	// Severity is the least that is sent to them: info, warning or critical.
	// Optional; info.
	Severity *string `json:"severity,omitempty"`
}

// RotateNowProps says which events start rotations.
type RotateNowProps struct {
	// Enabled has an event bus for them. Optional; true.
	Enabled *bool `json:"enabled,omitempty"`
	// AllowedArns are of the roles and users, or numbers of the accounts, that may put
	// events on it. Optional; whoever IAM allows in the account.
	AllowedArns *[]*string `json:"allow,omitempty"`
	// MinimumInterval is how old AWSCURRENT is at least, as in 30m. Optional; 1h.
	MinimumInterval *string `json:"minimumInterval,omitempty"`
}

// PermissionsProps are patterns of secrets' names, with * and ?, that the roles may
// act on instead of each secret by name.
type PermissionsProps struct {
	// Secrets covers the rotated secrets. Optional.
	Secrets *[]*string `json:"secrets,omitempty"`
	// Superusers covers the superusers' secrets. Optional.
	Superusers *[]*string `json:"superusers,omitempty"`
}

// DefaultProps hold for every secret that does not say otherwise.
type DefaultProps struct {
	// Network is the name of one of RotationProps.Networks, or none. Optional.
	Network *string `json:"network,omitempty"`
}

// SecretProps is one secret and how it is rotated.
type SecretProps struct {
	// Secret is its name or complete ARN, as plain text: the schedule is named
	// after it, so a value that is known at deployment only is refused. Required,
	// unless FromSecret is given.
	Secret *string `json:"secret,omitempty"`
	// FromSecret is the secret as the CDK knows it, instead of Secret and KmsKeyArn. One of
	// the same app has to have a SecretName.
	FromSecret awssecretsmanager.ISecret `json:"-"`
	// Strategy is single-user or alternating-users. Optional; single-user.
	Strategy *string `json:"strategy,omitempty"`
	// SuperuserSecret is the name or ARN of a superuser's secret. Required with
	// alternating-users.
	SuperuserSecret *string `json:"superuserSecret,omitempty"`
	// FromSuperuserSecret is it as the CDK knows it, instead of SuperuserSecret and
	// SuperuserKmsKeyArn.
	FromSuperuserSecret awssecretsmanager.ISecret `json:"-"`
	// Username is the database's user that the secret is for; of a pair, either of
	// the two. A secret that names another is refused. Optional.
	Username *string `json:"username,omitempty"`
	// RecoverPassword lets the superuser reset a password that is lost. Optional.
	RecoverPassword *bool `json:"recoverPassword,omitempty"`
	// KeepPrevious has the database accept the password before until the next
	// rotation. Optional; single-user, MySQL from 8.0.14 on.
	KeepPrevious *bool `json:"keepPrevious,omitempty"`
	// SeparateOwnership makes a clone own what it creates. Optional;
	// alternating-users, PostgreSQL.
	SeparateOwnership *bool `json:"separateOwnership,omitempty"`
	// Schedule is a rate() or cron() expression in UTC. Optional; on demand only.
	Schedule *string `json:"schedule,omitempty"`
	// Duration is of the window, as in 3h. Optional.
	Duration *string `json:"duration,omitempty"`
	// FlexibleStart spreads the starts, as in 30m. Optional.
	FlexibleStart *string `json:"flexibleStart,omitempty"`
	// Freeze lists periods without scheduled rotations. Optional.
	Freeze *[]*string `json:"freeze,omitempty"`
	// RotateImmediately rotates when the rotation is added or changed. Optional.
	RotateImmediately *bool `json:"rotateImmediately,omitempty"`
	// NativeBackstop is how often Secrets Manager rotates, as in 90d. Optional.
	NativeBackstop *string `json:"nativeBackstop,omitempty"`
	// Network is the name of one of RotationProps.Networks. Optional; no VPC.
	Network *string `json:"network,omitempty"`
	// RotationFunctionArn is of an existing rotation function. Optional.
	RotationFunctionArn *string `json:"rotationFunction,omitempty"`
	// AlsoUpdate lists further keys in which user and password are replaced. Optional.
	AlsoUpdate *[]*string `json:"alsoUpdate,omitempty"`
	// Password says how new passwords look. Optional.
	Password *PasswordProps `json:"password,omitempty"`
	// KmsKeyArn is of the secret's customer managed key. Optional.
	KmsKeyArn *string `json:"kmsKey,omitempty"`
	// EncryptionKey is that key as the CDK knows it. Optional; that of FromSecret.
	EncryptionKey awskms.IKey `json:"-"`
	// SuperuserKmsKeyArn is of the superuser secret's key. Optional; KmsKeyArn.
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

// NetworkProps is a place from which databases are reached. Ids may be values
// that are known at deployment only, such as those of a VPC of the same app.
type NetworkProps struct {
	// Vpc of the databases as the CDK knows it, instead of VpcId and SubnetIds. Optional.
	Vpc awsec2.IVpc `json:"-"`
	// VpcSubnets of Vpc. Optional; those with a way out.
	VpcSubnets *awsec2.SubnetSelection `json:"-"`
	// SecurityGroups that the functions get beside their own, with SecurityGroupIds. Optional.
	SecurityGroups *[]awsec2.ISecurityGroup `json:"-"`
	// Databases are let in to, with DatabaseSecurityGroupIds: instances, clusters, proxies,
	// groups. Optional.
	Databases *[]awsec2.IConnectable `json:"-"`
	// VpcId of the databases. Required, unless Vpc is given.
	VpcId *string `json:"vpc,omitempty"` //nolint:revive // CDK's spelling
	// SubnetIds from which they can be reached. At least one, unless Vpc is given.
	SubnetIds *[]*string `json:"subnets,omitempty"`
	// SecurityGroupIds that the functions get beside their own. Optional.
	SecurityGroupIds *[]*string `json:"securityGroups,omitempty"`
	// DatabaseSecurityGroupIds get a rule that lets the functions in. Optional.
	DatabaseSecurityGroupIds *[]*string `json:"databaseSecurityGroups,omitempty"`
	// DatabasePorts of those rules. Optional; any.
	DatabasePorts *[]*float64 `json:"databasePorts,omitempty"`
	// Endpoints is none, create or reuse. Optional; none.
	Endpoints *string `json:"endpoints,omitempty"`
	// EndpointSecurityGroupIds are of the endpoints to reuse.
	EndpointSecurityGroupIds *[]*string `json:"endpointSecurityGroups,omitempty"`
	// DualStack lets the functions use IPv6. Optional; false.
	DualStack *bool `json:"dualStack,omitempty"`
}

// NewRotation adds rotation to a CDK app. Like every constructor of the CDK it
// panics when the props cannot be meant, with a message that names the field, the
// value and the remedy.
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

// config puts the props through the same checks as a file: JSON is YAML.
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
