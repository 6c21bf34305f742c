package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/statemachine"
)

type aslState struct {
	Type, Resource string
	TimeoutSeconds float64
}

func tasks(t *testing.T) map[string]aslState {
	t.Helper()
	var machine struct{ States map[string]aslState }
	if err := json.Unmarshal(statemachine.Rotation, &machine); err != nil {
		t.Fatal(err)
	}
	for name, s := range machine.States {
		if s.Type != "Task" {
			delete(machine.States, name)
		}
	}
	if len(machine.States) < 8 {
		t.Fatalf("found %d tasks", len(machine.States))
	}
	return machine.States
}

// called is the function that a task's ${...FunctionArn} stands for.
func (tpl template) called(t *testing.T, resource string) (id string, f resource) {
	t.Helper()
	machine := tpl.only(t, "AWS::StepFunctions::StateMachine")
	name := strings.TrimSuffix(strings.TrimPrefix(resource, "${"), "}")
	substitution, ok := machine.Properties["DefinitionSubstitutions"].(map[string]any)[name].(map[string]any)
	if !ok {
		t.Fatalf("%s has no substitution", resource)
	}
	id = substitution["Fn::GetAtt"].([]any)[0].(string)
	return id, tpl.Resources[id]
}

// TestFunctionsTimeOutFirst: a function that outlives its task goes on working
// while the state machine already retries or restores.
func TestFunctionsTimeOutFirst(t *testing.T) {
	for name, task := range tasks(t) {
		if !strings.HasPrefix(task.Resource, "${") {
			continue
		}
		for _, tpl := range templates {
			id, f := tpl.called(t, task.Resource)
			if timeout := f.Properties["Timeout"].(float64); timeout >= task.TimeoutSeconds {
				t.Errorf("%s: %s times out after %v s and its state %s after %v s", tpl.name, id, timeout, name, task.TimeoutSeconds)
			}
		}
	}
}

// TestEveryTaskIsGranted: what the definition calls, the state machine's role
// allows, and no function beyond.
func TestEveryTaskIsGranted(t *testing.T) {
	integrations := map[string]string{
		"arn:aws:states:::sns:publish":      "sns:Publish",
		"arn:aws:states:::events:putEvents": "events:PutEvents",
	}
	for _, tpl := range templates {
		granted := tpl.grantedToWorkflow(t)
		var functions []string
		for name, task := range tasks(t) {
			if strings.HasPrefix(task.Resource, "${") {
				id, _ := tpl.called(t, task.Resource)
				functions = append(functions, "${"+tpl.readable(id)+".Arn}")
				continue
			}
			action, known := integrations[task.Resource]
			if !known {
				t.Fatalf("state %s calls %s: add its action to this test and to the state machine's role", name, task.Resource)
			}
			if len(granted[action]) != 1 {
				t.Errorf("%s: state %s needs %s on one resource, and the role has it on %v", tpl.name, name, action, granted[action])
			}
		}
		got := slices.Sorted(slices.Values(granted["lambda:InvokeFunction"]))
		slices.Sort(functions)
		if want := slices.Compact(functions); !slices.Equal(got, want) {
			t.Errorf("%s: the role may invoke %v, the definition invokes %v", tpl.name, got, want)
		}
	}
}

// grantedToWorkflow maps actions of the state machine's role to resources.
func (tpl template) grantedToWorkflow(t *testing.T) map[string][]string {
	t.Helper()
	machine := tpl.only(t, "AWS::StepFunctions::StateMachine")
	role := tpl.Resources[machine.Properties["RoleArn"].(map[string]any)["Fn::GetAtt"].([]any)[0].(string)]
	granted := map[string][]string{}
	for _, p := range role.Properties["Policies"].([]any) {
		for _, s := range p.(map[string]any)["PolicyDocument"].(map[string]any)["Statement"].([]any) {
			s := s.(map[string]any)
			for _, action := range tpl.texts(s["Action"]) {
				granted[action] = append(granted[action], tpl.texts(s["Resource"])...)
			}
		}
	}
	return granted
}

func TestWorkflowIsObservableAndQuietAboutData(t *testing.T) {
	machine := templates[0].only(t, "AWS::StepFunctions::StateMachine").Properties
	logging := machine["LoggingConfiguration"].(map[string]any)
	if logging["IncludeExecutionData"] != false || logging["Level"] != "ALL" {
		t.Errorf("logging is %v", logging)
	}
	if machine["StateMachineName"] != "tumbler-rotation" || machine["StateMachineType"] != "STANDARD" {
		t.Errorf("the machine is %v, of type %v", machine["StateMachineName"], machine["StateMachineType"])
	}
}
