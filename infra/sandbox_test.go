package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/config"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/iam"
)

// inSandbox are the deployments whose policies the sandbox enforces. They have
// everything that takes a permission.
var inSandbox = map[string]string{
	iam.Open: "", iam.Closed: "networks:\n  db: {vpc: vpc-00000001, subnets: [subnet-00000001], endpoints: create}\ndefaults: {network: db}\n",
}

const sandboxRotations = `
alerts: {emails: [a@b.c]}
heartbeat: true
rotations:
  - secret: ` + iam.RotatedSecret + `
    strategy: alternating-users
    superuserSecret: ` + iam.SuperuserSecret + `
    kmsKey: arn:aws:kms:us-east-1:123456789012:key/11111111-1111-1111-1111-111111111111
    superuserKmsKey: arn:aws:kms:us-east-1:123456789012:key/22222222-2222-2222-2222-222222222222
    nativeBackstop: 90d
    rotateImmediately: true
  - secret: ` + iam.ByFunction + `
    rotationFunction: arn:aws:lambda:us-east-1:123456789012:function:SecretsManagerRotation
`

// TestSandboxEnforcesThese: the policies that the sandbox's functions run under are
// those of the template. Written by -update; the sandbox cannot import CDK.
func TestSandboxEnforcesThese(t *testing.T) {
	all := map[string]*iam.Deployment{}
	for name, head := range inSandbox {
		all[name] = resolved{synthYAML(t, head+sandboxRotations)}.deployment(t)
	}
	got := &bytes.Buffer{}
	enc := json.NewEncoder(got)
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(all); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "sandbox", "iam", "policies.json")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the sandbox enforces other policies than are deployed (-sandbox +template); after a review: go test ./infra -run %s -update\n%s", t.Name(), diff)
	}
}

// TestSandboxRunsTheseDefinitions: what the sandbox, and who is asked for a second opinion
// (proof/secondopinion), runs is what CloudFormation makes of the template.
func TestSandboxRunsTheseDefinitions(t *testing.T) {
	box, err := sandbox.Start(t.Context(), sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	api := sfn.NewFromConfig(box.AWS("test"))
	tpl, compared := resolved{synthYAML(t, sandboxRotations)}, 0
	for id, r := range tpl.Resources {
		if r.Type != "AWS::StepFunctions::StateMachine" {
			continue
		}
		arn := tpl.att(id, "Ref")
		runs, err := api.DescribeStateMachine(t.Context(), &sfn.DescribeStateMachineInput{StateMachineArn: &arn})
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		for text, value := range map[string]*any{tpl.value(r.Properties["DefinitionString"]): &want, *runs.Definition: &got} {
			if err := json.Unmarshal([]byte(text), value); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-template +sandbox)\n%s", arn, diff)
		}
		compared++
	}
	if compared != 2 {
		t.Errorf("%d state machines were compared, want the rotation's and the fleet's", compared)
	}
}

// people trust: whoever the operators' policy is attached to.
var people = map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
	"Effect": "Allow", "Principal": map[string]any{"AWS": "arn:aws:iam::" + iam.Account + ":root"}, "Action": "sts:AssumeRole",
}}}

// resolved is a template with the values that CloudFormation would put in.
type resolved struct{ template }

