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

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
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

// ferretReadyName is the file in which the server tells where it listens.
const ferretReadyName = "ready.json"

// StartFerretDB starts a FerretDB server and returns when it accepts
// connections. It builds the server first if nobody has done so before on this
// machine, which takes minutes (see [Prepare]); ctx bounds both. The error is
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
	program, err := findFerretDB(ctx, as)
	if err != nil {
		return nil, err
	}
	s := &Server{Host: loopback, Port: cfg.Port, AdminUser: cfg.Superuser, AdminDatabase: "admin"}
	s.process, err = startup{
		name: "ferretdb", keep: cfg.Dir, log: "ferretdb.log", logs: cfg.Logs, ready: s.listens,
		prepare: func(dir string) (_ []string, err error) {
			s.Dir, s.LogPath = dir, filepath.Join(dir, "ferretdb.log")
			s.AdminPassword, err = prepareFerret(as, dir, cfg)
			return append([]string{program}, cfg.arguments(s)...), err
		},
	}.boot(ctx, as)
	if err != nil {
		return nil, err
	}
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

// listens returns nil when the server has written where it listens.
func (s *Server) listens(context.Context) error {
	text, err := os.ReadFile(filepath.Join(s.Dir, ferretReadyName))
	if err != nil {
		return err
	}
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
