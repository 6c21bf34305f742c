package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/config"
	"github.com/tumbler-rotation/tumbler/sandbox/iam"
)

// documented are the policies that docs/deploy.md gives to people: deployers', and
// CloudFormation's.
func documented(t *testing.T) (page string, policies []iam.Document) {
	t.Helper()
	src, err := os.ReadFile("../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile(`(?m)(^    .*\n)+`).FindAllString(string(src), -1) {
		if !strings.Contains(block, `"Version"`) {
			continue
		}
		policy, err := iam.ParseDocument([]byte(block))
		if err != nil {
			t.Fatalf("%s: %v", block, err)
		}
		policies = append(policies, policy)
	}
	if len(policies) != 2 {
		t.Fatalf("docs/deploy.md has %d policies, want the deployers' and CloudFormation's", len(policies))
	}
	return string(src), policies
}

// grants lists a policy's actions, each with a resource.
func grants(policy iam.Document) (list []string) {
	for _, s := range policy.Statement {
		for _, action := range s.Action {
			for _, resource := range s.Resource {
				list = append(list, action+" "+resource)
			}
		}
	}
	return list
}

// TestDeployersAssume: who deploys acts as the roles that the synthesised assembly
// names, and as no other. That is all that the CDK does for them.
func TestDeployersAssume(t *testing.T) {
	_, policies := documented(t)
	src, err := os.ReadFile(filepath.Join("..", exampleFile))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse(exampleFile, src)
	if err != nil {
		t.Fatal(err)
	}
	app, _, err := newTestApp(cfg)
	if err != nil {
		t.Fatal(err)
	}
	out := *app.Synth(nil).Directory()
	assumed := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				if role, ok := value.(string); ok && strings.HasSuffix(strings.ToLower(key), "assumerolearn") {
					assumed[role[strings.Index(role, ":role/"):]] = true
				}
				walk(value)
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(out, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := filepath.Base(file); name != "manifest.json" && !strings.HasSuffix(name, ".assets.json") {
			continue
		}
		var manifest any
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &manifest)
		}
		if err != nil {
			t.Fatal(err)
		}
		walk(manifest)
	}
	if len(assumed) < 2 {
		t.Fatalf("the assembly in %s names the roles %v, want those that deploy and that publish at least", out, assumed)
	}
	for role := range assumed {
		if !slices.ContainsFunc(grants(policies[0]), func(g string) bool {
			prefix, any := strings.CutSuffix(strings.TrimPrefix(g, "sts:AssumeRole arn:aws:iam::ACCOUNT"), "*")
			return any && strings.HasPrefix(role, prefix)
		}) {
			t.Errorf("deployers have to assume %s, and the policy in docs/deploy.md does not let them", role)
		}
	}
}

// TestDeployersMayWhatTheyType: each command of AWS's CLI on the page, and in what make
// calls, is allowed by a policy of the page or by the operators'; and the other way round.
func TestDeployersMayWhatTheyType(t *testing.T) {
	page, policies := documented(t)
	allowed := map[string]bool{"events:PutEvents": true} // its policy stands beside it, and is not the deployers'
	if !strings.Contains(page, `"Action": "events:PutEvents"`) {
		t.Error("docs/deploy.md does not say what allows events:PutEvents")
	}
	for _, r := range templates[0].Resources {
		if r.Type == "AWS::IAM::ManagedPolicy" {
			for _, action := range actionsOf(r) {
				allowed[action] = true
			}
		}
	}
	unused := map[string]bool{}
	for _, g := range grants(policies[0]) {
		if action, _, _ := strings.Cut(g, " "); action != "sts:AssumeRole" {
			allowed[action], unused[action] = true, true
		}
	}
	text := page
	var scripts []string
	err := filepath.WalkDir("../scripts", func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			scripts = append(scripts, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(scripts, "../Makefile") {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text += string(src)
	}
	commands := regexp.MustCompile(`\baws ([a-z]+) ([a-z]+(?:-[a-z]+)+)`).FindAllStringSubmatch(text, -1)
	if len(commands) < 5 {
		t.Errorf("only %d commands were found: is the pattern right?", len(commands))
	}
	for _, c := range commands {
		action := strings.Replace(c[1], "stepfunctions", "states", 1) + ":"
		for word := range strings.SplitSeq(c[2], "-") {
			action += strings.ToUpper(word[:1]) + word[1:]
		}
		if delete(unused, action); !allowed[action] {
			t.Errorf("people are told to type %q, which takes %s, and no policy of docs/deploy.md allows it", c[0], action)
		}
	}
	for action := range unused {
		t.Errorf("the deployers' policy in docs/deploy.md allows %s, which nothing there takes", action)
	}
}

// everything is a deployment with what the example has not.
const everything = "alerts: {emails: [a@b.c]}\nheartbeat: true\ndashboard: true\n" +
	"networks:\n  db: {vpc: vpc-00000001, subnets: [subnet-00000001], databaseSecurityGroups: [sg-00000001], endpoints: create}\ndefaults: {network: db}\n" +
	"rotations:\n  - {secret: a, schedule: rate(30 days), nativeBackstop: 90d, rotateImmediately: true}\n  - {secret: b}\n"

// TestCloudFormationMay: the policy for CloudFormation names the service of each type of
// resource that there can be, and no other.
func TestCloudFormationMay(t *testing.T) {
	_, policies := documented(t)
	services := map[string]string{
		"CloudWatch": "cloudwatch", "EC2": "ec2", "Events": "events", "IAM": "iam", "KMS": "kms", "Lambda": "lambda", "Logs": "logs", "Scheduler": "scheduler",
		"SNS": "sns", "SQS": "sqs", "StepFunctions": "states",
		"CloudFormation": "lambda", // a custom resource is a function's
	}
	want := map[string]bool{
		"s3:GetObject":      true, // of the functions
		"ssm:GetParameters": true, // BootstrapVersion
	}
	types := map[string]bool{}
	for _, tpl := range []template{templates[0].template, templates[1].template, synthYAML(t, everything), synthYAML(t, many(200, ""))} {
		for _, r := range tpl.Resources {
			types[r.Type] = true
		}
	}
	for kind := range types {
		parts := strings.Split(kind, "::")
		switch service := services[parts[min(1, len(parts)-1)]]; {
		case kind == "AWS::SecretsManager::RotationSchedule":
			// Whoever may read values could read each password.
			want["secretsmanager:CancelRotateSecret"], want["secretsmanager:DescribeSecret"], want["secretsmanager:RotateSecret"] = true, true, true
		case parts[0] == "Custom":
			want["lambda:*"] = true
		case service == "":
			t.Errorf("%s is of a service that docs/deploy.md does not know", kind)
		default:
			want[service+":*"] = true
		}
	}
	got := map[string]bool{}
	for _, g := range grants(policies[1]) {
		action, _, _ := strings.Cut(g, " ")
		got[action] = true
	}
	if !maps.Equal(want, got) {
		t.Errorf("CloudFormation needs %v, and docs/deploy.md allows %v; types: %v", slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(types)))
	}
}
