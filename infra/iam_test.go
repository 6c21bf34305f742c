package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestGoldenIAM lists every statement of every role, and of the resource
// policies, in a form that can be read in a review.
func TestGoldenIAM(t *testing.T) {
	for _, tpl := range templates {
		t.Run(tpl.name, func(t *testing.T) { checkGolden(t, tpl.name+".iam.txt", tpl.iam()) })
	}
}

func (tpl template) iam() string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(tpl.Resources)) {
		r := tpl.Resources[id]
		switch r.Type {
		case "AWS::IAM::Role":
			fmt.Fprintf(&b, "%s\n", tpl.readable(id))
			tpl.statements(&b, r.Properties["AssumeRolePolicyDocument"])
			inline, _ := r.Properties["Policies"].([]any)
			for _, p := range inline {
				tpl.statements(&b, p.(map[string]any)["PolicyDocument"])
			}
		case "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy", "AWS::EC2::VPCEndpoint":
			fmt.Fprintf(&b, "%s\n", tpl.readable(id))
			tpl.statements(&b, r.Properties["PolicyDocument"])
		case "AWS::KMS::Key":
			fmt.Fprintf(&b, "%s\n", tpl.readable(id))
			tpl.statements(&b, r.Properties["KeyPolicy"])
		case "AWS::Lambda::Permission":
			fmt.Fprintf(&b, "%s\n  allow %s\n    by Service %s\n    on %s\n    if account %s, source %s\n\n", tpl.readable(id), r.Properties["Action"],
				r.Properties["Principal"], tpl.text(r.Properties["FunctionName"]), tpl.text(r.Properties["SourceAccount"]), tpl.text(r.Properties["SourceArn"]))
		}
	}
	return b.String()
}

func (tpl template) statements(b *strings.Builder, document any) {
	for _, s := range document.(map[string]any)["Statement"].([]any) {
		s := s.(map[string]any)
		fmt.Fprintf(b, "  %s %s\n", strings.ToLower(s["Effect"].(string)), strings.Join(tpl.texts(s["Action"]), ", "))
		if p, ok := s["Principal"].(map[string]any); ok {
			for _, kind := range slices.Sorted(maps.Keys(p)) {
				fmt.Fprintf(b, "    by %s %s\n", kind, tpl.text(p[kind]))
			}
		}
		for _, resource := range tpl.texts(s["Resource"]) {
			fmt.Fprintf(b, "    on %s\n", resource)
		}
		conditions, _ := s["Condition"].(map[string]any)
		for _, operator := range slices.Sorted(maps.Keys(conditions)) {
			keys := conditions[operator].(map[string]any)
			for _, key := range slices.Sorted(maps.Keys(keys)) {
				fmt.Fprintf(b, "    if %s %s %s\n", key, operator, strings.Join(tpl.texts(keys[key]), " or "))
			}
		}
	}
	b.WriteString("\n")
}

func (tpl template) texts(v any) []string {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		var all []string
		for _, item := range v {
			all = append(all, tpl.text(item))
		}
		return all
	default:
		return []string{tpl.text(v)}
	}
}

// text writes an intrinsic function the way Fn::Sub does.
func (tpl template) text(v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Sprint(v)
	}
	if name, ok := m["Ref"].(string); ok {
		return "${" + tpl.readable(name) + "}"
	}
	if at, ok := m["Fn::GetAtt"].([]any); ok {
		return fmt.Sprintf("${%s.%s}", tpl.readable(at[0].(string)), at[1])
	}
	if join, ok := m["Fn::Join"].([]any); ok {
		return strings.Join(tpl.texts(join[1]), join[0].(string))
	}
	out, _ := json.Marshal(v)
	return string(out)
}

// readable takes the hash off a logical id.
func (tpl template) readable(id string) string {
	if _, ok := tpl.Resources[id]; ok && len(id) > 8 {
		return strings.TrimPrefix(id[:len(id)-8], "Rotation")
	}
	return id
}

