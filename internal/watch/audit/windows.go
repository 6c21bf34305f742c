package audit

import (
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/window"
)

// windows are a rotation's windows as seen from now.
type windows struct {
	next         *window.Window
	missed       int
	first        window.Window // the first missed window
	overdueSince time.Time
	disabled     bool
}

// mostMissed limits the count for a schedule that has not run for years.
const mostMissed = 1000

// windows counts the windows that have passed since AWSCURRENT was created. Windows before
// the last change of the schedule do not count, since the schedule may have differed. A
// schedule that was disabled by hand counts, because rotations.yaml asks for it.
func (a Auditor) windows(request rotation.Request, entry registry.Entry, rotated time.Time) (windows, error) {
	if request.Schedule == nil {
		return windows{}, nil
	}
	timetable, err := request.Schedule.Timetable()
	if err != nil {
		return windows{}, err
	}
	now := a.Now()
	found := windows{disabled: !entry.Enabled}
	if open, ok := timetable.At(now); ok && !open.Contains(rotated) {
		found.next = &open
	} else {
		found.next = new(timetable.Next(now))
	}
	since := rotated
	if entry.ChangedAt.After(since) {
		since = entry.ChangedAt
	}
	for w := range timetable.Windows(since) {
		late := w.ClosesAt.Add(grace)
		if late.After(now) || found.missed == mostMissed {
			break
		}
		if found.missed++; found.missed == 1 {
			found.first, found.overdueSince = w, late.UTC()
		}
	}
	return found, nil
}

func (w windows) why() string {
	text := fmt.Sprintf("%d window(s) passed without a rotation, the first on %s", w.missed, w.first)
	if w.disabled {
		text += "; its schedule is disabled"
	}
	return text
}