func (r resolved) deployment(t *testing.T) *iam.Deployment {
	t.Helper()
	d := &iam.Deployment{Roles: map[string]iam.Role{}, Resources: map[string]iam.Document{}}
	role := func(name string, ref any) {
		id := ref.(map[string]any)["Fn::GetAtt"].([]any)[0].(string)
		p := r.Resources[id].Properties
		made := iam.Role{Name: "tumbler-" + r.readable(id), Trust: r.policy(t, p["AssumeRolePolicyDocument"])}
		for _, inline := range p["Policies"].([]any) {
			made.Policies = append(made.Policies, r.policy(t, inline.(map[string]any)["PolicyDocument"]))
		}
		for _, id := range r.managed(p) {
			made.Policies = append(made.Policies, r.policy(t, r.Resources[id].Properties["PolicyDocument"]))
		}
		d.Roles[name] = made
	}
	for id, res := range r.Resources {
		p := res.Properties
		switch res.Type {
		case "AWS::Lambda::Function":
			name := strings.TrimPrefix(p["FunctionName"].(string), "tumbler-")
			role(name, p["Role"])
			if p["VpcConfig"] != nil {
				d.InVPC = append(d.InVPC, name)
			}
		case "AWS::IAM::ManagedPolicy":
			if r.readable(id) == "Operators" {
				d.Roles[iam.Operator] = iam.Role{Name: "tumbler-operator", Trust: r.policy(t, people), Policies: []iam.Document{r.policy(t, p["PolicyDocument"])}}
			}
		case "AWS::StepFunctions::StateMachine":
			role(strings.TrimPrefix(p["StateMachineName"].(string), "tumbler-"), p["RoleArn"])
		case "AWS::Events::Rule":
			if target := p["Targets"].([]any)[0].(map[string]any); target["RoleArn"] != nil {
				role(strings.TrimPrefix(p["Name"].(string), "tumbler-"), target["RoleArn"])
			}
		case "AWS::Scheduler::Schedule":
			role("scheduler", p["Target"].(map[string]any)["RoleArn"])
		case "AWS::SQS::QueuePolicy":
			d.Resources[iam.ARN("sqs", "tumbler-undelivered")] = r.policy(t, p["PolicyDocument"])
		case "AWS::SNS::TopicPolicy":
			d.Topic = iam.ARN("sns", "tumbler-alerts")
			d.Resources[d.Topic] = r.policy(t, p["PolicyDocument"])
		case "AWS::KMS::Key":
			d.Key = r.att(id, "Arn")
			d.Resources[d.Key] = r.policy(t, p["KeyPolicy"])
		case "AWS::Lambda::Permission":
			d.Callers = append(d.Callers, iam.Caller{
				Function: r.value(p["FunctionName"]), Principal: r.value(p["Principal"]),
				SourceAccount: r.value(p["SourceAccount"]), SourceArn: r.value(p["SourceArn"]),
			})
		case "AWS::EC2::VPCEndpoint":
			service := r.value(p["ServiceName"])
			if d.Endpoints == nil {
				d.Endpoints = map[string]iam.Document{}
			}
			d.Endpoints[service[strings.LastIndex(service, ".")+1:]] = r.policy(t, p["PolicyDocument"])
		}
	}
	sortBy(d.InVPC, func(s string) string { return s })
	sortBy(d.Callers, func(c iam.Caller) string { return c.Function + c.Principal })
	return d
}

// managed are the logical ids of a role's managed policies.
func (r resolved) managed(role map[string]any) (ids []string) {
	list, _ := role["ManagedPolicyArns"].([]any)
	for _, ref := range list {
		ids = append(ids, ref.(map[string]any)["Ref"].(string))
	}
	return ids
}

// size is that of all policies of a role; each has to be within its own limit.
func (r resolved) size(t *testing.T, role resource) (total int) {
	t.Helper()
	inline := 0
	for _, p := range role.Properties["Policies"].([]any) {
		inline += len(compact(t, r.plain(p.(map[string]any)["PolicyDocument"])))
	}
	ids := r.managed(role.Properties)
	if inline > config.LongestInlinePolicy || len(ids) > config.MostManagedPolicies {
		t.Errorf("a role's inline policies have %d characters, and it has %d managed ones", inline, len(ids))
	}
	total = inline
	for _, id := range ids {
		size := len(compact(t, r.plain(r.Resources[id].Properties["PolicyDocument"])))
		if size > config.LongestManagedPolicy {
			t.Errorf("%s has %d characters", id, size)
		}
		total += size
	}
	return total
}

func compact(t *testing.T, v any) []byte {
	t.Helper()
	src, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func (r resolved) policy(t *testing.T, document any) iam.Document {
	t.Helper()
	src, err := json.Marshal(r.plain(document))
	if err != nil {
		t.Fatal(err)
	}
	d, err := iam.ParseDocument(src)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return d
}

// plain replaces intrinsic functions by their values.
func (r resolved) plain(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = r.plain(v[i])
		}
		return list
	case map[string]any:
		if parts, ok := v["Fn::Split"].([]any); ok {
			var list []any
			for part := range strings.SplitSeq(r.value(parts[1]), parts[0].(string)) {
				list = append(list, part)
			}
			return list
		}
		for name := range v {
			if name == "Ref" || strings.HasPrefix(name, "Fn::") {
				return r.value(v)
			}
		}
		m := map[string]any{}
		for key, value := range v {
			m[key] = r.plain(value)
		}
		return m
	}
	return v
}

