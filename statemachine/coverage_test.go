package statemachine_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/asl"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// Every state is entered and every transition taken, those of Catch by a
// failure, in the scenarios that were written by hand.
func TestCoverage(t *testing.T) {
	m := rotation(t)
	entered, taken, caught := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, sc := range slices.Concat(scenarios, byFunction) {
		_, w := sc.check(t.Context(), m)
		for _, name := range strings.Fields(sc.path) {
			entered[name] = true
		}
		for edge := range w.taken {
			taken[edge] = true
		}
		for edge := range w.caught {
			caught[edge] = true
		}
	}
	for _, s := range m.States() {
		if !entered[s.Name] {
			t.Errorf("%s is never entered", s.Name)
		}
		targets := []string{s.Next}
		for _, c := range s.Choices {
			targets = append(targets, c.Next)
		}
		for _, next := range targets {
			if edge := s.Name + " -> " + next; next != "" && !taken[edge] {
				t.Errorf("%s is never taken", edge)
			}
		}
		for _, c := range s.Catch {
			if edge := s.Name + " -> " + c.Next; !caught[edge] {
				t.Errorf("%s is never taken by a Catch", edge)
			}
		}
	}
}

// A mutation is a definition with something missing or different.
type mutation struct {
	name, state string
	err         string // the error that is no longer retried, if it is that
	definition  []byte
}

// mutate calls change with a fresh copy of the definition, or with a state of it.
func mutate(t *testing.T, name, state string, change func(states map[string]any)) mutation {
	t.Helper()
	var definition map[string]any
	if err := json.Unmarshal(statemachine.Rotation, &definition); err != nil {
		t.Fatal(err)
	}
	change(definition["States"].(map[string]any))
	b, err := json.Marshal(definition)
	if err != nil {
		t.Fatal(err)
	}
	return mutation{name: name, state: state, definition: b}
}

// mutations take away each state, Catch, catcher, retrier, retried error, choice,
// timeout and path, and spoil each number of each retrier.
func mutations(t *testing.T) (list []mutation) {
	var definition struct {
		States map[string]map[string]any
	}
	if err := json.Unmarshal(statemachine.Rotation, &definition); err != nil {
		t.Fatal(err)
	}
	for name, s := range definition.States {
		add := func(what string, change func(s map[string]any)) {
			list = append(list, mutate(t, name+" "+what, name, func(states map[string]any) {
				change(states[name].(map[string]any))
			}))
		}
		list = append(list, mutate(t, name+" removed", name, func(states map[string]any) { delete(states, name) }))
		for _, field := range []string{"Catch", "Retry", "ResultPath", "ResultSelector", "InputPath", "OutputPath", "TimeoutSeconds", "ErrorPath", "CausePath", "Default"} {
			if _, ok := s[field]; ok {
				add("without "+field, func(s map[string]any) { delete(s, field) })
			}
		}
		for _, field := range []string{"Choices", "Catch"} {
			members, _ := s[field].([]any)
			for i := range members {
				add(fmt.Sprintf("without %s %d", field, i), func(s map[string]any) {
					s[field] = slices.Delete(s[field].([]any), i, i+1)
				})
			}
		}
		if _, ok := s["Seconds"]; ok {
			add("with another Seconds", func(s map[string]any) { s["Seconds"] = s["Seconds"].(float64) + 1 })
		}
		retriers, _ := s["Retry"].([]any)
		for i, r := range retriers {
			at := func(s map[string]any) map[string]any { return s["Retry"].([]any)[i].(map[string]any) }
			fields := []string{"IntervalSeconds", "BackoffRate", "MaxAttempts"}
			if capMatters(at(s)) {
				fields = append(fields, "MaxDelaySeconds")
			}
			for _, field := range fields {
				add(fmt.Sprintf("with another %s in retrier %d", field, i), func(s map[string]any) {
					at(s)[field] = at(s)[field].(float64) + 1
				})
			}
			for j, e := range r.(map[string]any)["ErrorEquals"].([]any) {
				add(fmt.Sprintf("without retrying %s", e), func(s map[string]any) {
					at(s)["ErrorEquals"] = slices.Delete(at(s)["ErrorEquals"].([]any), j, j+1)
				})
				list[len(list)-1].err = e.(string)
			}
		}
	}
	return list
}

// capMatters reports whether a retrier ever waits as long as its cap.
func capMatters(r map[string]any) bool {
	longest := r["IntervalSeconds"].(float64) * math.Pow(r["BackoffRate"].(float64), r["MaxAttempts"].(float64)-1)
	return longest > r["MaxDelaySeconds"].(float64)
}

// Whatever is taken from the definition, a path test notices.
func TestMutations(t *testing.T) {
	killed := 0
	for _, mu := range mutations(t) {
		m, err := asl.Load(mu.definition, substitutions)
		if err != nil {
			killed++
			continue
		}
		if !mu.noticed(t, m) {
			t.Errorf("%s: nothing fails", mu.name)
			continue
		}
		killed++
	}
	t.Logf("%d mutations noticed", killed)
}

// noticed reports whether a scenario fails, the likeliest first.
func (mu mutation) noticed(t *testing.T, m *asl.Machine) bool {
	t.Helper()
	fails := func(list []scenario) bool {
		return slices.ContainsFunc(list, func(sc scenario) bool {
			wrong, _ := sc.check(t.Context(), m)
			return wrong != ""
		})
	}
	if !slices.Contains(functions, mu.state) {
		return fails(scenarios) || fails(byFunction) || fails(messageScenarios())
	}
	likely := []string{"Lambda.Unknown", "LoginRefused"}
	switch mu.err {
	case "":
	case asl.ErrorTimeout:
		likely = []string{late}
	default:
		likely = []string{mu.err}
	}
	for _, err := range append(likely, allErrors(mu.state)...) {
		if fails(codeScenarios(mu.state, err)) {
			return true
		}
	}
	return fails(scenarios) || fails(byFunction)
}
