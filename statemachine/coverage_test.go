package statemachine_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

// Every state is entered and every transition taken, those of Catch by a
// failure, in the scenarios that were written by hand.
func TestCoverage(t *testing.T) {
	m := loaded(t)
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
	for _, s := range everyState(m) {
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

// branches says which Parallel state a state is in.
var branches = map[string]string{"ReadyToTest": "Ready", "ReadyToFinish": "Ready", "ReadyToRestore": "Ready"}

// everyState lists the states, also those in branches.
func everyState(m *asl.Machine) (list []asl.StateInfo) {
	for _, s := range m.States() {
		list = append(list, s)
		for _, branch := range s.Branches {
			list = append(list, everyState(branch)...)
		}
	}
	return list
}

// TestBranches: the list is complete.
func TestBranches(t *testing.T) {
	for _, s := range loaded(t).States() {
		for _, branch := range s.Branches {
			for _, inner := range everyState(branch) {
				if branches[inner.Name] != s.Name {
					t.Errorf("%s is in %s", inner.Name, s.Name)
				}
			}
		}
	}
}

// A mutation is a definition with something missing or different.
type mutation struct {
	name, state string
	err         string // the error that is no longer retried, if it is that
	still       bool   // it shows when there is no jitter
	definition  []byte
}

// statesOf are the states among which there is one of the name: the machine's, or those
// of a branch.
func statesOf(states map[string]any, name string) map[string]any {
	if _, ok := states[name]; ok {
		return states
	}
	for _, s := range states {
		list, _ := s.(map[string]any)["Branches"].([]any)
		for _, branch := range list {
			if found := statesOf(branch.(map[string]any)["States"].(map[string]any), name); found != nil {
				return found
			}
		}
	}
	return nil
}

// named lists the states, also those in branches.
func named(states map[string]any) map[string]map[string]any {
	all := map[string]map[string]any{}
	for name, s := range states {
		all[name] = s.(map[string]any)
		list, _ := all[name]["Branches"].([]any)
		for _, branch := range list {
			maps.Copy(all, named(branch.(map[string]any)["States"].(map[string]any)))
		}
	}
	return all
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
// part of a condition, timeout, path, parameter and jitter, and spoil each number of
// each retrier and each text that a state says by itself.
func mutations(t *testing.T) (list []mutation) {
	var definition struct {
		States map[string]any
	}
	if err := json.Unmarshal(statemachine.Rotation, &definition); err != nil {
		t.Fatal(err)
	}
	for name, s := range named(definition.States) {
		add := func(what string, change func(s map[string]any)) *mutation {
			list = append(list, mutate(t, name+" "+what, name, func(states map[string]any) {
				change(statesOf(states, name)[name].(map[string]any))
			}))
			return &list[len(list)-1]
		}
		list = append(list, mutate(t, name+" removed", name, func(states map[string]any) { delete(statesOf(states, name), name) }))
		for _, field := range []string{"Catch", "Retry", "ResultPath", "InputPath", "OutputPath", "TimeoutSeconds", "ErrorPath", "CausePath", "Default"} {
			if _, ok := s[field]; ok {
				add("without "+field, func(s map[string]any) { delete(s, field) })
			}
		}
		for _, field := range []string{"Seconds", "TimeoutSeconds"} {
			if _, ok := s[field]; ok {
				add("with another "+field, func(s map[string]any) { s[field] = s[field].(float64) + 1 })
			}
		}
		for _, field := range []string{"Parameters", "ResultSelector"} {
			if _, ok := s[field]; ok {
				add("without "+field, func(s map[string]any) { delete(s, field) })
				spoil([]string{field}, s[field], add)
			}
		}
		for _, field := range []string{"Choices", "Catch", "Branches"} {
			members, _ := s[field].([]any)
			for i, member := range members {
				add(fmt.Sprintf("without %s %d", field, i), func(s map[string]any) {
					s[field] = slices.Delete(s[field].([]any), i, i+1)
				})
				at := func(s map[string]any) map[string]any { return s[field].([]any)[i].(map[string]any) }
				parts, _ := member.(map[string]any)["And"].([]any)
				for j := range parts {
					add(fmt.Sprintf("without part %d of %s %d", j, field, i), func(s map[string]any) {
						at(s)["And"] = slices.Delete(at(s)["And"].([]any), j, j+1)
					})
				}
				path, ok := member.(map[string]any)["ResultPath"]
				if !ok {
					continue
				}
				add(fmt.Sprintf("without ResultPath of %s %d", field, i), func(s map[string]any) { delete(at(s), "ResultPath") })
				switch path {
				case nil:
					add(fmt.Sprintf("with an error in %s %d", field, i), func(s map[string]any) { at(s)["ResultPath"] = "$.failure" })
				case "$.failure", "$.restoreFailure": // the others nobody reads
					add(fmt.Sprintf("with another ResultPath of %s %d", field, i), func(s map[string]any) { at(s)["ResultPath"] = "$.elsewhere" })
				}
			}
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
			errors := r.(map[string]any)["ErrorEquals"].([]any)
			steady := add(fmt.Sprintf("without jitter in retrier %d", i), func(s map[string]any) { delete(at(s), "JitterStrategy") })
			steady.err, steady.still = errors[0].(string), true
			for j, e := range errors {
				add(fmt.Sprintf("without retrying %s", e), func(s map[string]any) {
					at(s)["ErrorEquals"] = slices.Delete(at(s)["ErrorEquals"].([]any), j, j+1)
				}).err = e.(string)
			}
		}
	}
	return list
}

// spoil takes away each value of a template, and changes each that is not looked up.
func spoil(path []string, v any, add func(string, func(map[string]any)) *mutation) {
	parent := func(s map[string]any) (any, string) {
		at := any(s)
		for _, key := range path[:len(path)-1] {
			if list, ok := at.([]any); ok {
				at = list[0]
			} else {
				at = at.(map[string]any)[key]
			}
		}
		return at, path[len(path)-1]
	}
	name := strings.Join(path, ".")
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			add("without "+name+"."+key, func(s map[string]any) {
				at, last := parent(s)
				if list, ok := at.([]any); ok {
					delete(list[0].(map[string]any), key)
				} else {
					delete(at.(map[string]any)[last].(map[string]any), key)
				}
			})
			spoil(append(slices.Clip(path), key), member, add)
		}
	case []any:
		spoil(append(slices.Clip(path), "0"), v[0], add)
	case string, float64, bool:
		if strings.HasSuffix(name, ".$") {
			return
		}
		add("with another "+name, func(s map[string]any) {
			at, last := parent(s)
			at.(map[string]any)[last] = another(v)
		})
	}
}

func another(v any) any {
	switch v := v.(type) {
	case string:
		return v + "x"
	case float64:
		return v + 1
	}
	return !v.(bool)
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
	jitter := 1.0
	if mu.still {
		jitter = 0
	}
	fails := func(list []scenario) bool {
		return slices.ContainsFunc(list, func(sc scenario) bool {
			wrong, _ := sc.checkWith(t.Context(), m, jitter)
			return wrong != ""
		})
	}
	var likely []scenario
	err := mu.err
	if err == asl.ErrorTimeout {
		err = late
	}
	switch {
	case mu.still && slices.Contains(functions, mu.state):
		sc := codeScenarios(mu.state, err)[0]
		sc.took = sc.paused
		return fails([]scenario{sc})
	case mu.still:
		sc := messageScenario(mu.state, err)
		sc.took = 0
		return fails([]scenario{sc})
	case slices.Contains(functions, mu.state):
		for _, err := range []string{cmp.Or(err, "Lambda.Unknown"), "LoginRefused", "ReplicaLagging", late} {
			likely = append(likely, codeScenarios(mu.state, err)...)
		}
	}
	return fails(likely) || fails(scenarios) || fails(byFunction) || fails(messageScenarios())
}