func (r resolved) value(v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		if v == nil {
			return ""
		}
		return v.(string)
	}
	if name, ok := m["Ref"].(string); ok {
		if pseudo, ok := map[string]string{"AWS::Partition": "aws", "AWS::Region": iam.Region, "AWS::AccountId": iam.Account, "AWS::URLSuffix": "amazonaws.com"}[name]; ok {
			return pseudo
		}
		return r.att(name, "Ref")
	}
	if at, ok := m["Fn::GetAtt"].([]any); ok {
		return r.att(at[0].(string), at[1].(string))
	}
	if parts, ok := m["Fn::Sub"].([]any); ok {
		text := parts[0].(string)
		for name, value := range parts[1].(map[string]any) {
			text = strings.ReplaceAll(text, "${"+name+"}", r.value(value))
		}
		return text
	}
	if branches, ok := m["Fn::If"].([]any); ok {
		return r.value(branches[2]) // the only condition is InChina
	}
	if parts, ok := m["Fn::Join"].([]any); ok {
		var all []string
		for _, part := range parts[1].([]any) {
			all = append(all, r.value(part))
		}
		return strings.Join(all, parts[0].(string))
	}
	panic(fmt.Sprintf("what CloudFormation makes of %v is not known here", v))
}

// att is a resource's Ref or attribute.
func (r resolved) att(id, attribute string) string {
	res := r.Resources[id]
	name := func(property string) string { return r.value(res.Properties[property]) }
	switch res.Type + " " + attribute {
	case "AWS::Lambda::Function Ref":
		return iam.ARN("lambda", "function:"+name("FunctionName")) // the name; a permission says the same with the ARN
	case "AWS::Lambda::Function Arn":
		return iam.ARN("lambda", "function:"+name("FunctionName"))
	case "AWS::Lambda::Version Ref":
		return name("FunctionName") + ":1"
	case "AWS::IAM::Role Arn":
		return "arn:aws:iam::" + iam.Account + ":role/" + id
	case "AWS::StepFunctions::StateMachine Ref":
		return iam.ARN("states", "stateMachine:"+name("StateMachineName"))
	case "AWS::Scheduler::ScheduleGroup Ref":
		return name("Name")
	case "AWS::SNS::Topic Ref":
		return iam.ARN("sns", name("TopicName"))
	case "AWS::SQS::Queue Arn":
		return iam.ARN("sqs", name("QueueName"))
	case "AWS::Logs::LogGroup Arn":
		return iam.ARN("logs", "log-group:"+name("LogGroupName")+":*")
	case "AWS::Events::Rule Arn":
		if res.Properties["Name"] == nil {
			return iam.ARN("events", "rule/"+id)
		}
		return iam.ARN("events", "rule/"+name("Name"))
	case "AWS::KMS::Key Arn":
		return iam.ARN("kms", "key/33333333-3333-3333-3333-333333333333")
	}
	panic(fmt.Sprintf("%s of a %s is not known here", attribute, res.Type))
}

// TestSandboxConfigurationIsComplete: what takes a permission and is not in the
// sandbox's deployments would never be tried.
func TestSandboxConfigurationIsComplete(t *testing.T) {
	have := map[string]bool{}
	for _, head := range inSandbox {
		tpl := synthYAML(t, head+sandboxRotations)
		for _, r := range tpl.Resources {
			for _, action := range actionsOf(r) {
				have[action] = true
			}
		}
	}
	for _, tpl := range templates {
		for id, r := range tpl.Resources {
			for _, action := range actionsOf(r) {
				if !have[action] {
					t.Errorf("%s: %s of %s is in no deployment of the sandbox", tpl.name, action, id)
				}
			}
		}
	}
}

func actionsOf(r resource) (actions []string) {
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				if key != "Action" {
					walk(value)
					continue
				}
				if list, ok := value.([]any); ok {
					for _, a := range list {
						actions = append(actions, a.(string))
					}
				} else if one, ok := value.(string); ok {
					actions = append(actions, one)
				}
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(r.Properties)
	return actions
}

func sortBy[T any](list []T, key func(T) string) {
	slices.SortFunc(list, func(a, b T) int { return strings.Compare(key(a), key(b)) })
}
