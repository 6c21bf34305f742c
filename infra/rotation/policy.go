package rotation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// statement is one statement of an IAM or resource policy.
type statement struct {
	Deny      bool
	Principal any // nil in a role's own policy
	Actions   []string
	Resources []string // nil in a trust policy
	Condition map[string]any
	// secrets are those for which a key may be used.
	secrets []string
	// Why explains Resources with a "*". Required with it: it becomes the recorded
	// reason in the template.
	Why string
}

var anyResource = []string{"*"}

func (s statement) document() map[string]any {
	m := map[string]any{"Effect": "Allow", "Action": list(s.Actions)}
	if s.Deny {
		m["Effect"] = "Deny"
	}
	if s.Principal != nil {
		m["Principal"] = s.Principal
	}
	if s.Resources != nil {
		m["Resource"] = arnList(s.Resources)
	}
	condition := maps.Clone(s.Condition)
	if s.secrets != nil {
		condition["StringLike"] = map[string]any{"kms:EncryptionContext:SecretARN": arnList(s.secrets)}
	}
	if condition != nil {
		m["Condition"] = condition
	}
	return m
}

// list returns a single value without a list, as IAM writes it.
func list(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	return values
}

// arnList writes many ARNs of one kind with their common prefix once. Written out, each
// would be five times as long as the part that differs.
func arnList(arns []string) any {
	const few, kind = 20, ":secret:"
	first, _, ok := strings.Cut(arns[0], kind)
	if !ok || len(arns) <= few || measuring {
		return list(arns)
	}
	var texts []string
	for _, arn := range arns {
		texts = append(texts, strings.Replace(arn, first+kind, "${B}", 1))
	}
	all := awscdk.Fn_Sub(jsii.String(strings.Join(texts, ",")), &map[string]*string{"B": jsii.String(first + kind)})
	return *awscdk.Fn_Split(jsii.String(","), all, nil)
}

// measuring has arnList write every ARN out, as IAM will receive it.
var measuring bool

func policy(statements ...statement) map[string]any {
	documents := make([]any, len(statements))
	for i, s := range statements {
		documents[i] = s.document()
	}
	return map[string]any{"Version": "2012-10-17", "Statement": documents}
}

// trust lets a service assume a role on behalf of one resource of this account only.
// Without the condition, anybody's resource could make the service use the role (the
// confused deputy problem).
func (s *shared) trust(service, sourceARN string) statement {
	t := statement{Principal: map[string]any{"Service": service}, Actions: []string{"sts:AssumeRole"}}
	if sourceARN != "" {
		t.Condition = map[string]any{
			"StringEquals": map[string]any{"aws:SourceAccount": *awscdk.Aws_ACCOUNT_ID()},
			"ArnEquals":    map[string]any{"aws:SourceArn": sourceARN},
		}
	}
	return t
}

func (d *deployment) role(id, description string, trusted statement, statements []statement) awsiam.CfnRole {
	policies := pack(statements)
	if len(policies) > 1+config.MostManagedPolicies {
		// `tumbler validate` refuses this for files; here it concerns a construct's props.
		awscdk.Annotations_Of(d.scope).AddError(jsii.String(fmt.Sprintf(
			"%s needs %d managed policies, and a role has %d: name its secrets by patterns (permissions)", id, len(policies)-1, config.MostManagedPolicies)))
	}
	props := &awsiam.CfnRoleProps{
		Description:              jsii.String(description),
		AssumeRolePolicyDocument: policy(trusted),
		Policies: []any{awsiam.CfnRole_PolicyProperty{
			PolicyName:     jsii.String("tumbler"),
			PolicyDocument: policy(policies[0]...),
		}},
	}
	var managed []any
	for i, more := range policies[1:] {
		p := awsiam.NewCfnManagedPolicy(d.scope, jsii.String(fmt.Sprintf("%sMore%d", id, i+1)), &awsiam.CfnManagedPolicyProps{
			Description: jsii.String(description), PolicyDocument: policy(more...),
		})
		managed = append(managed, *p.Ref())
		d.explain(p, more)
	}
	if managed != nil {
		props.ManagedPolicyArns = &managed
	}
	if d.cfg.PermissionsBoundary != "" {
		props.PermissionsBoundary = jsii.String(d.cfg.PermissionsBoundary)
	}
	role := awsiam.NewCfnRole(d.scope, jsii.String(id), props)
	d.explain(role, policies[0])
	return role
}

