package chaos

import "pgregory.net/rapid"

// DrawPair draws two faults in a rotation of so many events, or in what follows
// the first of them.
func DrawPair(t *rapid.T, events int) Case {
	fault := rapid.Custom(func(t *rapid.T) Fault {
		return Fault{
			At:   rapid.IntRange(1, events+10).Draw(t, "event"),
			Mode: rapid.SampledFrom(Modes).Draw(t, "mode"),
		}
	})
	return Case{
		Faults: []Fault{fault.Draw(t, "first"), fault.Draw(t, "second")},
		Then:   rapid.SampledFrom(Thens).Draw(t, "then"),
	}
}
