package dbserver

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// A server is given up when it has died or when it stands still, and for no other
// reason: how long it takes depends on what else the machine does.
func TestAServerMayTakeItsTime(t *testing.T) {
	t.Parallel()
	notYet, never := errors.New("not yet"), func(string) bool { return false }
	for name, tc := range map[string]struct {
		script  string
		ready   func(log string) bool
		longest time.Duration
		give    time.Duration // the caller gives up after it
		want    string        // in the error; empty: it comes up
	}{
		"slow, and it logs":            {script: "for i in 1 2 3 4 5 6 7 8; do sleep 0.5; echo step $i; done; exec sleep 1000", ready: func(log string) bool { return strings.Contains(log, "step 8") }},
		"slow, and it is at work":      {script: "n=0; while :; do n=$((n+1)); if [ $n = 700000 ]; then echo done; fi; done", ready: func(log string) bool { return strings.Contains(log, "done") }},
		"dies":                         {script: "echo no such setting; exit 1", ready: never, want: "the server ended; its log ends with:\nno such setting"},
		"dies late":                    {script: "sleep 2; echo out of memory; exit 1", ready: never, want: "out of memory"},
		"the port is taken":            {script: "echo bind: Address already in use; exit 1", ready: never, want: "the port is taken"},
		"stands still":                 {script: "echo hello; exec sleep 1000", ready: never, want: "nothing about it moved"},
		"works for ever":               {script: "while :; do echo step; sleep 1; done", ready: never, longest: 5 * time.Second, want: "5s are over"},
		"nobody waits for it any more": {script: "while :; do echo step; sleep 1; done", ready: never, give: time.Second, want: "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			as, err := serverAccount()
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			if tc.give > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tc.give)
				defer cancel()
			}
			var log string
			began := time.Now()
			p, err := startup{
				name: "test", log: "log", signal: os.Kill, look: 50 * time.Millisecond, longest: tc.longest,
				prepare: func(dir string) ([]string, error) {
					log = dir + "/log"
					return []string{"/bin/sh", "-c", tc.script}, nil
				},
				ready: func(context.Context) error {
					if text, err := os.ReadFile(log); err != nil || !tc.ready(string(text)) {
						return notYet
					}
					return nil
				},
			}.boot(ctx, as)
			t.Logf("after %s: %v", time.Since(began).Round(time.Millisecond), err)
			if err == nil {
				p.stop()
			}
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
