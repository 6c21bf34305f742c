// Package dbtest gives tests real database servers.
//
// [Postgres] is all that most tests need: a role and a database of their own on
// a server that the tests of a package share. The server ends with the test
// binary, whatever becomes of it; a package whose TestMain looks for leaked
// goroutines passes its testing.M through [Stopping].
//
// A test that cannot have its server fails and says what to install. It is
// never skipped: a suite that skips what it cannot run proves nothing.
package dbtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// patience is how long a statement of a test's own may take: the machine may be
// busy, and a test that hangs should say where.
const patience = 2 * time.Minute

// Option changes the server that a test gets. Tests that ask for the same
// options share a server.
type Option func(*options)

type options struct {
	dbserver.Postgres
	sharing string
}

// Setting sets one of the server's own settings.
func Setting(name, value string) Option {
	return func(o *options) { o.Settings[name] = value }
}

// MD5 makes the server store passwords as md5, as Redshift and old PostgreSQL
// servers do.
func MD5() Option { return func(o *options) { o.PasswordEncryption = "md5" } }

// Version chooses the server's major version, such as "15".
func Version(major string) Option { return func(o *options) { o.Postgres.Version = major } }

// TLS switches TLS on.
func TLS(pair *certs.Pair) Option { return func(o *options) { o.Postgres.TLS = pair } }

// HBA puts a line before the one in pg_hba.conf that lets everybody log in
// from loopback with a password.
func HBA(line string) Option {
	return func(o *options) { o.Postgres.HBA = append(o.Postgres.HBA, line) }
}

// Unshared gives the test a server of its own, to stop it or to change it.
func Unshared(name string) Option { return func(o *options) { o.sharing = name } }

// key tells servers apart.
func (o *options) key() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q %q %q", o.sharing, o.Postgres.Version, o.PasswordEncryption, o.Postgres.HBA)
	if o.Postgres.TLS != nil {
		sum.Write(o.Postgres.TLS.Certificate)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Settings)) {
		fmt.Fprintf(sum, "%q=%q", name, o.Settings[name])
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// shared holds the servers of this test binary.
var shared struct {
	sync.Mutex
	servers map[string]*instance
}

// instance is a server that is started when it is first asked for.
type instance struct {
	once   sync.Once
	server *dbserver.Server
	err    error
}

// instanceFor returns the server with these options, and a new one if a test
// has stopped it.
func instanceFor(o *options) (*dbserver.Server, error) {
	key := o.key()
	for {
		shared.Lock()
		if shared.servers == nil {
			shared.servers = map[string]*instance{}
		}
		i := shared.servers[key]
		if i == nil {
			i = &instance{}
			shared.servers[key] = i
		}
		shared.Unlock()
		i.once.Do(func() { i.server, i.err = startWithStats(o.Postgres) })
		if i.err != nil {
			return nil, i.err
		}
		select {
		case <-i.server.Done():
			shared.Lock()
			if shared.servers[key] == i {
				delete(shared.servers, key)
			}
			shared.Unlock()
		default:
			return i.server, nil
		}
	}
}

// Stop stops the shared servers. Only a TestMain needs it; see [Stopping].
func Stop() {
	stopMySQL()
	shared.Lock()
	defer shared.Unlock()
	for _, i := range shared.servers {
		if i.server != nil {
			i.server.Stop()
		}
	}
	shared.servers = nil
}

// Runner is what leakcheck.Main takes and testing.M is.
type Runner interface{ Run() int }

// Stopping runs the tests and then stops the shared servers:
//
//	func TestMain(m *testing.M) { leakcheck.Main(dbtest.Stopping(m)) }
func Stopping(m Runner) Runner { return stopping{m} }

type stopping struct{ tests Runner }

func (s stopping) Run() int {
	defer Stop()
	return s.tests.Run()
}

// quote makes an SQL literal of text without backslash escapes.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
