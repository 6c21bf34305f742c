package asl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// branching makes a machine of one Parallel state, with further fields, over two
// branches: A, which waits first, and B.
func branching(fields string) string {
	return one(`"Type":"Parallel",` + fields + `"Branches":[
	  {"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":10,"Next":"A"},"A":{"Type":"Task","Resource":"${F}","End":true}}},
	  {"StartAt":"B","States":{"B":{"Type":"Task","Resource":"${F}","End":true}}}],"End":true},"C":{"Type":"Succeed"`)
}

// naming answers with the state and its input, and fails in those that are to fail.
type naming struct {
	fails map[string]string // error by state
	mu    sync.Mutex
	calls []string
}

func (n *naming) task(_ context.Context, task asl.Task) (json.RawMessage, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls = append(n.calls, task.State)
	if name := n.fails[task.State]; name != "" {
		return nil, &asl.Failure{Name: name, Cause: task.State}
	}
	return json.RawMessage(fmt.Sprintf(`{%q:%s}`, task.State, task.Input)), nil
}

func TestParallelData(t *testing.T) {
	for _, tc := range []struct{ name, fields, input, want string }{
		{"each branch gets the input", caught, `1`, `[{"A":1},{"B":1}]`},
		{"parameters", caught + `"Parameters":{"x.$":"$.a"},`, `{"a":2}`, `[{"A":{"x":2}},{"B":{"x":2}}]`},
		{"input path", caught + `"InputPath":"$.a",`, `{"a":2}`, `[{"A":2},{"B":2}]`},
		{"result selector", caught + `"ResultSelector":{"b.$":"$[1].B"},`, `3`, `{"b":3}`},
		{"result path", caught + `"ResultPath":"$.o",`, `{}`, `{"o":[{"A":{}},{"B":{}}]}`},
		{"result dropped", caught + `"ResultPath":null,`, `{"k":1}`, `{"k":1}`},
		{"a runtime error is not caught", caught + `"Parameters":{"x.$":"$.none"},`, `{}`, `States.Runtime`},
		{"too much comes back", caught, `"` + strings.Repeat("x", asl.MaxPayload*2/3) + `"`, `States.DataLimitExceeded`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := load(t, branching(tc.fields)).Run(t.Context(), asl.Run{
				Input: json.RawMessage(tc.input), Clock: asl.NewVirtualClock(epoch), Task: (&naming{}).task,
			})
			got := string(r.Output)
			if r.Status == asl.Failed {
				got = r.Error
			}
			if got != tc.want {
				t.Errorf("got %.200s (%.300s), want %s", got, r.Cause, tc.want)
			}
		})
	}
}

// The first branch that fails fails the state, with its error; the others are stopped.
func TestParallelFailures(t *testing.T) {
	const twice = `"Retry":[{"ErrorEquals":["Odd"],"MaxAttempts":1}],`
	for _, tc := range []struct {
		name, fields string
		fails        map[string]string
		oneByOne     bool
		want         string // error that is caught, or the state's output
		calls        string
	}{
		{"none", caught, nil, false, `[{"A":0},{"B":0}]`, "B A"},
		{"the quick one, and the other is stopped", caught, map[string]string{"B": "Odd"}, false, "Odd", "B"},
		{"the slow one", caught, map[string]string{"A": "Odd"}, false, "Odd", "B A"},
		{"a retry runs both", twice + caught, map[string]string{"A": "Odd"}, false, "Odd", "B A B A"},
		{"no retry of another error", twice + caught, map[string]string{"A": "Even"}, false, "Even", "B A"},
		{"one by one", caught, nil, true, `[{"A":0},{"B":0}]`, "A B"},
		{"one by one, none begins after one has failed", caught, map[string]string{"A": "Odd"}, true, "Odd", "A"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := &naming{fails: tc.fails}
			r := load(t, branching(tc.fields)).Run(t.Context(), asl.Run{
				Input: json.RawMessage(`0`), Clock: asl.NewVirtualClock(epoch), Task: n.task, OneByOne: tc.oneByOne,
			})
			got := string(r.Output)
			var failure struct{ Error string }
			if json.Unmarshal(r.Output, &failure) == nil {
				got = failure.Error
			}
			if calls := strings.Join(n.calls, " "); r.Status != asl.Succeeded || got != tc.want || calls != tc.calls {
				t.Errorf("%s: got %s after %s, want %s after %s", r.Status, got, calls, tc.want, tc.calls)
			}
		})
	}
}

// A redrive does not run again what is done.
func TestParallelRedrive(t *testing.T) {
	n := &naming{fails: map[string]string{"A": "Odd"}}
	run := asl.Run{Input: json.RawMessage(`5`), Clock: asl.NewVirtualClock(epoch), Task: n.task}
	m := load(t, branching(uncaught))
	r := m.Run(t.Context(), run)
	if r.Status != asl.Failed || r.Error != "Odd" || r.Checkpoint.State != "S" {
		t.Fatalf("%+v", r)
	}
	n.fails, run.ResumeFrom = nil, r.Checkpoint
	before := run.Clock.Now()
	if r = m.Run(t.Context(), run); string(r.Output) != `[{"A":5},{"B":5}]` {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff([]string{"B", "A", "A"}, n.calls); diff != "" {
		t.Error(diff)
	}
	if waited := run.Clock.Now().Sub(before); waited > time.Second {
		t.Errorf("the branch waited again: %s", waited)
	}
}

// What a Parallel state must have is said at the field.
func TestParallelMistakes(t *testing.T) {
	for fields, want := range map[string]string{
		``:                 `Branches`,
		`"Branches":[],`:   `Branches`,
		`"Branches":[1],`:  `Branches[0]`,
		`"Branches":[{}],`: `StartAt`,
		`"Branches":[{"StartAt":"X","States":{"Y":{"Type":"Succeed"}}}],`:         `X`,
		`"Branches":[{"StartAt":"X","States":{"X":{"Type":"Pass","Next":"S"}}}],`: `S`,
	} {
		_, err := asl.Load([]byte(one(`"Type":"Parallel",`+fields+`"End":true`)), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", fields, err, want)
		}
	}
}
