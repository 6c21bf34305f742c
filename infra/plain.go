package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
	"github.com/tumbler-rotation/tumbler/internal/config"
)

// parameter is a parameter of the plain template. While the template is synthesised, a
// placeholder takes its place, so that the configuration passes the usual checks.
type parameter struct {
	name, stands              string
	kind, description, within string // within: the pattern of allowed values. Optional.
	fallback                  string // optional
}

var parameters = []parameter{
	{
		name: "SecretName", stands: "parameter/SecretName", kind: "String", within: "[A-Za-z0-9/_+=.@-]{1,250}",
		description: "Name (no ARN) of the secret to rotate. It is encrypted with the account's own key, aws/secretsmanager",
	},
	{
		name: "Schedule", stands: "cron(0 2 ? * SUN *)", kind: "String", fallback: "cron(0 2 ? * SUN *)",
		within:      `cron\(0 (1?[0-9]|2[01]) (\? \* (SUN|MON|TUE|WED|THU|FRI|SAT)|(1?[0-9]|2[0-8]) \* \?) \*\)`,
		description: "When its rotation window of three hours opens, in UTC: cron(0 2 ? * SUN *) weekly, cron(0 2 1 * ? *) monthly",
	},
	{
		name: "AlertEmail", stands: "parameter@alert.invalid", kind: "String", within: `[^@\s]+@[^@\s]+`,
		description: "Who is told of failures; the address has to confirm",
	},
	{name: "VpcId", stands: "vpc-00000001", kind: "AWS::EC2::VPC::Id", description: "VPC of the database"},
	{name: "SubnetA", stands: "subnet-00000001", kind: "AWS::EC2::Subnet::Id", description: "A subnet from which the database can be reached"},
	{name: "SubnetB", stands: "subnet-00000002", kind: "AWS::EC2::Subnet::Id", description: "Another, in another Availability Zone"},
	{
		name: "DatabaseSecurityGroup", stands: "sg-00000001", kind: "AWS::EC2::SecurityGroup::Id",
		description: "Security group of the database; it gets a rule that lets the functions in",
	},
}

// plainConfig is the configuration of the plain template.
const plainConfig = `
architecture: %s
alerts:
  emails: [parameter@alert.invalid]
networks:
  database:
    vpc: vpc-00000001
    subnets: [subnet-00000001, subnet-00000002]
    databaseSecurityGroups: [sg-00000001]
    endpoints: create
defaults:
  network: database
rotations:
  - secret: parameter/SecretName
    schedule: cron(0 2 ? * SUN *)
    duration: 3h
`

const plainDescription = "Tumbler: rotates one secret of a database in a VPC, by parameters. Made from rotations.yaml by the CDK; " +
	"for more secrets, other strategies or keys, deploy that (docs/deploy.md)"

// plain writes what can be deployed without the CDK and Go into a directory: a template
// for each architecture, and the code that it refers to, as
// functions/ARCHITECTURE/NAME-HASH.
func plain(dir string, now rotation.Options) error {
	for _, arch := range []config.Architecture{config.ARM64, config.X8664} {
		if err := plainFor(dir, arch, now); err != nil {
			return fmt.Errorf("the template for %s: %w", arch, err)
		}
	}
	return nil
}

func plainFor(dir string, arch config.Architecture, o rotation.Options) error {
	cfg, err := config.Parse("the plain template", fmt.Appendf(nil, plainConfig, arch))
	if err != nil {
		return err
	}
	out, err := os.MkdirTemp("", "tumbler-plain-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false), Outdir: &out})
	o.SchedulesInTemplate = -1 // CloudFormation cannot make a schedule's name out of a parameter; the function can
	stack, err := newStack(app, cfg, nil, o)
	if err != nil {
		return err
	}
	artifact := app.Synth(nil).GetStackArtifact(stack.ArtifactId())
	src, err := os.ReadFile(*artifact.TemplateFullPath())
	if err != nil {
		return err
	}
	codes, err := codeOf(out, *stack.StackName())
	if err != nil {
		return err
	}
	keys := map[string]string{}
	for hash, name := range codes {
		keys[hash+".zip"] = fmt.Sprintf("functions/%s/%s-%s.zip", arch, name, hash[:12])
		to := filepath.Join(dir, strings.TrimSuffix(keys[hash+".zip"], ".zip"))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.CopyFS(to, os.DirFS(filepath.Join(out, "asset."+hash))); err != nil {
			return err
		}
	}
	made, err := parametrised(src, keys)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "tumbler-"+string(arch)+".template.json"), made, 0o644)
}

