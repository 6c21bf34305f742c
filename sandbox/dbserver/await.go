package dbserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// The limits of a start. How long a server needs says little about it: normally it
// is well under a second, and minutes on a machine that does much else. So it may
// take its time as long as it lives and something about it moves. We count how often
// we looked, since on such a machine we are slow ourselves.
const (
	lookInterval   = time.Second
	stillLooks     = 60               // without a move between them
	readyTimeout   = 10 * time.Minute // from its launch to its first login
	attemptTimeout = 10 * time.Second // of one login: who else has the port may never answer
)

var errStill = fmt.Errorf("nothing about it moved while it was looked at %d times", stillLooks)

// await returns when the server is ready. log is what it logged until now.
func (u startup) await(ctx context.Context, p *process, dir string, log func() string) error {
	longest := cmp.Or(u.longest, readyTimeout)
	ctx, stop := context.WithTimeoutCause(ctx, longest, fmt.Errorf("%s are over", longest))
	defer stop()
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	go func() { give(watch(ctx, p, dir, cmp.Or(u.look, lookInterval))) }()
	for pause := 10 * time.Millisecond; ; pause = min(pause*5/4, 250*time.Millisecond) {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := u.ready(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(pause):
			continue
		case <-ctx.Done():
		}
		cause, text := context.Cause(ctx), log()
		if errors.Is(cause, errEnded) {
			if strings.Contains(text, "Address already in use") {
				cause = errPortTaken
			}
			return fmt.Errorf("%w; its log ends with:\n%s", cause, text)
		}
		return fmt.Errorf("not ready: %w (the last attempt: %w); its log ends with:\n%s", cause, err, text)
	}
}

// watch returns when a start has failed, and why: the server ended, or nothing
// about it moves any more.
func watch(ctx context.Context, p *process, dir string, interval time.Duration) error {
	look := time.NewTicker(interval) // which drops what we are too slow for
	defer look.Stop()
	var last vitals
	for still := 0; still < stillLooks; still++ {
		select {
		case <-p.done:
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
		if v := vitalsOf(p.cmd.Process.Pid, dir); v != last {
			last, still = v, 0
		}
	}
	return errStill
}

// vitals is what shows that a server is at work.
type vitals struct {
	processor string // the time that its process has used, where the system tells
	files     int    // in its directory: log and data
	bytes     int64
	changed   int64 // the latest change of one
}

func vitalsOf(pid int, dir string) vitals {
	v := vitals{processor: processorTime(pid)}
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // a file that is gone by now
		}
		if info, err := d.Info(); err == nil {
			v.files++
			v.bytes += info.Size()
			v.changed = max(v.changed, info.ModTime().UnixNano())
		}
		return nil
	})
	return v
}
