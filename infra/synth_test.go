package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/tumbler-rotation/tumbler/infra/rotation"
	"github.com/tumbler-rotation/tumbler/internal/config"
)

// These tests share one Node process: no t.Parallel, and not under -race, where
// jsii's own Close fails.

var update = flag.Bool("update", false, "rewrite the golden files")

// stubbed are the functions; TestFunctionsExist compares them with functions/.
var stubbed = []string{
	"plan", "createsecret", "setsecret", "testsecret", "finishsecret", "restore", "planwave", "rotator", "rotateimmediately",
	"preflight", "audit", "incident", "heartbeat", "registry",
}

// synthesised is when the tests' templates were.
func synthesised() time.Time { return time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC) }

const minimal = "rotations:\n  - secret: prod/app\n"

// What the tests look at is made once: the example, which uses every feature, and
// the smallest configuration.
var (
	stubs     string // compiled functions that are none, so that the assets' hashes do not move
	templates []namedTemplate
)

type namedTemplate struct {
	name string
	cfg  *config.Config
	src  []byte
	template
}

type template struct {
	Resources map[string]resource
	Outputs   map[string]any
}

type resource struct {
	Type                string
	Properties          map[string]any
	DeletionPolicy      string
	UpdateReplacePolicy string
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	if err := requireNode(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer jsii.Close()
	dir, err := os.MkdirTemp("", "tumbler-infra-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = prepare(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func prepare(dir string) error {
	stubs = filepath.Join(dir, "lambda")
	for _, arch := range []string{"arm64", "x86_64"} {
		for _, f := range stubbed {
			bootstrap := filepath.Join(stubs, arch, f, "bootstrap")
			if err := os.MkdirAll(filepath.Dir(bootstrap), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(bootstrap, []byte("stub of "+f+"\n"), 0o755); err != nil {
				return err
			}
		}
	}
	src, err := os.ReadFile(filepath.Join("..", exampleFile))
	if err != nil {
		return err
	}
	for _, t := range []struct{ name, yaml string }{{"example", string(src)}, {"minimal", minimal}} {
		made := namedTemplate{name: t.name}
		if made.cfg, err = config.Parse(t.name, []byte(t.yaml)); err != nil {
			return err
		}
		if made.src, err = synth(made.cfg); err != nil {
			return err
		}
		if err := json.Unmarshal(made.src, &made.template); err != nil {
			return err
		}
		templates = append(templates, made)
	}
	return nil
}

// newTestApp is an app of one stack with stub functions.
func newTestApp(cfg *config.Config) (awscdk.App, awscdk.Stack, error) {
	out, err := os.MkdirTemp(filepath.Dir(stubs), "cdk.out-")
	if err != nil {
		return nil, nil, err
	}
	settings, err := cdkContext()
	if err != nil {
		return nil, nil, err
	}
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false), Outdir: jsii.String(out), Context: settings})
	env, err := environment(cfg, os.Getenv)
	if err != nil {
		return nil, nil, err
	}
	stack, err := newStack(app, cfg, env, rotation.Options{CodeDir: stubs, Now: synthesised})
	return app, stack, err
}

// cdkContext is what the CLI would pass on from cdk.json. With it, a template that
// CDK's own validation does not like is an error.
func cdkContext() (*map[string]any, error) {
	src, err := os.ReadFile(filepath.Join("..", "cdk.json"))
	if err != nil {
		return nil, err
	}
	var settings struct{ Context map[string]any }
	err = json.Unmarshal(src, &settings)
	return &settings.Context, err
}

// synth is the template of a configuration, as it would be deployed.
func synth(cfg *config.Config) ([]byte, error) {
	app, stack, err := newTestApp(cfg)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(*app.Synth(nil).GetStackArtifact(stack.ArtifactId()).TemplateFullPath())
}

func synthYAML(t *testing.T, yaml string) template {
	t.Helper()
	return synthConfig(t, parse(t, yaml))
}

func parse(t *testing.T, yaml string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("rotations.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func synthConfig(t *testing.T, cfg *config.Config) template {
	t.Helper()
	src, err := synth(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return templateOf(t, src)
}

func templateOf(t *testing.T, src []byte) template {
	t.Helper()
	var tpl template
	if err := json.Unmarshal(src, &tpl); err != nil {
		t.Fatal(err)
	}
	return tpl
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// named finds the resource of a type by one of its properties.
func (tpl template) named(t *testing.T, typ, property, value string) resource {
	t.Helper()
	for _, r := range tpl.Resources {
		if r.Type == typ && r.Properties[property] == value {
			return r
		}
	}
	t.Fatalf("there is no %s with %s %s", typ, property, value)
	return resource{}
}

func (tpl template) only(t *testing.T, typ string) resource {
	t.Helper()
	var found []resource
	for _, r := range tpl.Resources {
		if r.Type == typ {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Fatalf("there are %d resources of type %s, want 1", len(found), typ)
	}
	return found[0]
}