// codeOf returns the functions' names by the hash of their code.
func codeOf(out, stack string) (map[string]string, error) {
	src, err := os.ReadFile(filepath.Join(out, stack+".assets.json"))
	if err != nil {
		return nil, err
	}
	var manifest struct {
		Files map[string]struct{ DisplayName string }
	}
	if err := json.Unmarshal(src, &manifest); err != nil {
		return nil, err
	}
	names := map[string]string{}
	for hash, file := range manifest.Files {
		name := file.DisplayName[strings.LastIndexByte(file.DisplayName, '/')+1:]
		if name, code := strings.CutSuffix(name, "Code"); code {
			names[hash] = strings.ToLower(name)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("no function has any code")
	}
	return names, nil
}

// parametrised replaces the placeholders in a template by its parameters, and has the code
// come from the bucket and prefix that are parameters, too. keys are the S3 keys under the
// prefix, by the function's name.
func parametrised(src []byte, keys map[string]string) ([]byte, error) {
	var template map[string]any
	if err := json.Unmarshal(src, &template); err != nil {
		return nil, err
	}
	template = withParameters(template).(map[string]any)
	resources, ok := template["Resources"].(map[string]any)
	if !ok {
		return nil, errors.New("the template has no resources")
	}
	values := map[string]any{}
	declared := map[string]any{
		"CodeBucket": map[string]any{"Type": "String", "Description": "S3 bucket, of this Region, in which the folder functions of the release lies"},
		"CodePrefix": map[string]any{"Type": "String", "Default": "", "AllowedPattern": "([^/].*/)?", "Description": "What its keys begin with there, such as tumbler/v1.2.3/; ends with a slash"},
	}
	for _, p := range parameters {
		about := map[string]any{"Type": p.kind, "Description": p.description}
		if p.within != "" {
			about["AllowedPattern"] = p.within
		}
		if p.fallback != "" {
			about["Default"] = p.fallback
		}
		declared[p.name] = about
		values[p.stands] = map[string]any{"Ref": p.name}
	}
	for id, r := range resources {
		resource, _ := r.(map[string]any)
		properties, _ := resource["Properties"].(map[string]any)
		switch resource["Type"] {
		case "AWS::Lambda::Function":
			code, _ := properties["Code"].(map[string]any)
			asset, _ := code["S3Key"].(string)
			key := keys[asset]
			if key == "" {
				return nil, fmt.Errorf("%s has code that is not in the release", id)
			}
			properties["Code"] = map[string]any{"S3Bucket": map[string]any{"Ref": "CodeBucket"}, "S3Key": map[string]any{"Fn::Sub": "${CodePrefix}" + key}}
		case "Custom::TumblerSchedules":
			properties["Values"] = values // the function puts them into its list of schedules
		}
	}
	delete(template, "Rules") // they check for the CDK's bootstrap, which is not needed here
	template["Parameters"], template["Description"] = declared, plainDescription
	made, err := json.MarshalIndent(template, "", " ")
	return append(made, '\n'), err
}

// withParameters returns a value with its placeholders replaced by parameters.
func withParameters(value any) any {
	switch v := value.(type) {
	case map[string]any:
		made := map[string]any{}
		for key, inner := range v {
			if text, ok := inner.(string); ok && key == "Fn::Sub" {
				for _, p := range parameters { // its own ${} stay
					text = strings.ReplaceAll(text, p.stands, "${"+p.name+"}")
				}
				made[key] = text
				continue
			}
			made[key] = withParameters(inner)
		}
		return made
	case []any:
		made := make([]any, len(v))
		for i, inner := range v {
			made[i] = withParameters(inner)
		}
		return made
	case string:
		literal := strings.ReplaceAll(v, "${", "${!")
		text := literal
		for _, p := range parameters {
			if v == p.stands {
				return map[string]any{"Ref": p.name}
			}
			text = strings.ReplaceAll(text, p.stands, "${"+p.name+"}")
		}
		if text != literal {
			return map[string]any{"Fn::Sub": text}
		}
	}
	return value
}
