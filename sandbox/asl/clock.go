package asl

import (
	"context"
	"sync"
	"time"
)

// Clock is the time an execution runs on. [RealClock] is the machine's;
// [VirtualClock] is for tests. Its methods may be called concurrently.
type Clock interface {
	// Now returns the time.
	Now() time.Time
	// Sleep returns after d, or earlier with context.Cause(ctx) when ctx ends.
	Sleep(ctx context.Context, d time.Duration) error
	// WithTimeout is context.WithTimeout on this clock.
	WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
}

var (
	_ Clock = RealClock{}
	_ Clock = (*VirtualClock)(nil)
)

// RealClock is the machine's clock. In a testing/synctest bubble it is virtual.
type RealClock struct{}

// Now returns time.Now in UTC.
func (RealClock) Now() time.Time { return time.Now().UTC() }

// Sleep waits on a timer.
func (RealClock) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// WithTimeout is context.WithTimeout.
func (RealClock) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}

// VirtualClock stands still while anything runs, and jumps to the next timer
// when everything waits, so that days pass in microseconds.
//
// [Machine.Run] is counted as running except while it or its task handler
// sleeps on the clock. A handler that is to take time must therefore sleep on
// this clock; one that waits for something else, such as a database or its
// context, holds the time still.
//
// Contexts made by WithTimeout end when their virtual time comes, but have no
// Deadline: network code would take it for real time.
type VirtualClock struct {
	mu      sync.Mutex
	now     time.Time
	running int
	timers  []*virtualTimer // in the order they were made
}

// virtualTimer is a sleeper or a timeout.
type virtualTimer struct {
	at    time.Time
	never bool            // a sleeper that only a Latch or its context wakes
	ctx   context.Context // what a sleeper waits with; nil for a timeout
	fire  func()
}

// NewVirtualClock returns a clock that stands at start.
func NewVirtualClock(start time.Time) *VirtualClock { return &VirtualClock{now: start.UTC()} }

// Now returns the virtual time.
func (c *VirtualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Hold counts the caller as running, so that the clock stands still until
// release is called (once) or the caller sleeps on it. A test holds it while it
// starts several executions.
func (c *VirtualClock) Hold() (release func()) {
	c.mu.Lock()
	c.running++
	c.mu.Unlock()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running--
		c.advance()
	}
}

// Sleep lets the clock go on when everything else waits, too.
func (c *VirtualClock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	if ctx.Err() != nil || d <= 0 {
		c.mu.Unlock()
		return context.Cause(ctx)
	}
	woken := make(chan struct{})
	t := &virtualTimer{at: c.now.Add(d), ctx: ctx, fire: func() { close(woken) }}
	c.timers = append(c.timers, t)
	c.advance()
	c.mu.Unlock()
	select {
	case <-woken:
	case <-ctx.Done():
		c.mu.Lock()
		c.remove(t)
		c.mu.Unlock()
	}
	// Both may have happened at the same instant; the context wins, so that a
	// timeout is never missed.
	return context.Cause(ctx)
}

// WithTimeout returns a context that ends with context.DeadlineExceeded as its
// cause after d of virtual time.
func (c *VirtualClock) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &virtualTimer{at: c.now.Add(d), fire: func() { cancel(context.DeadlineExceeded) }}
	c.timers = append(c.timers, t)
	return ctx, func() {
		cancel(context.Canceled)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.remove(t)
	}
}

// advance jumps from timer to timer for as long as everything waits. The caller
// holds the lock.
func (c *VirtualClock) advance() {
	for {
		next, sleepers := (*virtualTimer)(nil), 0
		for _, t := range c.timers {
			if t.ctx != nil {
				if t.ctx.Err() != nil {
					return // it is about to wake
				}
				sleepers++
			}
			if !t.never && (next == nil || t.at.Before(next.at)) {
				next = t
			}
		}
		if next == nil || sleepers == 0 || sleepers < c.running {
			return
		}
		if next.at.After(c.now) {
			c.now = next.at
		}
		c.remove(next)
		next.fire()
		if next.ctx != nil {
			return // the sleeper runs now
		}
	}
}

func (c *VirtualClock) remove(t *virtualTimer) {
	for i, other := range c.timers {
		if other == t {
			c.timers = append(c.timers[:i], c.timers[i+1:]...)
			return
		}
	}
}
