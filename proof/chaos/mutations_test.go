package chaos_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tumbler-rotation/tumbler/internal/aws/secretsmgr"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/database"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/planning"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/proof/chaos"
)

// wrong is a function that does something wrong before or after the right thing.
type wrong struct {
	lambda.Handler
	before, after func(ctx context.Context, secrets *secretsmgr.Client, plan *rotation.Planned)
	secrets       *secretsmgr.Client
}

func (w wrong) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, err
	}
	var plan rotation.Planned
	if err := json.Unmarshal(in["plan"], &plan); err != nil {
		return nil, err
	}
	if w.before != nil {
		w.before(ctx, w.secrets, &plan)
		changed, err := json.Marshal(plan)
		if err != nil {
			return nil, err
		}
		in["plan"] = changed
	}
	payload, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	out, err := w.Handler.Invoke(ctx, payload)
	if err == nil && w.after != nil {
		w.after(ctx, w.secrets, &plan)
	}
	return out, err
}

// mutation is a way to get it wrong.
type mutation struct {
	name          string
	function      string
	before, after func(ctx context.Context, secrets *secretsmgr.Client, plan *rotation.Planned)
	instead       lambda.Handler // of the right thing
	and           *mutation
}

func (m mutation) replace() map[string]lambdaboot.Builder {
	replaced := map[string]lambdaboot.Builder{}
	for n := &m; n != nil; n = n.and {
		replaced[n.function] = n.build
	}
	return replaced
}

func (m mutation) build(e lambdaboot.Env) lambda.Handler {
	handler := builders[m.function](e)
	if m.instead != nil {
		handler = m.instead
	}
	return wrong{handler, m.before, m.after, secretsmgr.New(secretsmanager.NewFromConfig(e.AWS))}
}

var builders = map[string]lambdaboot.Builder{
	"createsecret": planning.CreateSecret,
	"setsecret":    database.SetSecret(all.Engines),
	"restore":      database.Restore(all.Engines),
	"finishsecret": lambdaboot.FinishSecret,
}

// force moves a label whoever holds it.
func force(ctx context.Context, secrets *secretsmgr.Client, plan *rotation.Planned, label, to string) {
	secret, err := secrets.Describe(ctx, plan.SecretARN)
	if err == nil {
		_, _ = secrets.MoveLabel(ctx, plan.SecretARN, label, secret.Labels[label], to)
	}
}

// ok answers like a function that has nothing to do.
type ok string

func (o ok) Invoke(context.Context, []byte) ([]byte, error) { return []byte(o), nil }

const cleanly = `{"outcome":"RestoredCleanly","severity":"warning","error":"x","cause":"x","secret":"x","subject":"x","message":"x","detailType":"x","event":{}}`

// mutations are variants that lose access by one fault, each in its own way. Those that
// need more (a label taken off too early) are package explorer's.
var mutations = []mutation{
	{
		name: "Restore believes that nothing has happened", function: "restore", instead: ok(cleanly),
	},
	{
		name: "Create overwrites what a dead run left", function: "createsecret",
		before: func(ctx context.Context, secrets *secretsmgr.Client, plan *rotation.Planned) {
			force(ctx, secrets, plan, rotation.Pending, "")
			for label := range plan.Unfinished {
				force(ctx, secrets, plan, label, "")
			}
			plan.PendingVersionID, plan.Unfinished = "", nil
		},
	},
	{
		name: "Create makes the new password current at once", function: "createsecret",
		after: func(ctx context.Context, secrets *secretsmgr.Client, plan *rotation.Planned) {
			force(ctx, secrets, plan, rotation.Current, plan.VersionID)
		},
	},
	{
		name: "Finish forgets AWSPENDING", function: "finishsecret",
		after: func(ctx context.Context, secrets *secretsmgr.Client, plan *rotation.Planned) {
			_, _ = secrets.MoveLabel(ctx, plan.SecretARN, rotation.Pending, "", plan.VersionID)
		},
	},
}

// likely are all cases, those first that are most dangerous: around the change of
// the password.
func likely(events []string) []chaos.Case {
	changed := 0
	for i, e := range events {
		if strings.HasPrefix(e, "SetSecret") {
			changed = i + 1
		}
	}
	cases := chaos.Cases(len(events))
	distance := func(c chaos.Case) int { return max(c.Faults[0].At-changed, 3*(changed-c.Faults[0].At)) }
	slices.SortStableFunc(cases, func(a, b chaos.Case) int { return distance(a) - distance(b) })
	return cases
}

// A test that finds nothing proves nothing: wrong variants have to be caught.
func TestWrongVariantsAreCaught(t *testing.T) {
	target := target(t, "postgres", rotation.SingleUser, 0)
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			w, err := chaos.NewWorld(t.Context(), target, chaos.Options{Replace: m.replace()})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			clean, err := w.Try(t.Context(), chaos.Case{})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range likely(clean.Events) {
				r, err := w.Try(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				if len(r.Violations) > 0 {
					t.Logf("caught by %s (%v): %s", r.Case, r.Fired, r.Violations[0])
					return
				}
			}
			t.Error("not caught")
		})
	}
}

// Without the compare-and-swap on AWSPENDING two executions change the password at
// once, and without the one on AWSCURRENT both take it for theirs. Either alone is put
// right by the other.
func TestRacesCatchAMissingLock(t *testing.T) {
	target := target(t, "postgres", rotation.SingleUser, 0)
	m := mutation{
		function: "createsecret",
		before: func(ctx context.Context, secrets *secretsmgr.Client, plan *rotation.Planned) {
			force(ctx, secrets, plan, rotation.Pending, "")
			plan.PendingVersionID = ""
		},
		and: &mutation{function: "finishsecret", before: func(ctx context.Context, secrets *secretsmgr.Client, plan *rotation.Planned) {
			force(ctx, secrets, plan, rotation.Current, plan.VersionID)
		}},
	}
	// One race in about 50 shows it. The limit is one that chance does not reach.
	for seed := range uint64(3000) {
		endings, err := chaos.Interleave(t.Context(), target, chaos.Race{Executions: 3, Seed: seed}, m.replace())
		if err != nil {
			t.Fatal(err)
		}
		if len(endings.Violations) > 0 {
			t.Logf("caught with seed %d: %s", seed, endings.Violations[0])
			return
		}
	}
	t.Error("not caught")
}
