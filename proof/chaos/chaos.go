// Package chaos breaks rotations in every place: each call of Secrets Manager
// and each round trip with a real database fails in turn, before it takes effect
// and after, with the function living on and with its process gone. Whatever
// comes next (Step Functions' retry, a redrive, a new run, a native rotation, or
// nobody for a while), the promises of docs/guarantees.md are checked by real
// logins.
//
// `make chaos` runs all of it on every target ([Kinds]); the tests run a part
// that is the same every time.
package chaos

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Then is what comes after a fault.
type Then int

// What can come after a fault.
const (
	Retry   Then = iota // Step Functions goes on: retries and Catch
	Redrive             // the execution was aborted and is redriven
	NewRun              // it was aborted and another one is started
	Native              // it was aborted, and Secrets Manager tries to rotate
	Nobody              // it was aborted, and nothing happens for a while
)

// Thens are all of them.
var Thens = []Then{Retry, Redrive, NewRun, Native, Nobody}

var thenNames = []string{"retry", "redrive", "new run", "native rotation", "nobody"}

func (t Then) String() string { return thenNames[t] }

// Mode is how an event fails.
type Mode int

// The ways to fail. Lost: the connection breaks, and the function lives on. Down:
// it breaks, and so does everything that this state tries from then on. Gone: the
// function's process ends at that instant. Unlabelled: nothing fails, but just before,
// a person has taken AWSPENDING off, as AWS advises when a rotation seems to hang.
const (
	LostBefore Mode = iota // the request never arrives
	LostAfter              // it took effect, and the answer never arrives
	DownBefore
	DownAfter
	GoneBefore
	GoneAfter
	Unlabelled
)

// Modes are all of them.
var Modes = []Mode{LostBefore, LostAfter, DownBefore, DownAfter, GoneBefore, GoneAfter, Unlabelled}

var modeNames = []string{"lost before", "lost after", "down before", "down after", "gone before", "gone after", "unlabelled"}

func (m Mode) String() string { return modeNames[m] }

func (m Mode) after() bool { return m == LostAfter || m == DownAfter || m == GoneAfter }
func (m Mode) down() bool  { return m == DownBefore || m == DownAfter }
func (m Mode) gone() bool  { return m == GoneBefore || m == GoneAfter }

// Fault makes one event fail.
type Fault struct {
	At   int // the event's number in its run, from 1
	Mode Mode
}

func (f Fault) String() string { return fmt.Sprintf("event %d %s", f.At, f.Mode) }

// Case is one thing to try.
type Case struct {
	Faults []Fault
	Then   Then
}

// String writes a case as [ParseCase] reads it.
func (c Case) String() string {
	faults := make([]string, len(c.Faults))
	for i, f := range c.Faults {
		faults[i] = f.String()
	}
	return strings.Join(faults, ", ") + "; then " + c.Then.String()
}

// ParseCase reads a case, such as "event 12 gone after; then new run".
func ParseCase(text string) (Case, error) {
	bad := fmt.Errorf("%q is not a case such as %q", text, Case{[]Fault{{12, GoneAfter}}, NewRun})
	list, then, ok := strings.Cut(text, "; then ")
	c := Case{Then: Then(slices.Index(thenNames, then))}
	if !ok || c.Then < 0 {
		return Case{}, bad
	}
	for one := range strings.SplitSeq(list, ", ") {
		number, mode, ok := strings.Cut(strings.TrimPrefix(one, "event "), " ")
		at, err := strconv.Atoi(number)
		f := Fault{at, Mode(slices.Index(modeNames, mode))}
		if !ok || err != nil || f.Mode < 0 {
			return Case{}, errors.Join(bad, err)
		}
		c.Faults = append(c.Faults, f)
	}
	return c, nil
}
