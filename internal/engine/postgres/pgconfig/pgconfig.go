// Package pgconfig makes connection settings for pgx that do not depend on this process's
// environment.
//
// pgx creates a Config only through ParseConfig, which merges in PG* variables, ~/.pgpass
// and ~/.postgresql as libpq does. A rotation must connect exactly as its secret says.
package pgconfig

import (
	"net"
	"os"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

// explicit has a value for every key that the environment could set, except
// service, for which no value means none.
const explicit = "host=localhost port=5432 user=nobody password=none dbname=none " +
	"passfile=/dev/null servicefile=/dev/null connect_timeout=0 " +
	"sslmode=disable sslcert='' sslkey='' sslcertmode=allow sslrootcert='' sslpassword='' sslsni=1 sslnegotiation=postgres " +
	"target_session_attrs=any channel_binding=prefer require_auth='' min_protocol_version=3.0 max_protocol_version=3.0"

// blank is parsed once per process.
var blank = sync.OnceValues(func() (*pgconn.Config, error) {
	const service = "PGSERVICE"
	if value, set := os.LookupEnv(service); set {
		_ = os.Unsetenv(service)
		defer os.Setenv(service, value)
	}
	return pgconn.ParseConfig(explicit)
})

// New returns settings without host, user, password, database, TLS or run-time
// parameters, for the caller to fill in.
func New() (*pgconn.Config, error) {
	base, err := blank()
	if err != nil {
		return nil, err
	}
	cfg := base.Copy()
	cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Database = "", 0, "", "", ""
	cfg.TLSConfig, cfg.Fallbacks, cfg.ConnectTimeout = nil, nil, 0
	cfg.RuntimeParams = map[string]string{}
	cfg.DialFunc = (&net.Dialer{}).DialContext
	return cfg, nil
}
