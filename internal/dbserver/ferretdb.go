package dbserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/dbserver/certs"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// FerretDB says which FerretDB server to start: it speaks MongoDB's protocol,
// as Amazon DocumentDB does. It knows users and SCRAM logins but neither roles
// nor authorisation: every user may do everything. The zero value is a server
// without TLS on a free port.
type FerretDB struct {
	// Dir holds the server's data and log and is kept by Stop; a later start
	// with the same Dir continues with the same data. Optional: by default a
	// temporary directory that is removed by Stop.
	Dir string

	// Port to listen on. Optional: by default a free one.
	Port int

	// Logs gets a copy of the server's log. Optional.
	Logs io.Writer

	// TLS makes the server speak TLS, and nothing else, with this certificate,
	// as a DocumentDB cluster does unless its parameter group disables TLS.
	// Optional.
	TLS *certs.Pair

	// Superuser is the administrator's name. Optional: by default "root".
	Superuser string
}

// The names of the files in a server's directory.
const (
	ferretLogName   = "ferretdb.log"
	ferretReadyName = "ready.json"
)

// StartFerretDB starts a FerretDB server and returns when it accepts
// connections, building it first if this machine has not done so before, which
// takes a minute or two. ctx bounds the start, not the building. The error is
// [ErrNoFerretDB] when there is nothing to build it from, and holds the end of
// the server's log when it does not come up.
//
// [Server.Admin] and [Server.Login] are for PostgreSQL and do not work on it.
func StartFerretDB(ctx context.Context, cfg FerretDB) (*Server, error) {
	s, err := startFerretDB(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("starting FerretDB: %w", err)
	}
	return s, nil
}

func startFerretDB(ctx context.Context, cfg FerretDB) (_ *Server, err error) {
	if cfg.Superuser == "" {
		cfg.Superuser = "root"
	}
	as, err := serverAccount()
	if err != nil {
		return nil, err
	}
	program, err := findFerretDB(as)
	if err != nil {
		return nil, err
	}
	dir, cleanup, dog, err := workDir(as, cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			cleanup()
		}
	}()
	s := &Server{
		Host: loopback, Port: cfg.Port, AdminUser: cfg.Superuser, AdminDatabase: "admin",
		LogPath: filepath.Join(dir, ferretLogName), Dir: dir,
	}
	if s.AdminPassword, err = prepareFerret(as, dir, cfg); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(s.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	stop := cleanup
	cleanup = func() { _ = file.Close(); stop() }
	before, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	var logs io.Writer = file
	if cfg.Logs != nil {
		logs = io.MultiWriter(file, cfg.Logs)
	}
	p, err := launch(dir, as, logs, program, cfg.arguments(s)...)
	if err != nil {
		return nil, err
	}
	s.process = p
	if err = dog.watch(p.cmd.Process.Pid); err == nil {
		err = s.awaitFerret(ctx, before)
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	p.cleanup = cleanup
	return s, nil
}

func (cfg FerretDB) arguments(s *Server) []string {
	args := []string{
		"-dir", s.Dir, "-user", cfg.Superuser,
		// The server takes a free port itself, so nobody else can.
		"-listen", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)),
	}
	if cfg.TLS != nil {
		args = append(args, "-tls")
	}
	return args
}

// prepareFerret writes what the server reads at its start and returns the
// administrator's password, which a directory keeps with its data.
func prepareFerret(as *account, dir string, cfg FerretDB) (redact.String, error) {
	path := filepath.Join(dir, passwordName)
	password, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		password = []byte(rand.Text())
		err = os.WriteFile(path, password, 0o600)
	}
	if err != nil {
		return redact.String{}, err
	}
	if err := os.RemoveAll(filepath.Join(dir, ferretReadyName)); err != nil {
		return redact.String{}, err
	}
	if err := writeCertificate(as, dir, cfg.TLS); err != nil {
		return redact.String{}, err
	}
	return redact.New(string(password)), as.own(dir)
}

// awaitFerret returns when the server has written where it listens. The log of
// this launch begins at offset.
func (s *Server) awaitFerret(ctx context.Context, offset int64) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		text, err := os.ReadFile(filepath.Join(s.Dir, ferretReadyName))
		if err == nil {
			var ready struct {
				Port    int
				Version string
			}
			if err := json.Unmarshal(text, &ready); err != nil {
				return err
			}
			s.Port, s.Version = ready.Port, ready.Version
			return nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		select {
		case <-s.process.done:
			return fmt.Errorf("%w; its log ends with:\n%s", errEnded, s.tail(offset))
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w; its log ends with:\n%s", ctx.Err(), s.tail(offset))
		case <-time.After(5 * time.Millisecond):
		}
	}
}
