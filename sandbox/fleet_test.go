package sandbox_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/fleet"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/sandbox"
)

// member is one of the fleet's users with its secret.
type member struct {
	user, secret string
	first        secretdoc.Document
}

// members makes database users and their secrets, tagged team=fleet.
func (w *world) members(n int) []member {
	w.Helper()
	list := make([]member, n)
	var roles strings.Builder
	for i := range list {
		user := fmt.Sprintf("%s_%02d", w.db.User, i)
		password := rand.Text()
		fmt.Fprintf(&roles, "CREATE ROLE %s LOGIN PASSWORD '%s'; ", user, password)
		m := member{user: user, secret: fmt.Sprintf("fleet/app%02d", i)}
		m.first = w.db.Document(func(keys map[string]any) { keys["username"], keys["password"] = user, password })
		w.store(m.secret, m.first)
		list[i] = m
	}
	admin := w.db.Admin()
	for _, sql := range []string{w.db.Quiet(), roles.String()} { // the test's own passwords are not logged either
		_, err := admin.Exec(w.Context(), sql).ReadAll()
		w.check(err)
	}
	w.Cleanup(func() {
		var drop strings.Builder
		for _, m := range list {
			fmt.Fprintf(&drop, "DROP ROLE %s; ", m.user)
		}
		w.db.Exec(drop.String())
	})
	return list
}

func (w *world) store(name string, doc secretdoc.Document) {
	w.Helper()
	_, err := w.secrets.CreateSecret(w.Context(), &secretsmanager.CreateSecretInput{
		Name: &name, SecretString: aws.String(doc.Encode().Reveal()),
		Tags: []smtypes.Tag{{Key: aws.String("team"), Value: aws.String("fleet")}},
	})
	w.check(err)
}

// rotateFleet runs a fleet to its end.
func (w *world) rotateFleet(request string) (follow.Ending, fleet.Event) {
	w.Helper()
	started, err := w.states.StartExecution(w.Context(), &sfn.StartExecutionInput{
		StateMachineArn: &w.sandbox.FleetARN, Input: &request,
	})
	w.check(err)
	ending := w.await(aws.ToString(started.ExecutionArn))
	var event fleet.Event
	for _, e := range w.sandbox.Events.Events() {
		if e.DetailType == "Fleet Ended" {
			w.check(json.Unmarshal(e.Detail, &event)) // the last one counts
		}
	}
	return ending, event
}

// logsIn checks that a member's AWSCURRENT is new, or is not, and logs in.
func (w *world) logsIn(m member, rotated bool) {
	out, err := w.secrets.GetSecretValue(w.Context(), &secretsmanager.GetSecretValueInput{SecretId: &m.secret})
	if err != nil {
		w.Error(err)
		return
	}
	doc, err := secretdoc.Parse(redact.New(aws.ToString(out.SecretString)))
	if err != nil {
		w.Error(err)
		return
	}
	if doc.Password.Equal(m.first.Password) == rotated {
		w.Errorf("%s: rotated is %t, want %t", m.secret, !rotated, rotated)
	}
	session, err := all.Engines["postgres"].Connect(w.Context(), doc)
	if err != nil {
		w.Errorf("%s is refused: %v", m.secret, err)
		return
	}
	session.Close()
	histories, _ := json.Marshal(w.histories)
	alerts, _ := json.Marshal(w.sandbox.Outbox.Messages())
	for place, text := range map[string]string{"log": w.log.String(), "histories": string(histories), "alerts": string(alerts), "database's log": w.db.Log()} {
		for _, password := range []redact.String{doc.Password, m.first.Password} {
			if strings.Contains(text, password.Reveal()) {
				w.Errorf("a password of %s shows in the %s", m.secret, place)
			}
		}
	}
	if !rotated {
		return
	}
	if old, err := all.Engines["postgres"].Connect(w.Context(), m.first); !fault.Is(err, fault.LoginRefused) {
		w.Errorf("%s: the old password still works: %v", m.secret, err)
		if err == nil {
			old.Close()
		}
	}
}

func (w *world) allLogIn(members []member) {
	w.Helper()
	var wg sync.WaitGroup
	for _, m := range members {
		wg.Go(func() { w.logsIn(m, true) })
	}
	wg.Wait()
}

