// Package counted counts what goes through an engine: every Connect is one
// login, which is what account lockouts and the databases' logs see.
package counted

import (
	"context"
	"sync"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Logins are counts of logins.
type Logins struct {
	Accepted int
	Refused  int // the password was not accepted
	Failed   int // anything else: the server did not get to judge
}

// Counter counts the logins of all engines of a table.
type Counter struct {
	mu     sync.Mutex
	logins Logins
}

// Wrap returns a table whose engines are counted.
func Wrap(engines engine.Table) (engine.Table, *Counter) {
	c := &Counter{}
	table := engine.Table{}
	for family, e := range engines {
		table[family] = counted{e, c}
	}
	return table, c
}

// Take returns the counts since the last Take.
func (c *Counter) Take() Logins {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.logins
	c.logins = Logins{}
	return taken
}

type counted struct {
	engine.Engine
	counter *Counter
}

// Separate implements [engine.Separating].
func (e counted) Separate() (engine.Engine, bool) {
	separate, ok := engine.Separate(e.Engine)
	return counted{separate, e.counter}, ok
}

func (e counted) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	session, err := e.Engine.Connect(ctx, doc)
	e.counter.mu.Lock()
	defer e.counter.mu.Unlock()
	switch {
	case err == nil:
		e.counter.logins.Accepted++
	case fault.Is(err, fault.LoginRefused):
		e.counter.logins.Refused++
	default:
		e.counter.logins.Failed++
	}
	return session, err
}