// TestNoFunctionReachesDatabaseAndWrites: with one function of each kind taken
// over, a password still cannot be both changed and stored. The rotator is the
// exception, which the native contract forces: Secrets Manager wants one function
// for all four steps. It is deployed for nativeBackstop only.
func TestNoFunctionReachesDatabaseAndWrites(t *testing.T) {
	var reachers, writers []string
	for _, tpl := range templates {
		for _, id := range slices.Sorted(maps.Keys(tpl.Resources)) {
			f := tpl.Resources[id]
			if f.Type != "AWS::Lambda::Function" {
				continue
			}
			name := f.Properties["FunctionName"].(string)
			role := tpl.Resources[f.Properties["Role"].(map[string]any)["Fn::GetAtt"].([]any)[0].(string)]
			policies, _ := json.Marshal(role.Properties["Policies"])
			_, reaches := f.Properties["VpcConfig"]
			writes := false
			for _, action := range []string{"PutSecretValue", "UpdateSecret\"", "CreateSecret"} {
				writes = writes || strings.Contains(string(policies), "secretsmanager:"+action)
			}
			if reaches && writes && name != "tumbler-rotator" {
				t.Errorf("%s: %s is in the VPC and may write secrets", tpl.name, id)
			}
			if reaches {
				reachers = append(reachers, name)
			}
			if writes {
				writers = append(writers, name)
			}
		}
	}
	if want := "tumbler-preflight tumbler-reporting-preflight tumbler-reporting-restore tumbler-reporting-setsecret tumbler-reporting-testsecret tumbler-restore tumbler-rotator tumbler-setsecret tumbler-testsecret"; strings.Join(slices.Sorted(slices.Values(reachers)), " ") != want {
		t.Errorf("in a VPC are %v, want %s", reachers, want)
	}
	if want := "tumbler-createsecret tumbler-createsecret tumbler-no-vpc-createsecret tumbler-reporting-createsecret tumbler-rotator"; strings.Join(slices.Sorted(slices.Values(writers)), " ") != want {
		t.Errorf("%v may write secrets, want %s", writers, want)
	}
}

// TestNoWildcardActions, in roles and resource policies. A denial of everything
// without TLS is none.
func TestNoWildcardActions(t *testing.T) {
	for _, tpl := range templates {
		for line := range strings.SplitSeq(tpl.iam(), "\n") {
			if strings.HasPrefix(line, "  allow ") && strings.Contains(line, "*") {
				t.Errorf("%s: %s", tpl.name, line)
			}
		}
	}
}

func TestPermissionsBoundary(t *testing.T) {
	const boundary = "arn:aws:iam::111122223333:policy/bound"
	roles := 0
	for id, r := range synthYAML(t, "permissionsBoundary: "+boundary+"\n"+minimal).Resources {
		if r.Type == "AWS::IAM::Role" {
			if roles++; r.Properties["PermissionsBoundary"] != boundary {
				t.Errorf("%s is not bound", id)
			}
		}
	}
	if roles == 0 {
		t.Error("there are no roles")
	}
}

// TestRotatorsCaller: only Secrets Manager, for this account, and for the one
// secret if there is one.
func TestRotatorsCaller(t *testing.T) {
	const one = "  - secret: a\n    nativeBackstop: 90d\n"
	p := synthYAML(t, "rotations:\n"+one).only(t, "AWS::Lambda::Permission").Properties
	if p["Principal"] != "secretsmanager.amazonaws.com" || p["SourceAccount"] == nil || p["SourceArn"] == nil {
		t.Errorf("the permission is %v", p)
	}
	p = synthYAML(t, "rotations:\n"+one+"  - secret: b\n    nativeBackstop: 90d\n").only(t, "AWS::Lambda::Permission").Properties
	if p["SourceAccount"] == nil || p["SourceArn"] != nil {
		t.Errorf("the permission for two secrets is %v", p)
	}
}