// explain records why statements have resources with a "*".
func (d *deployment) explain(holder awscdk.CfnResource, statements []statement) {
	var why, findings []string
	for _, s := range statements {
		if s.Why == "" {
			continue
		}
		why = appendNew(why, s.Why)
		for _, resource := range s.Resources {
			findings = appendNew(findings, "Resource::"+asFound(resource))
		}
	}
	if len(d.cfg.Permissions.Secrets)+len(d.cfg.Permissions.Superusers) > 0 {
		for _, s := range statements {
			for _, resource := range s.Resources {
				if s.Why == "" && strings.Contains(resource, "*") {
					why = appendNew(why, "The configuration says permissions.")
					findings = appendNew(findings, "Resource::"+asFound(resource))
				}
			}
		}
	}
	if len(why) > 0 {
		accept(holder, "AwsSolutions-IAM5", strings.Join(why, " "), findings...)
	}
}

// pack divides statements into a role's inline policy and managed policies, each within
// IAM's limit of length.
func pack(statements []statement) (policies [][]statement) {
	if length(statements) <= config.LongestInlinePolicy {
		return [][]statement{statements}
	}
	policies = [][]statement{nil}
	sizes := []int{empty}
	for _, s := range statements {
		for begin := 0; ; {
			var part statement
			i, n := 0, 0
			for ; i < len(sizes); i++ {
				if part, n = s.upTo(begin, mostOf(i)-sizes[i]); n > 0 {
					break
				}
			}
			if i == len(sizes) {
				policies, sizes = append(policies, nil), append(sizes, empty)
				part, n = s.upTo(begin, mostOf(i)-empty)
			}
			policies[i] = append(policies[i], part)
			sizes[i] += length([]statement{part}) - empty + 1
			if begin += n; begin >= len(s.divisible()) {
				break
			}
		}
	}
	return policies
}

// divisible is the list by which a statement can be divided into several.
func (s statement) divisible() []string {
	if len(s.secrets) > 1 {
		return s.secrets
	}
	return s.Resources
}

// upTo returns the statement with as many of its list, from begin on, as fit into room
// characters. n is their number, 0 if none fits.
func (s statement) upTo(begin, room int) (part statement, n int) {
	all := s.divisible()
	part = s
	put := func(list []string) {
		if len(s.secrets) > 1 {
			part.secrets = list
		} else {
			part.Resources = list
		}
	}
	put(all[begin : begin+1])
	size := length([]statement{part}) - empty + len(`[],`)
	for n = 0; begin+n < len(all); n++ {
		if n > 0 {
			size += textLength(all[begin+n]) + len(`"",`)
		}
		if size > room {
			break
		}
	}
	put(all[begin : begin+max(n, 1)])
	return part, n
}

func mostOf(i int) int {
	if i == 0 {
		return config.LongestInlinePolicy
	}
	return config.LongestManagedPolicy
}

// empty is the length of a policy without statements, in characters.
const empty = len(`{"Version":"2012-10-17","Statement":[]}`)

// The values of pseudo parameters and references are not known yet: these are the
// longest possible ones.
var (
	pseudo  = strings.NewReplacer(*awscdk.Aws_PARTITION(), "aws-us-gov", *awscdk.Aws_REGION(), "ap-southeast-1", *awscdk.Aws_ACCOUNT_ID(), "111122223333")
	unknown = regexp.MustCompile(`\$\{Token\[[^\]]*\]\}`)
)

// length is the length of a policy as IAM counts it: in characters, without white space.
func length(statements []statement) int {
	measuring = true
	defer func() { measuring = false }()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(policy(statements...)); err != nil {
		panic(err) // text: cannot fail
	}
	return textLength(strings.TrimSpace(b.String()))
}

func textLength(text string) int {
	return len(unknown.ReplaceAllString(pseudo.Replace(text), strings.Repeat("x", 120)))
}

// asFound writes an ARN as cdk-nag does in its findings.
func asFound(arn string) string {
	return strings.NewReplacer(*awscdk.Aws_PARTITION(), "<AWS::Partition>", *awscdk.Aws_REGION(), "<AWS::Region>",
		*awscdk.Aws_ACCOUNT_ID(), "<AWS::AccountId>").Replace(arn)
}

// accept records in the template why a finding of cdk-nag is accepted. It writes
// cdk-nag's own metadata, so that the app need not load cdk-nag.
func accept(resource awscdk.CfnResource, rule, reason string, findings ...string) {
	entry := map[string]any{"id": rule, "reason": reason}
	if len(findings) > 0 {
		entry["applies_to"] = findings
	}
	resource.AddMetadata(jsii.String("cdk_nag"), map[string]any{"rules_to_suppress": []any{entry}})
}
