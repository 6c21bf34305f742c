package dbserver

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const loopback = "127.0.0.1"

// The names of the files in a server's directory that all kinds have.
const (
	dataName     = "data"
	passwordName = "admin-password"
)

var (
	errEnded     = errors.New("the server ended")
	errPortTaken = errors.New("the port is taken")
)

// startup is how to bring a server up in a directory of its own.
type startup struct {
	name   string    // of temporary directories
	keep   string    // the directory to use and to keep. Optional.
	log    string    // the log's file name
	logs   io.Writer // gets a copy of the log. Optional.
	signal os.Signal // ends the server; nil: an interrupt

	look, longest time.Duration // instead of lookInterval and readyTimeout

	// prepare fills the directory and returns the server's command.
	prepare func(dir string) (command []string, err error)

	// ready returns nil when the server accepts logins.
	ready func(context.Context) error
}

// boot launches the server and waits until it is ready.
func (u startup) boot(ctx context.Context, as *account) (_ *process, err error) {
	dir, cleanup, dog, err := workDir(as, u.name, u.keep)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			cleanup()
		}
	}()
	command, err := u.prepare(dir)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, u.log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	stop := cleanup
	cleanup = func() { _ = file.Close(); stop() }
	before, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	var logs io.Writer = file // the server writes to it directly
	if u.logs != nil {
		logs = io.MultiWriter(file, u.logs)
	}
	p, err := launch(dir, as, logs, command[0], command[1:]...)
	if err != nil {
		return nil, err
	}
	p.signal = u.signal
	if err = dog.watch(p.cmd.Process.Pid); err == nil {
		err = u.await(ctx, p, dir, func() string { return complaints(file.Name(), before) })
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	p.cleanup = cleanup
	return p, nil
}

// complaints returns what was logged from offset on, without the notes of old
// versions of MySQL, which note every plugin that they shut down.
func complaints(path string, offset int64) string {
	const most = 4000
	text, err := os.ReadFile(path)
	if err != nil || int64(len(text)) < offset {
		return "(no log)"
	}
	var kept strings.Builder
	for line := range strings.Lines(string(text[offset:])) {
		if !strings.Contains(line, "[Note]") {
			kept.WriteString(line)
		}
	}
	log := kept.String()
	return log[max(0, len(log)-most):]
}

// onFreePort boots on the port, or on a free one if it is 0.
func onFreePort[S any](port int, boot func(port int) (S, error)) (S, error) {
	for attempt := 1; ; attempt++ {
		chosen := port
		if port == 0 {
			var err error
			if chosen, err = freePort(); err != nil {
				return *new(S), err
			}
		}
		s, err := boot(chosen)
		// Somebody else may take a free port before the server does.
		if !errors.Is(err, errPortTaken) || port != 0 || attempt == 5 {
			return s, err
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
