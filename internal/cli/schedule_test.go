package cli

import (
	"fmt"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestSchedule(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Files: []string{"testdata/schedule.txt"},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// In this process: quick, and no program to build.
			"tumbler": func(ts *testscript.TestScript, fails bool, args []string) {
				code := Run(t.Context(), args, ts.Stdout(), ts.Stderr())
				if fails != (code != ExitOK) {
					ts.Fatalf("exit code %d", code)
				}
				if code != ExitOK {
					fmt.Fprintf(ts.Stderr(), "exit code %d\n", code)
				}
			},
		},
	})
}
