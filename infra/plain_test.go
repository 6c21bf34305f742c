package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
)

// TestPlainTemplate: what a release has for those with neither Node nor Go is a template
// that the checker knows no fault of, with a parameter wherever it was synthesised for
// nobody in particular, and with all the code that it refers to beside it.
func TestPlainTemplate(t *testing.T) {
	dir := t.TempDir()
	if err := plain(dir, rotation.Options{CodeDir: stubs, Now: synthesised}); err != nil {
		t.Fatal(err)
	}
	checked := map[string][]byte{}
	for _, arch := range []string{"arm64", "x86_64"} {
		name := "tumbler-" + arch + ".template.json"
		src := read(t, filepath.Join(dir, name))
		checked[name] = src
		var made struct {
			Parameters map[string]any
			Resources  map[string]resource
		}
		if err := json.Unmarshal(src, &made); err != nil {
			t.Fatal(err)
		}
		if made.Parameters["BootstrapVersion"] != nil || strings.Contains(string(src), "cdk-hnb659fds") {
			t.Error("it wants the CDK's bootstrap")
		}
		for _, r := range made.Resources {
			if r.Type == "Custom::TumblerSchedules" {
				if values := r.Properties["Values"].(map[string]any); len(values) != len(parameters) {
					t.Errorf("the schedules are filled in with %v", values)
				}
				delete(r.Properties, "Values") // its keys are what stands for the values
			}
		}
		uses := encoded(t, made.Resources)
		for _, p := range parameters {
			if strings.Contains(uses, p.stands) {
				t.Errorf("%s stands somewhere still", p.stands)
			}
			if !strings.Contains(uses, `"Ref":"`+p.name+`"`) && !strings.Contains(uses, "${"+p.name+"}") && p.name != "Schedule" { // which is in the list alone
				t.Errorf("the parameter %s has no effect", p.name)
			}
			if p.fallback != "" && !regexp.MustCompile("^(?:"+p.within+")$").MatchString(p.fallback) {
				t.Errorf("%s: its own default is not allowed", p.name)
			}
		}
		var code []string
		for id, r := range made.Resources {
			if r.Type != "AWS::Lambda::Function" {
				continue
			}
			at := r.Properties["Code"].(map[string]any)
			key, ours := strings.CutPrefix(at["S3Key"].(map[string]any)["Fn::Sub"].(string), "${CodePrefix}")
			if _, err := os.Stat(filepath.Join(dir, strings.TrimSuffix(key, ".zip"), "bootstrap")); err != nil || !ours {
				t.Errorf("%s: its code is not in the release: %v", id, err)
			}
			code = append(code, key)
		}
		if !slices.ContainsFunc(code, func(key string) bool { return strings.HasPrefix(key, "functions/"+arch+"/registry-") }) {
			t.Errorf("nothing makes the schedules: %v", code)
		}
	}
	page := string(read(t, filepath.Join("..", "docs", "deploy.md")))
	for _, p := range append(slices.Clone(parameters), parameter{name: "CodeBucket"}, parameter{name: "CodePrefix"}) {
		if p.fallback == "" && !strings.Contains(page, " "+p.name+"=") {
			t.Errorf("docs/deploy.md does not say %s", p.name)
		}
	}
	if out := checkTemplates(t, checked); out != "" {
		t.Error(out)
	}
}

func encoded(t *testing.T, value any) string {
	t.Helper()
	src, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}
