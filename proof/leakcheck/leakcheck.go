// Package leakcheck fails a package's tests when they leave goroutines running.
package leakcheck

import (
	"fmt"
	"os"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end after the last test. goleak
// itself looks again for less than half a second, and on a machine that does much
// else one that has been told to end may not even have been run by then.
const patience = 30 * time.Second

// Main is goleak.VerifyTestMain with patience:
//
//	func TestMain(m *testing.M) { leakcheck.Main(m) }
//
// An option that exempts a goroutine says beside it why that one cannot be ended.
func Main(m interface{ Run() int }, options ...goleak.Option) {
	code := m.Run()
	if code == 0 {
		if err := find(patience, options...); err != nil {
			fmt.Fprintf(os.Stderr, "the tests passed, but goroutines still run after %s: %v\n", patience, err)
			code = 1
		}
	}
	os.Exit(code)
}

// find returns what still runs when the patience is over.
func find(patience time.Duration, options ...goleak.Option) (err error) {
	for end := time.Now().Add(patience); ; {
		if err = goleak.Find(options...); err == nil || time.Now().After(end) {
			return err
		}
	}
}
