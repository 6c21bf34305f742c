// Package dbserver starts real database servers on this machine, for the
// sandbox and for tests.
//
// A server listens on loopback only, is ready when its Start function returns,
// and leaves nothing behind: neither after Stop nor when this process dies,
// however it dies. Package dbtest wraps it for tests.
package dbserver

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// Server is a running database server.
type Server struct {
	Host          string // always a loopback address
	Port          int
	AdminUser     string
	AdminPassword redact.String
	AdminDatabase string
	Version       string // as the server reports it, such as "18.4"
	LogPath       string // the server's log; gone after Stop unless Dir was set
	Dir           string // where the server keeps its files

	process *process
}

// Admin logs in as the superuser. The caller closes the connection.
func (s *Server) Admin(ctx context.Context) (*pgconn.PgConn, error) {
	return s.Login(ctx, s.AdminUser, s.AdminPassword, s.AdminDatabase)
}

// Stop ends the server and removes its files, unless [Postgres].Dir named
// where to keep them. It may be called more than once, and by several
// goroutines.
func (s *Server) Stop() { s.process.stop() }

// Done is closed when the server has ended, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.process.done }
