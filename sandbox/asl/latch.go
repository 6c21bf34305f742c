package asl

import (
	"context"
	"sync"
)

// Latch lets those who count as running wait for something other than the time,
// such as another execution. On a [VirtualClock] they do not hold the time still
// meanwhile, and none passes between the opening and their going on.
type Latch struct {
	clock  *VirtualClock // nil on another clock
	opened chan struct{}
	once   sync.Once

	waiting []*virtualTimer // guarded by the clock's lock
}

// NewLatch returns a closed latch for those who run on the clock.
func NewLatch(clock Clock) *Latch {
	c, _ := clock.(*VirtualClock)
	return &Latch{clock: c, opened: make(chan struct{})}
}

// Open lets everybody go on, for good. The caller counts as running, or the
// time may go on before they do.
func (l *Latch) Open() {
	l.once.Do(func() {
		if l.clock != nil {
			l.clock.mu.Lock()
			defer l.clock.mu.Unlock()
			for _, t := range l.waiting {
				l.clock.remove(t)
			}
		}
		close(l.opened)
	})
}

// Wait returns when the latch is open, or with context.Cause(ctx) when ctx ends.
// The caller must count as running: see [VirtualClock.Hold].
func (l *Latch) Wait(ctx context.Context) error {
	if l.clock == nil {
		select {
		case <-l.opened:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	c := l.clock
	c.mu.Lock()
	select {
	case <-l.opened:
		c.mu.Unlock()
		return nil
	default:
	}
	t := &virtualTimer{never: true, ctx: ctx}
	c.timers = append(c.timers, t)
	l.waiting = append(l.waiting, t)
	c.advance()
	c.mu.Unlock()
	select {
	case <-l.opened:
		return nil
	case <-ctx.Done():
		c.mu.Lock()
		c.remove(t)
		c.mu.Unlock()
		return context.Cause(ctx)
	}
}
