package demo

import (
	"context"
	"sync"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox/sample"
)

// application stands for the programs that use the secret: again and again it
// reads AWSCURRENT and logs in with it, caching nothing.
type application struct {
	secrets   rotation.ValueReader
	databases rotation.Databases
	secretID  string

	stop context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex
	tally tally
}

// tally is what became of the application's logins.
type tally struct {
	Accepted, Refused int
	Other             error         // any other failure: there should be none
	LongestGap        time.Duration // longest time from a refused login to the next accepted one

	refusedSince time.Time
}

// pause between two logins of the application.
const pause = 2 * time.Millisecond

func (a *application) start(ctx context.Context) {
	ctx, a.stop = context.WithCancel(ctx)
	a.done.Go(func() {
		for ctx.Err() == nil {
			a.login(ctx)
			time.Sleep(pause)
		}
	})
}

// login tries once.
func (a *application) login(ctx context.Context) {
	asked := time.Now()
	session, err := sample.Connect(ctx, a.secrets, a.databases, a.secretID)
	if err == nil {
		err = session.Probe(ctx)
		session.Close()
	}
	if ctx.Err() != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err == nil:
		a.tally.Accepted++
		if !a.tally.refusedSince.IsZero() {
			a.tally.LongestGap = max(a.tally.LongestGap, time.Since(a.tally.refusedSince))
			a.tally.refusedSince = time.Time{}
		}
	case fault.Is(err, fault.LoginRefused):
		a.tally.Refused++
		if a.tally.refusedSince.IsZero() {
			a.tally.refusedSince = asked
		}
	default:
		a.tally.Other = err
	}
}

// since returns the tally so far and starts a new one.
func (a *application) since() tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tally
	a.tally = tally{}
	return t
}

// more waits until the application has logged in n times more, or ctx ends.
func (a *application) more(ctx context.Context, n int) {
	count := func() int {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.tally.Accepted
	}
	for until := count() + n; count() < until && ctx.Err() == nil; {
		time.Sleep(pause)
	}
}

func (a *application) close() {
	a.stop()
	a.done.Wait()
}
