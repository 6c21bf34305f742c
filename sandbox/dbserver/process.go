package dbserver

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// stopTimeout is how long a server may take to end by itself before it is
// killed.
const stopTimeout = 30 * time.Second

// process is a server's main process.
type process struct {
	cmd      *exec.Cmd
	done     chan struct{} // closed when it has ended
	cleanup  func()        // called once, after it has ended
	signal   os.Signal     // ends it; nil: an interrupt
	stopOnce sync.Once
}

// launch starts a server in dir. Its output goes to logs; as is whom it runs
// as, nil for the current user.
func launch(dir string, as *account, logs io.Writer, name string, args ...string) (*process, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = logs, logs
	cmd.SysProcAttr = serverAttributes(as)
	p := &process{cmd: cmd, done: make(chan struct{}), cleanup: func() {}}

	started := make(chan error)
	go func() {
		// Linux ties the parent-death signal to the thread that forked, so
		// that thread has to live as long as the server.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		_ = cmd.Wait() // a server that is told to stop need not exit with 0
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// stop ends the process and cleans up.
func (p *process) stop() {
	p.stopOnce.Do(func() {
		if p.signal == nil {
			_ = interrupt(p.cmd.Process)
		} else {
			_ = p.cmd.Process.Signal(p.signal)
		}
		select {
		case <-p.done:
		case <-time.After(stopTimeout):
			_ = p.cmd.Process.Kill()
			<-p.done
		}
		p.cleanup()
	})
}

// environment is what a server gets to see: not this process's variables,
// which may hold AWS credentials or change the server's behaviour (PG*, LC_*).
func environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
}

// run runs a tool to its end and returns its output.
func run(as *account, dir, name string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = serverAttributes(as)
	// See launch: without this a tool could be stopped when its thread ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}
