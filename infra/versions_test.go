package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
)

// versions are the published versions of a template's functions: logical ids by the
// function's name.
func (tpl template) versions() map[string]string {
	all := map[string]string{}
	for id, r := range tpl.Resources {
		if r.Type == "AWS::Lambda::Version" {
			f := tpl.Resources[r.Properties["FunctionName"].(map[string]any)["Ref"].(string)]
			all[f.Properties["FunctionName"].(string)] = id
		}
	}
	return all
}

// TestRunningExecutionsKeepTheirCode: an update of a function, by its code, its
// configuration or its layer, publishes another version and keeps the one before; what
// has not changed keeps its version. Going back is another version again.
func TestRunningExecutionsKeepTheirCode(t *testing.T) {
	const yaml = "rotations:\n  - secret: a\n  - secret: b\n"
	withCode := func(code, yaml, authorities string) template {
		dir := filepath.Join(t.TempDir(), "lambda")
		if err := os.CopyFS(dir, os.DirFS(stubs)); err != nil {
			t.Fatal(err)
		}
		if code != "" {
			if err := os.WriteFile(filepath.Join(dir, "arm64", "setsecret", "bootstrap"), []byte(code), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cfg := parse(t, yaml)
		cfg.Authorities = []byte(authorities)
		app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir())})
		stack, err := newStack(app, cfg, nil, rotation.Options{CodeDir: dir, Now: synthesised})
		if err != nil {
			t.Fatal(err)
		}
		return templateOf(t, read(t, *app.Synth(nil).GetStackArtifact(stack.ArtifactId()).TemplateFullPath()))
	}
	before := withCode("", yaml, "x")
	steps := []string{"createsecret", "finishsecret", "plan", "planwave", "restore", "setsecret", "testsecret"}
	for _, step := range steps {
		if before.versions()["tumbler-"+step] == "" {
			t.Errorf("%s has no version", step)
		}
	}
	for _, tt := range []struct {
		name    string
		after   template
		changed []string
	}{
		{"nothing", withCode("", yaml, "x"), nil},
		{"the code of one", withCode("new", yaml, "x"), []string{"setsecret"}},
		{"what Plan is told", withCode("", "rotateNow: {minimumInterval: 2h}\n"+yaml, "x"), []string{"plan"}},
		{"the authorities", withCode("", yaml, "y"), []string{"restore", "setsecret", "testsecret"}},
		{"another secret", withCode("", yaml+"  - secret: c\n", "x"), nil},
		{"tracing", withCode("", "tracing: false\n"+yaml, "x"), steps},
	} {
		var changed []string
		after := tt.after.versions()
		for name, id := range before.versions() {
			if after[name] == id {
				continue
			}
			changed = append(changed, strings.TrimPrefix(name, "tumbler-"))
			if r := before.Resources[id]; r.DeletionPolicy != "RetainExceptOnCreate" || r.UpdateReplacePolicy != "Retain" {
				t.Errorf("%s: %s goes with the update: %s, %s", tt.name, id, r.DeletionPolicy, r.UpdateReplacePolicy)
			}
		}
		slices.Sort(changed)
		if !slices.Equal(changed, tt.changed) {
			t.Errorf("%s: another version of %v, want %v", tt.name, changed, tt.changed)
		}
		// Lambda publishes nothing when the function's own configuration is the same.
		for name := range before.versions() {
			was := before.named(t, "AWS::Lambda::Function", "FunctionName", name).Properties["Description"]
			is := tt.after.named(t, "AWS::Lambda::Function", "FunctionName", name).Properties["Description"]
			if (was != is) != (before.versions()[name] != after[name]) {
				t.Errorf("%s: %s is described as %q and %q", tt.name, name, was, is)
			}
		}
	}
}
