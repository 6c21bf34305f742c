package rotation

import (
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Window is the time in which a rotation may change anything. It is a hard
// deadline: every attempt of CreateSecret and SetSecret checks it.
type Window struct {
	OpensAt  time.Time `json:"opensAt"`  // the first instant inside, UTC
	ClosesAt time.Time `json:"closesAt"` // the first instant outside, UTC
}

// longestWait keeps an execution that waits for its window, and the rotation
// after it, inside the state machine's own TimeoutSeconds.
const longestWait = 31 * 24 * time.Hour

// checkOpen returns WindowClosed when now is outside w. A nil window is always
// open.
func (w *Window) checkOpen(now time.Time) error {
	switch {
	case w == nil:
		return nil
	case now.Before(w.OpensAt):
		return fault.New(fault.WindowClosed,
			fmt.Sprintf("it is %s and the rotation window opens at %s", stamp(now), stamp(w.OpensAt)),
			"Rotate inside the window, or ask with outsideWindow \"wait\" or \"rotate\"")
	case !now.Before(w.ClosesAt):
		return fault.New(fault.WindowClosed,
			fmt.Sprintf("it is %s and the rotation window closed at %s", stamp(now), stamp(w.ClosesAt)),
			"Rotate inside the next window, or ask with outsideWindow \"rotate\"")
	}
	return nil
}

// stamp writes a time as people and Step Functions read it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
