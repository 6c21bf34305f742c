package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/statemachine"
)

type aslState struct {
	Type, Resource string
	TimeoutSeconds float64
	ItemProcessor  struct{ States map[string]aslState }
}

// tasks are the Task states of a definition, those inside Maps included.
func tasks(t *testing.T, definition []byte) map[string]aslState {
	t.Helper()
	var machine struct{ States map[string]aslState }
	if err := json.Unmarshal(definition, &machine); err != nil {
		t.Fatal(err)
	}
	found := map[string]aslState{}
	var visit func(map[string]aslState)
	visit = func(states map[string]aslState) {
		for name, s := range states {
			if s.Type == "Task" {
				found[name] = s
			}
			visit(s.ItemProcessor.States)
		}
	}
	visit(machine.States)
	if len(found) < 3 {
		t.Fatalf("found %d tasks", len(found))
	}
	return found
}

// workflow is a deployed state machine.
type workflow struct {
	template string
	tpl      template
	resource
	tasks map[string]aslState
}

// workflows are all state machines of the templates.
func workflows(t *testing.T) []workflow {
	t.Helper()
	var all []workflow
	for _, tpl := range templates {
		for _, id := range slices.Sorted(maps.Keys(tpl.Resources)) {
			if r := tpl.Resources[id]; r.Type == "AWS::StepFunctions::StateMachine" {
				definition := statemachine.Rotation
				if strings.HasSuffix(r.Properties["StateMachineName"].(string), "-fleet") {
					definition = statemachine.Fleet
				}
				all = append(all, workflow{tpl.name + ": " + r.Properties["StateMachineName"].(string), tpl.template, r, tasks(t, definition)})
			}
		}
	}
	if len(all) != 5 {
		t.Fatalf("there are %d state machines, want three rotations and a fleet in the example and one in the minimal template", len(all))
	}
	return all
}

// called is the function that a task's ${...FunctionArn} stands for.
func (w workflow) called(t *testing.T, resource string) (id string, f resource) {
	t.Helper()
	name := strings.TrimSuffix(strings.TrimPrefix(resource, "${"), "}")
	substitution, ok := w.Properties["DefinitionString"].(map[string]any)["Fn::Sub"].([]any)[1].(map[string]any)[name].(map[string]any)
	if !ok {
		t.Fatalf("%s: %s has no substitution", w.template, resource)
	}
	version := w.tpl.Resources[substitution["Ref"].(string)]
	if version.Type != "AWS::Lambda::Version" {
		t.Fatalf("%s: %s is not called at a version", w.template, resource)
	}
	id = version.Properties["FunctionName"].(map[string]any)["Ref"].(string)
	return id, w.tpl.Resources[id]
}

// TestFunctionsTimeOutFirst: a function that outlives its task goes on working
// while the state machine already retries or restores.
func TestFunctionsTimeOutFirst(t *testing.T) {
	for _, w := range workflows(t) {
		for name, task := range w.tasks {
			if !strings.HasPrefix(task.Resource, "${") {
				continue
			}
			id, f := w.called(t, task.Resource)
			if timeout := f.Properties["Timeout"].(float64); timeout >= task.TimeoutSeconds {
				t.Errorf("%s: %s times out after %v s and its state %s after %v s", w.template, id, timeout, name, task.TimeoutSeconds)
			}
		}
	}
}

// TestEveryTaskIsGranted: what the definition calls, the state machine's role
// allows, and no function beyond. Existing rotation functions are those that the
// deployment's rotations name.
func TestEveryTaskIsGranted(t *testing.T) {
	integrations := map[string]string{
		"arn:aws:states:::sns:publish":                  "sns:Publish",
		"arn:aws:states:::events:putEvents":             "events:PutEvents",
		"arn:aws:states:::states:startExecution.sync:2": "states:StartExecution",
	}
	for _, w := range workflows(t) {
		granted := w.granted(t)
		var functions []string
		for name, task := range w.tasks {
			switch {
			case strings.HasPrefix(task.Resource, "${"):
				_, f := w.called(t, task.Resource)
				functions = append(functions, "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"+f.Properties["FunctionName"].(string)+":*")
				continue
			case task.Resource == "arn:aws:states:::lambda:invoke":
				if w.Properties["StateMachineName"] == "tumbler-reporting-rotation" {
					functions = append(functions, "arn:aws:lambda:eu-central-1:111122223333:function:db2-rotation")
				}
				continue
			}
			action, known := integrations[task.Resource]
			if !known {
				t.Fatalf("state %s calls %s: add its action to this test and to the state machine's role", name, task.Resource)
			}
			if len(granted[action]) == 0 || slices.Contains(granted[action], "*") {
				t.Errorf("%s: state %s needs %s on named resources, and the role has it on %v", w.template, name, action, granted[action])
			}
		}
		got := slices.Sorted(slices.Values(granted["lambda:InvokeFunction"]))
		slices.Sort(functions)
		if want := slices.Compact(functions); !slices.Equal(got, want) {
			t.Errorf("%s: the role may invoke %v, the definition invokes %v", w.template, got, want)
		}
	}
}

