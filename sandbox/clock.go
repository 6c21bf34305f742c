package sandbox

import (
	"context"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// fastClock runs so many times faster than the machine's clock, from the moment
// it was made.
type fastClock struct {
	began time.Time
	speed float64
}

// NewFastClock returns a clock on which schedules and waits pass speed times
// faster than real time. What is under way, such as a login to a database, takes
// the time it takes however fast the clock is, so that a timeout on it is one of
// real time.
func NewFastClock(speed float64) asl.Clock { return fastClock{time.Now(), speed} }

// Now returns the fast time.
func (c fastClock) Now() time.Time {
	return c.began.Add(time.Duration(float64(time.Since(c.began)) * c.speed)).UTC()
}

// Sleep waits for d of fast time.
func (c fastClock) Sleep(ctx context.Context, d time.Duration) error {
	return asl.RealClock{}.Sleep(ctx, time.Duration(float64(d)/c.speed))
}

// WithTimeout is of real time.
func (c fastClock) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}
