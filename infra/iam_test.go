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
			for _, p := range r.Properties["Policies"].([]any) {
				tpl.statements(&b, p.(map[string]any)["PolicyDocument"])
			}
		case "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy":
			fmt.Fprintf(&b, "%s\n", tpl.readable(id))
			tpl.statements(&b, r.Properties["PolicyDocument"])
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
// over, a password still cannot be both changed and stored.
func TestNoFunctionReachesDatabaseAndWrites(t *testing.T) {
	inVPC, writers := 0, 0
	for _, tpl := range templates {
		for id, f := range tpl.Resources {
			if f.Type != "AWS::Lambda::Function" {
				continue
			}
			role := tpl.Resources[f.Properties["Role"].(map[string]any)["Fn::GetAtt"].([]any)[0].(string)]
			policies, _ := json.Marshal(role.Properties["Policies"])
			_, reaches := f.Properties["VpcConfig"]
			writes := strings.Contains(string(policies), "secretsmanager:PutSecretValue")
			if reaches && writes {
				t.Errorf("%s: %s is in the VPC and may write secrets", tpl.name, id)
			}
			if reaches {
				inVPC++
			}
			if writes {
				writers++
			}
		}
	}
	if inVPC != 3 || writers != 2 {
		t.Errorf("%d functions in a VPC and %d that write, want 3 in the example and one in each", inVPC, writers)
	}
}
