// Package secondopinion runs the state machines and the functions' own binaries on Step
// Functions of other people, against the sandbox's services and a real PostgreSQL, and
// compares with the sandbox's own (docs/decisions/0023).
package secondopinion

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/deployed"
)

func TestOthersAgree(t *testing.T) {
	binaries := t.TempDir()
	if err := deployed.Build(t.Context(), "../..", binaries); err != nil {
		t.Fatal(err)
	}
	opinions := make([]opinion, len(interpreters))
	t.Run("interpreter", func(t *testing.T) {
		for i, named := range interpreters {
			t.Run(named.name, func(t *testing.T) {
				t.Parallel()
				opinions[i] = ask(t, binaries, named.name, named.start)
			})
		}
	})
	own := opinions[0]
	for i, named := range interpreters[1:] {
		if opinions[i+1] == nil {
			continue // it is not there
		}
		agreed := 0
		for _, sc := range scenarios {
			got, tried := opinions[i+1][sc.name]
			if !tried || sc.elsewhere[named.name] != nil {
				continue
			}
			diff := cmp.Diff(own[sc.name], got)
			if diff == "" {
				agreed++
				continue
			}
			t.Errorf("%s (- the sandbox's interpreter, + %s)\n%s", sc.name, named.name, diff)
		}
		t.Logf("%s: agrees in %d of %d scenarios", named.name, agreed, len(scenarios))
	}
}

// interpreters begin with the sandbox's own.
var interpreters = []struct {
	name  string
	start func(*world) interpreter
}{{"sandbox", ours}, {"aws-local-stepfunctions", localStepFunctions}, {"moto", moto}}

// opinion is what came of the scenarios that an interpreter was asked about.
type opinion map[string][]outcome

func ask(t *testing.T, binaries, name string, start func(*world) interpreter) opinion {
	w := newWorld(t, binaries)
	by, said := start(w), opinion{}
	for n, sc := range scenarios {
		if sc.asks && !by.service {
			continue
		}
		s := w.scene(n, sc)
		played := s.play(by)
		var endings []string
		for _, o := range played {
			endings = append(endings, s.ending(o))
			said[sc.name] = append(said[sc.name], w.comparable(o))
		}
		want := sc.endings
		if other := sc.elsewhere[name]; other != nil {
			want = other
		}
		if !slices.Equal(endings, want) {
			t.Errorf("%s: ended in %q, want %q\n%+v", sc.name, endings, want, said[sc.name])
		}
		if err := s.currentLogsIn(); (err != nil) != sc.refused {
			t.Errorf("%s: AWSCURRENT: %v", sc.name, err)
		}
	}
	return said
}

// What differs between two runs of the same.
var (
	times    = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-][0-9:]+)`)
	versions = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	suffixes = regexp.MustCompile(`(:secret:[A-Za-z0-9/_-]+)-[A-Za-z0-9]{6}\b`)
	names    = regexp.MustCompile(`\b(user|db)_[a-z0-9]{12}`)
	lengths  = regexp.MustCompile(`("[A-Za-z]+(Ms|Seconds)": ?)[0-9.]+|\b[0-9.]+ ?(ms|s|seconds|milliseconds)\b`)
)

// besides are the states in the branches of a Parallel, which run in any order, and of a
// distributed Map, which are executions of their own.
var besides = []string{"ReadyToTest", "ReadyToFinish", "ReadyToRestore", "Pace", "RotateSecret"}

// comparable is the outcome without them.
func (w *world) comparable(o outcome) outcome {
	plain := func(text string) string {
		for _, p := range []struct {
			pattern *regexp.Regexp
			by      string
		}{{times, "TIME"}, {versions, "VERSION"}, {suffixes, "$1"}, {names, "$1"}, {lengths, "$1 N"}} {
			text = p.pattern.ReplaceAllString(text, p.by)
		}
		return text
	}
	if o.Output != nil {
		var value any
		w.check(json.Unmarshal(o.Output, &value))
		sorted, err := json.Marshal(value)
		w.check(err)
		o.Output = json.RawMessage(plain(string(sorted)))
	}
	o.Cause = plain(o.Cause)
	o.Path = slices.DeleteFunc(o.Path, func(state string) bool { return slices.Contains(besides, state) })
	return o
}