// Fifty users of a real PostgreSQL server: all are rotated, and none is refused
// afterwards.
func TestFleetOfFifty(t *testing.T) {
	w := newWorld(t)
	members := w.members(50)
	began := time.Now()
	ending, event := w.rotateFleet(`{"select":{"tags":{"team":"fleet"}},"reason":"INC-4711"}`)
	if ending.State != "AllRotated" || event.Rotated != 50 || event.Failed != 0 || event.Reason != "INC-4711" {
		t.Fatalf("ended in %s: %s; %+v", ending.State, ending.Cause, event)
	}
	t.Logf("50 users in %s, %s on the fleet's clock", time.Since(began).Round(time.Millisecond), ending.Took.Round(time.Millisecond))
	w.allLogIn(members)
	if w.value("AWSCURRENT"); w.labels()["TUMBLER"] != "" {
		t.Error("a secret that was not selected was rotated")
	}
	// The budget rests on this number.
	writes := 0
	w.mu.Lock()
	for _, c := range w.calls {
		if c.Operation == "PutSecretValue" || c.Operation == "UpdateSecret" || c.Operation == "UpdateSecretVersionStage" {
			writes++
		}
	}
	w.mu.Unlock()
	if writes != 50*fleet.WritesPerRotation {
		t.Errorf("%d calls that write for 50 rotations, want %d each", writes, fleet.WritesPerRotation)
	}
	messages := w.sandbox.Outbox.Messages()
	if len(messages) != 1 || messages[0].Subject != "Tumbler: fleet: AllRotated: 50 of 50 rotated" {
		t.Errorf("%d alerts: %+v", len(messages), messages)
	}
}

// A database is away: the fleet stops; when it is back, a resume rotates the
// rest and nothing twice.
func TestFleetStopsAndIsResumed(t *testing.T) {
	w := newWorld(t)
	const healthy = 40
	members := w.members(healthy)
	var away []string
	for i := range 4 {
		name := fmt.Sprintf("fleet/away%d", i)
		w.store(name, w.db.Document(func(keys map[string]any) { keys["port"] = 1 }))
		away = append(away, name)
	}
	stopped, first := w.rotateFleet(`{"select":{"prefix":"fleet/"},"canary":0,"maxFailures":"1","writesPerSecond":6}`)
	if stopped.State != "Stopped" || first.Failed < 2 || first.NotStarted == 0 || first.Rotated+first.Failed+first.NotStarted != healthy+4 || first.Failures[0].Error != string(fault.DatabaseUnreachable) {
		t.Fatalf("ended in %s: %s; %+v", stopped.State, stopped.Cause, first)
	}
	if body := w.lastAlert().Body; !strings.Contains(body, "tumbler rotate --resume "+stopped.ARN) || !strings.Contains(body, "fleet/away") {
		t.Error(body)
	}
	for _, name := range away {
		_, err := w.secrets.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: aws.Bool(true)})
		w.check(err)
	}
	resumed, second := w.rotateFleet(`{"select":{"prefix":"fleet/"},"resume":["` + stopped.ARN + `"]}`)
	if resumed.State != "AllRotated" || second.Earlier != first.Rotated || second.Rotated != healthy-first.Rotated {
		t.Errorf("ended in %s: %s; %+v", resumed.State, resumed.Cause, second)
	}
	w.allLogIn(members)
}

// Only what is configured is rotated, as it is configured.
func TestFleetOfTheRegistry(t *testing.T) {
	w := newWorldWith(t, all.Engines, func(_ *world, cfg *sandbox.Config) { cfg.Registry = true })
	w.createSecret(w.db.Document(nil).Encode().Reveal())
	w.store("fleet/one", w.db.Document(nil))
	w.check(w.sandbox.Configure(t.Context(), rotation.Request{SecretID: secretID}))
	ending, event := w.rotateFleet(`{"select":{"all":true}}`)
	if ending.State != "AllRotated" || event.Rotated != 1 || event.Skipped[fleet.SkipNotConfigured] != 1 {
		t.Errorf("ended in %s: %s; %+v", ending.State, ending.Cause, event)
	}
	w.currentLogsIn()
}
