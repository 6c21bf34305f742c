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

// Heartbeat logs in with AWSCURRENT of every configured rotation, as an application
// would. It is a function of its own, and opt-in, because it reads secret values
// and needs a route to every database; and because a refused login counts towards
// an account's lockout, it makes one for each secret.
type Heartbeat struct {
	Registry Registry
	Secrets  interface {
		rotation.Describer
		rotation.ValueReader
	}
	Databases rotation.Databases
	Report    func(HeartbeatCounts)     // the metrics
	Log       func(secret, what string) // told of each that is not well. Optional.
	Advise    func(secret, what string) // told of each that had better say "ssl". Optional.
}

// HeartbeatCounts counts what was found.
type HeartbeatCounts struct {
	Well        int `json:"well"`
	Drift       int `json:"drift"`       // the database refuses AWSCURRENT
	Unreachable int `json:"unreachable"` // no answer, or not even asked: something is wrong before, or the time was up
	Skipped     int `json:"skipped"`     // a rotation is under way, or there is no engine for it
	Advised     int `json:"advised"`     // of those that are well: the secret does not say whether there is to be TLS
}

// Run asks every database. Codes: those of the registry.
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
	_ = g.Wait() // what goes wrong is counted
	h.Report(counts)
	return counts, nil
}

const (
	atOnce   = 16               // logins
	patience = 20 * time.Second // with a database that does not answer
	toReport = 5 * time.Second
)

// inTime leaves the function time to report: a count that is lost is an alarm that
// stays silent. What has not been asked by then counts as unreachable.
func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, end.Add(-toReport))
	}
	return context.WithCancel(ctx)
}

// errNoEngine: an existing rotation function rotates it.
var errNoEngine = errors.New("there is no engine for this database")

// login returns AlreadyRotating while a rotation is under way: between the change
// in the database and the move of AWSCURRENT a refusal means nothing. When all is well
// it tells what the secret had better say.
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

// resting returns the version that is AWSCURRENT of a secret that no rotation is
// working on.
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
