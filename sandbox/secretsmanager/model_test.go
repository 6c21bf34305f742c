package secretsmanager_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"
)

// model is the label rules in a few lines: where each label is, and what each
// version holds.
type model struct {
	labels map[string]string
	values map[string]string
	order  []string
	pruned bool // versions may have been removed
}

func (m *model) attach(label, id string) {
	left, had := m.labels[label]
	m.labels[label] = id
	if label == "AWSCURRENT" && had && left != id {
		m.labels["AWSPREVIOUS"] = left
	}
}

func (m *model) count(id string) int {
	n := 0
	for _, holder := range m.labels {
		if holder == id {
			n++
		}
	}
	return n
}

// put answers with the error code expected, or "".
func (m *model) put(id, value string, stages []string) string {
	if old, ok := m.values[id]; ok {
		if old != value {
			return "ResourceExistsException"
		}
		return ""
	}
	if len(m.order) >= 100 {
		i := slices.IndexFunc(m.order, func(id string) bool { return m.count(id) == 0 })
		if i < 0 {
			return "LimitExceededException"
		}
		delete(m.values, m.order[i])
		m.order = slices.Delete(m.order, i, i+1)
		m.pruned = true
	}
	m.values[id] = value
	m.order = append(m.order, id)
	for _, stage := range stages {
		if stage != "AWSCURRENT" {
			m.attach(stage, id)
		}
	}
	if len(stages) == 0 || len(m.order) == 1 || slices.Contains(stages, "AWSCURRENT") {
		m.attach("AWSCURRENT", id)
	}
	return ""
}

func (m *model) move(label, from, to string) string {
	holder, on := m.labels[label]
	_, exists := m.values[to]
	switch {
	case from == "" && to == "":
		return "InvalidParameterException"
	case from != "" && from != holder:
		return "InvalidParameterException"
	case to == "" && label == "AWSCURRENT":
		return "InvalidParameterException"
	case to == "":
		delete(m.labels, label)
	case !exists:
		return "ResourceNotFoundException"
	case on && holder == to:
	case on && from == "":
		return "InvalidParameterException"
	default:
		m.attach(label, to)
	}
	return ""
}

// Any sequence of puts and moves leaves the labels where the model has them.
func TestLabelRules(t *testing.T) {
	e := setup(t)
	n := 0
	names := []string{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS", "TUMBLER", "X"}
	rapid.Check(t, func(r *rapid.T) {
		n++
		name := fmt.Sprint("s", n)
		_ = must[*sm.CreateSecretOutput](t)(e.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: &name}))
		m := &model{labels: map[string]string{}, values: map[string]string{}}
		next := 0
		anyLabel := rapid.SampledFrom(names)
		anyVersion := func(what string) string {
			// Known versions mostly, sometimes one that never was.
			if len(m.order) == 0 || rapid.IntRange(0, 9).Draw(r, what+" unknown") == 0 {
				return token(999999)
			}
			return rapid.SampledFrom(m.order).Draw(r, what)
		}
		put := func(id, value string, stages []string) {
			in := &sm.PutSecretValueInput{SecretId: &name, SecretString: &value, ClientRequestToken: &id}
			if len(stages) > 0 {
				in.VersionStages = stages
			}
			_, err := e.PutSecretValue(t.Context(), in)
			wantCode(r, err, m.put(id, value, stages))
		}
		r.Repeat(map[string]func(*rapid.T){
			"put": func(r *rapid.T) {
				next++
				put(token(next), "v", rapid.SliceOfNDistinct(anyLabel, 0, 3, rapid.ID).Draw(r, "labels"))
			},
			"put a known token": func(r *rapid.T) {
				put(anyVersion("id"), rapid.SampledFrom([]string{"v", "w"}).Draw(r, "value"), nil)
			},
			"put many": func(r *rapid.T) {
				// Rare, or every run would spend its time here.
				if rapid.IntRange(0, 20).Draw(r, "rare") != 0 {
					return
				}
				label := rapid.Bool().Draw(r, "labelled")
				for range 60 {
					next++
					stages := []string{"TUMBLER"}
					if label {
						stages = []string{fmt.Sprint("own", next)}
					}
					put(token(next), "v", stages)
				}
			},
			"move": func(r *rapid.T) {
				label, from, to := anyLabel.Draw(r, "label"), "", ""
				switch rapid.IntRange(0, 2).Draw(r, "from") {
				case 0:
					from = m.labels[label] // right, if it is on any
				case 1:
					from = anyVersion("from")
				}
				if rapid.IntRange(0, 3).Draw(r, "to") > 0 {
					to = anyVersion("to")
				}
				in := &sm.UpdateSecretVersionStageInput{SecretId: &name, VersionStage: &label}
				if from != "" {
					in.RemoveFromVersionId = &from
				}
				if to != "" {
					in.MoveToVersionId = &to
				}
				_, err := e.UpdateSecretVersionStage(t.Context(), in)
				wantCode(r, err, m.move(label, from, to))
			},
			"": func(r *rapid.T) { m.check(t, r, e, name) },
		})
	})
}

// check compares what the API shows with the model.
func (m *model) check(t *testing.T, r *rapid.T, e *env, name string) {
	if got := e.labels(t, name); !maps.Equal(got, m.labels) {
		r.Fatalf("labels %v, want %v", got, m.labels)
	}
	listed := map[string]int{}
	for _, v := range e.versions(t, name, true) {
		id, labels, _ := strings.Cut(v, ":")
		listed[id] = 0
		if labels != "" {
			listed[id] = len(strings.Split(labels, "+"))
		}
	}
	for _, id := range m.order {
		if n, ok := listed[id]; !ok || n != m.count(id) {
			r.Fatalf("version %s: listed %v with %d labels, want %d", id, ok, n, m.count(id))
		}
	}
	if len(listed) != len(m.order) || len(listed) > 100 {
		r.Fatalf("%d versions, want %d", len(listed), len(m.order))
	}
	for label, id := range m.labels {
		if strings.HasPrefix(label, "own") {
			continue // up to a hundred of them
		}
		out, err := e.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: &name, VersionStage: &label})
		if err != nil || aws.ToString(out.VersionId) != id || *out.SecretString != m.values[id] {
			r.Fatalf("reading %s: %v", label, err)
		}
	}
}

func wantCode(r *rapid.T, err error, code string) {
	got := ""
	if apiErr, ok := errors.AsType[smithy.APIError](err); ok {
		got = apiErr.ErrorCode()
	} else if err != nil {
		r.Fatal(err)
	}
	if got != code {
		r.Fatalf("got %q (%v), want %q", got, err, code)
	}
}