// granted maps actions of the state machine's role to resources.
func (w workflow) granted(t *testing.T) map[string][]string {
	t.Helper()
	role := w.tpl.Resources[w.Properties["RoleArn"].(map[string]any)["Fn::GetAtt"].([]any)[0].(string)]
	granted := map[string][]string{}
	for _, p := range role.Properties["Policies"].([]any) {
		for _, s := range p.(map[string]any)["PolicyDocument"].(map[string]any)["Statement"].([]any) {
			s := s.(map[string]any)
			for _, action := range w.tpl.texts(s["Action"]) {
				granted[action] = append(granted[action], w.tpl.texts(s["Resource"])...)
			}
		}
	}
	return granted
}

func TestWorkflowIsObservableAndQuietAboutData(t *testing.T) {
	for _, w := range workflows(t) {
		logging := w.Properties["LoggingConfiguration"].(map[string]any)
		if logging["IncludeExecutionData"] != false || logging["Level"] != "ALL" {
			t.Errorf("%s: logging is %v", w.template, logging)
		}
		if w.Properties["StateMachineType"] != "STANDARD" {
			t.Errorf("%s is of type %v", w.template, w.Properties["StateMachineType"])
		}
	}
	loud := synthYAML(t, "logExecutionData: true\n"+minimal).only(t, "AWS::StepFunctions::StateMachine").Properties
	if loud["LoggingConfiguration"].(map[string]any)["IncludeExecutionData"] != true {
		t.Error("logExecutionData has no effect")
	}
}

// TestFunctionsExist: what is deployed is a folder of functions/.
func TestFunctionsExist(t *testing.T) {
	for _, f := range stubbed {
		if _, err := os.Stat(filepath.Join("..", "functions", f, "main.go")); err != nil {
			t.Error(err)
		}
	}
}

// TestRunbook: the functions that write alerts know where the runbook is published.
func TestRunbook(t *testing.T) {
	tpl := synthYAML(t, "alerts: {emails: [a@b.c], runbook: 'https://wiki.example/r'}\nrotations: [{secret: a}]\n")
	for name, want := range map[string]any{
		"tumbler-plan": "https://wiki.example/r", "tumbler-restore": "https://wiki.example/r", "tumbler-incident": "https://wiki.example/r", "tumbler-setsecret": nil,
	} {
		f := tpl.named(t, "AWS::Lambda::Function", "FunctionName", name).Properties
		if got := f["Environment"].(map[string]any)["Variables"].(map[string]any)["TUMBLER_RUNBOOK"]; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestEnvironment: each function is told what internal/lambdaboot reads of it.
func TestEnvironment(t *testing.T) {
	example := templates[0]
	for name, want := range map[string]string{
		"tumbler-plan":             "TUMBLER_DEPLOYMENT TUMBLER_EVENT_INTERVAL TUMBLER_ROTATOR_ARN TUMBLER_SCHEDULE_GROUP",
		"tumbler-reporting-plan":   "TUMBLER_DEPLOYMENT TUMBLER_EVENT_INTERVAL TUMBLER_ROTATION_FUNCTIONS TUMBLER_SCHEDULE_GROUP",
		"tumbler-planwave":         "TUMBLER_DEPLOYMENT TUMBLER_ROTATOR_ARN TUMBLER_SCHEDULE_GROUP",
		"tumbler-rotator":          "AWS_ENDPOINT_URL_RDS AWS_ENDPOINT_URL_SCHEDULER AWS_ENDPOINT_URL_SECRETS_MANAGER TUMBLER_DEPLOYMENT TUMBLER_SCHEDULE_GROUP",
		"tumbler-createsecret":     "TUMBLER_DEPLOYMENT",
		"tumbler-audit":            "TUMBLER_ALERT_TOPIC_ARN TUMBLER_DEPLOYMENT TUMBLER_SCHEDULE_GROUP TUMBLER_STATE_MACHINE_ARN",
		"tumbler-incident":         "TUMBLER_ALERT_TOPIC_ARN TUMBLER_DEPLOYMENT",
		"tumbler-no-vpc-preflight": "TUMBLER_DEPLOYMENT TUMBLER_SCHEDULE_GROUP TUMBLER_STATE_MACHINE_ARN",
		"tumbler-setsecret":        "AWS_ENDPOINT_URL_RDS AWS_ENDPOINT_URL_SCHEDULER AWS_ENDPOINT_URL_SECRETS_MANAGER TUMBLER_DEPLOYMENT",
	} {
		f := example.named(t, "AWS::Lambda::Function", "FunctionName", name).Properties
		variables := f["Environment"].(map[string]any)["Variables"].(map[string]any)
		if got := strings.Join(slices.Sorted(maps.Keys(variables)), " "); got != want {
			t.Errorf("%s has %s, want %s", name, got, want)
		}
	}
}
