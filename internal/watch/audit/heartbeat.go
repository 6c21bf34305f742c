package audit

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Heartbeat logs in with AWSCURRENT of every configured rotation, as an application would.
// It is a separate function, and opt-in, because it reads secret values and needs a route
// to every database. It makes one attempt for each secret, because a refused login counts
// towards an account's lockout.
type Heartbeat struct {
	Registry Registry
	Secrets  interface {
		rotation.Describer
		rotation.ValueReader
	}
	Databases rotation.Databases
	Report    func(HeartbeatCounts)     // the metrics
	Log       func(secret, what string) // called for each secret that does not log in. Optional.
	Advise    func(secret, what string) // called for each secret that should have the key "ssl". Optional.
}

// HeartbeatCounts counts secrets.
type HeartbeatCounts struct {
	Well        int `json:"well"`
	Drift       int `json:"drift"`       // the database refuses AWSCURRENT
	Unreachable int `json:"unreachable"` // no answer, or not tried because of another error or lack of time
	Skipped     int `json:"skipped"`     // a rotation is running, or there is no engine
	Advised     int `json:"advised"`     // logs in, but the secret should have the key "ssl"
}

// Run logs in with every secret. Codes: those of the registry.
func (h Heartbeat) Run(ctx context.Context, _ Tick) (HeartbeatCounts, error) {
	entries, err := h.Registry.List(ctx)
	if err != nil {
		return HeartbeatCounts{}, err
	}
	ctx, cancel := inTime(ctx)
	defer cancel()
	var (
		counts HeartbeatCounts
		mu     sync.Mutex
		g      errgroup.Group
	)
	g.SetLimit(atOnce)
	for _, e := range entries {
		g.Go(func() error {
			one, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			advice, err := h.login(one, e.SecretID)
			mu.Lock()
			defer mu.Unlock()
			for _, what := range advice {
				counts.Advised++
				if h.Advise != nil {
					h.Advise(e.SecretID, what)
				}
			}
			switch {
			case err == nil:
				counts.Well++
				return nil
			case errors.Is(err, errNoEngine) || fault.Is(err, fault.AlreadyRotating):
				counts.Skipped++
			case fault.Is(err, fault.LoginRefused):
				counts.Drift++
			default:
				counts.Unreachable++
			}
			if h.Log != nil {
				h.Log(e.SecretID, fault.From(err).Error())
			}
			return nil
		})
	}
	_ = g.Wait() // errors are counted
	h.Report(counts)
	return counts, nil
}

const (
	atOnce   = 16               // concurrent logins
	patience = 20 * time.Second // timeout of a login
	toReport = 5 * time.Second
)

// inTime returns a context that ends before the function times out, so that the counts are
// reported: without them an alarm would stay silent. Secrets that were not tried by then
// count as unreachable.
func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, end.Add(-toReport))
	}
	return context.WithCancel(ctx)
}

// errNoEngine is the error for a secret that only an existing rotation function can rotate.
var errNoEngine = errors.New("there is no engine for this database")

// login returns AlreadyRotating while a rotation is running: between the change in the
// database and the move of AWSCURRENT, a refusal has no meaning. advice recommends changes
// to the secret.
func (h Heartbeat) login(ctx context.Context, secretID string) (advice []string, err error) {
	before, err := h.resting(ctx, secretID)
	if err != nil {
		return nil, err
	}
	doc, err := rotation.ReadDocument(ctx, h.Secrets, secretID, rotation.Version{Label: rotation.Current})
	if err != nil {
		return nil, err
	}
	database, err := h.Databases.For(doc)
	if err != nil {
		return nil, errNoEngine
	}
	session, err := database.Connect(ctx, doc)
	if err == nil {
		defer session.Close()
		if err := session.Probe(ctx); err != nil {
			return nil, err
		}
		return rotation.AdviceOnTLS(doc, session), nil
	}
	if fault.Is(err, fault.LoginRefused) {
		after, again := h.resting(ctx, secretID)
		if again != nil {
			return nil, again
		}
		if after != before {
			return nil, fault.New(fault.AlreadyRotating, "the secret was rotated meanwhile", "")
		}
	}
	return nil, err
}

// resting returns the id of AWSCURRENT, if no rotation is running.
func (h Heartbeat) resting(ctx context.Context, secretID string) (string, error) {
	secret, err := h.Secrets.Describe(ctx, secretID)
	if err != nil {
		return "", err
	}
	current, pending := secret.Labels[rotation.Current], secret.Labels[rotation.Pending]
	if pending != "" && pending != current {
		return "", fault.New(fault.AlreadyRotating, "AWSPENDING is set", "")
	}
	return current, nil
}
