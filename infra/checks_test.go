package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// variants are what the example does not show, because it excludes something else
// or is seldom wanted.
var variants = []struct{ name, yaml string }{
	{"watched", "name: watched\narchitecture: x86_64\nheartbeat: true\ntracing: false\nlogExecutionData: true\nalerts: {emails: [a@b.c]}\n" +
		"rotations:\n  - {secret: a, schedule: rate(5 hours), rotateImmediately: true, nativeBackstop: 90d}\n  - {secret: b, nativeBackstop: 30d}\n"},
	{"existing", "logKmsKey: arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\npermissionsBoundary: arn:aws:iam::111122223333:policy/p\n" +
		"alerts: {topic: 'arn:aws:sns:eu-west-1:111122223333:t', topicKmsKey: 'arn:aws:kms:eu-west-1:111122223333:key/mrk-1234567890abcdef1234567890abcdef'}\nheartbeat: true\n" +
		"networks:\n  db: {vpc: vpc-00000001, subnets: [subnet-00000001], endpoints: reuse, endpointSecurityGroups: [sg-00000001], dualStack: true}\n" +
		"defaults: {network: db}\nrotations:\n  - {secret: a, schedule: 'cron(0 /8 * * ? *)'}\n"},
	{"closed", "networks:\n  db: {vpc: vpc-00000001, subnets: [subnet-00000001], endpoints: create, dualStack: true}\n" +
		"defaults: {network: db, strategy: alternating-users, superuserSecret: s}\nheartbeat: true\nrotations:\n  - {secret: a, nativeBackstop: 90d}\n"},
}

func variantConfigs(t *testing.T) map[string]*config.Config {
	t.Helper()
	all := map[string]*config.Config{}
	for _, tpl := range templates {
		all[tpl.name] = tpl.cfg
	}
	for _, v := range variants {
		all[v.name] = parse(t, v.yaml)
	}
	return all
}

// TestNag: the AwsSolutions rules hold, or the template says why not. Run by the
// CLI alone, cdk-nag reports and still exits 0; so its findings are looked up.
func TestNag(t *testing.T) {
	for name, cfg := range variantConfigs(t) {
		app, stack, err := newTestApp(cfg)
		if err != nil {
			t.Fatal(err)
		}
		awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Verbose: jsii.Bool(true)}), nil)
		annotations := assertions.Annotations_FromStack(stack)
		match := assertions.Match_StringLikeRegexp(jsii.String("(AwsSolutions|CdkNag).*"))
		for _, m := range append(*annotations.FindError(jsii.String("*"), match), *annotations.FindWarning(jsii.String("*"), match)...) {
			//lint:ignore SA1019 where the type has moved to, there is no Go module
			t.Errorf("%s: %s: %v", name, *m.Id, m.Entry.Data)
		}
	}
}

// TestTemplateAgainstSchema finds what CloudFormation and Step Functions would
// refuse at deployment.
func TestTemplateAgainstSchema(t *testing.T) {
	files := map[string][]byte{}
	for name, cfg := range variantConfigs(t) {
		src, err := synth(cfg)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = src
	}
	if out := checkTemplates(t, files); out != "" {
		t.Error(out)
	}
}

// TestSchemaCheckFinds keeps the check itself honest.
func TestSchemaCheckFinds(t *testing.T) {
	files, want := map[string][]byte{}, map[string]string{}
	for _, tt := range []struct{ name, old, changed, want string }{
		{"unknown-property", `"MemorySize"`, `"Memory"`, "Memory: there is no such property"},
		{"missing-property", `"Role":`, `"FunctionRole":`, "the required property Role is missing"},
		{"wrong-type", `"Timeout": 30`, `"Timeout": "30"`, "Timeout: is not an integer"},
		{"wrong-value", `"Mode": "Active"`, `"Mode": "On"`, "Mode: is On, not one of Active,PassThrough"},
		{"no-resource", `"Ref": "RotationPlanLogs`, `"Ref": "No`, "which does not exist"},
		{"no-attribute", `"DnsEntries"`, `"DnsNames"`, "AWS::EC2::VPCEndpoint has no attribute DnsNames"},
		{"no-service-token", `"ServiceToken"`, `"Service"`, "the required property ServiceToken is missing"},
		{"no-substitution", `"PlanFunctionArn"`, `"PlanArn"`, "${PlanFunctionArn} has no substitution"},
		{"definition", `\"StartAt\": \"Receive\"`, `\"StartAt\": \"Nowhere\"`, "MISSING_TRANSITION_TARGET"},
	} {
		files[tt.name] = bytes.Replace(templates[0].src, []byte(tt.old), []byte(tt.changed), 1)
		want[tt.name] = tt.want
	}
	lines := strings.Split(checkTemplates(t, files), "\n")
	for name, finding := range want {
		if !slices.ContainsFunc(lines, func(line string) bool {
			return strings.HasPrefix(line, name+": ") && strings.Contains(line, finding)
		}) {
			t.Errorf("%s is not found (%s) in:\n%s", name, finding, strings.Join(lines, "\n"))
		}
	}
}

// checkTemplates is what the checker says about them; empty when all is well.
func checkTemplates(t *testing.T, templates map[string][]byte) string {
	t.Helper()
	args := []string{filepath.Join("testdata", "check-template.cjs")}
	readForTestCache(t, args[0], filepath.Join("..", "package-lock.json"))
	for name, src := range templates {
		args = append(args, filepath.Join(t.TempDir(), name))
		if err := os.WriteFile(args[len(args)-1], src, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("node", args...).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		t.Fatal("node is not installed: install Node 20 or later, then run `npm ci`")
	case errors.As(err, &exit) && exit.ExitCode() == 1, err == nil:
	default:
		t.Fatalf("checking the templates: %v\n%s", err, out)
	}
	return string(out)
}

// readForTestCache lets go test know of files that only a child process reads;
// it would repeat an old result when they change.
func readForTestCache(t *testing.T, files ...string) {
	t.Helper()
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOnlyInfraNeedsCDK: the functions and the CLI build without CDK and Node.
func TestOnlyInfraNeedsCDK(t *testing.T) {
	module := goList(t, "-m")[0]
	var others []string
	readForTestCache(t, sourcesOutsideInfra(t)...)
	for _, pkg := range goList(t, "./...") {
		if pkg != module+"/infra" && !strings.HasPrefix(pkg, module+"/infra/") && !strings.HasPrefix(pkg, module+"/examples/orders") {
			others = append(others, pkg)
		}
	}
	if len(others) == 0 {
		t.Fatal("no packages found")
	}
	for _, dep := range goList(t, append([]string{"-deps", "-test"}, others...)...) {
		for _, cdk := range []string{"github.com/aws/aws-cdk-go", "github.com/aws/jsii-runtime-go", "github.com/aws/constructs-go", "github.com/cdklabs"} {
			if strings.HasPrefix(dep, cdk) {
				t.Errorf("a package outside infra imports %s", dep)
			}
		}
	}
}

func sourcesOutsideInfra(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && path != ".." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"node_modules", "infra", "orders", "build"}, d.Name())) {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e"}, args...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Fields(string(out))
}
