//go:build unix

package dbserver

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// watchdog is a small process that cleans up after us if we die.
type watchdog struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// The shell's standard input is a pipe whose other end only we hold. It ends
// with us, whether we exit, crash or are killed; until then it brings the id
// of the server's process.
const watchdogScript = `
pid=
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
	kill -INT "$pid" 2>/dev/null
	n=0
	while kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done
	kill -KILL "$pid" 2>/dev/null
fi
if [ -n "$1" ]; then rm -rf -- "$1"; fi
`

// startWatchdog makes sure that dir, unless empty, is removed when this
// process dies.
func startWatchdog(dir string) (*watchdog, error) {
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "tumbler-watchdog", dir)
	cmd.Dir = "/"
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the watchdog: %w", err)
	}
	return &watchdog{cmd: cmd, pipe: pipe}, nil
}

// watch makes sure that the server pid ends when this process dies.
func (w *watchdog) watch(pid int) error {
	_, err := fmt.Fprintln(w.pipe, pid)
	return err
}

// stop calls the watchdog off, once the server has ended.
func (w *watchdog) stop() {
	_ = w.cmd.Process.Kill()
	_ = w.pipe.Close()
	_ = w.cmd.Wait()
}
