package postgres_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
)

// connect tries to log in and returns the error.
func connect(t testing.TB, doc secretdoc.Document) error {
	t.Helper()
	s, err := postgres.Engine{}.Connect(t.Context(), doc)
	if err == nil {
		s.Close()
	}
	return err
}

// What the real server answers when it does not let somebody in.
func TestLoginRefused(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t, dbtest.HBA("host all rejected all reject"), dbtest.HBA("hostssl all onlytls all scram-sha-256"), dbtest.HBA("host all onlytls all reject"))
	db.Exec(`CREATE ROLE nologin PASSWORD 'pw-of-role'; CREATE ROLE expired LOGIN PASSWORD 'pw-of-role' VALID UNTIL '2020-01-01';
		CREATE ROLE limited LOGIN PASSWORD 'pw-of-role' CONNECTION LIMIT 0; CREATE ROLE outsider LOGIN PASSWORD 'pw-of-role';
		CREATE ROLE rejected LOGIN PASSWORD 'pw-of-role'; CREATE ROLE onlytls LOGIN PASSWORD 'pw-of-role';
		CREATE ROLE empty LOGIN`)
	t.Cleanup(func() { db.Exec(`DROP ROLE nologin, expired, limited, outsider, rejected, onlytls, empty`) })
	db.Exec(`REVOKE CONNECT ON DATABASE ` + db.Name + ` FROM PUBLIC`)
	as := func(user string) func(map[string]any) {
		return func(keys map[string]any) {
			keys["username"], keys["password"], keys["dbname"] = user, "pw-of-role", "postgres"
		}
	}
	for name, tc := range map[string]struct {
		change func(map[string]any)
		code   fault.Code
		words  []string
	}{
		"wrong password": {func(keys map[string]any) { keys["password"] = "wrong-Pa55word" }, fault.LoginRefused, []string{"28P01", "not accepted"}},
		"no such user":   {as("nobody at all"), fault.LoginRefused, []string{"28P01", `"nobody at all"`}},
		"no password":    {as("empty"), fault.LoginRefused, []string{"28P01"}},
		"expired":        {as("expired"), fault.LoginRefused, []string{"28P01", "VALID UNTIL"}},
		"NOLOGIN":        {as("nologin"), fault.AccountDisabled, []string{"28000", "not permitted to log in"}},
		"pg_hba.conf":    {as("rejected"), fault.AccountDisabled, []string{"28000", "pg_hba.conf", "force_ssl"}},
		"TLS demanded":   {as("onlytls"), fault.AccountDisabled, []string{"28000", "force_ssl"}},
		"full":           {as("limited"), fault.DatabaseUnavailable, []string{"53300", "max_connections"}},
		"no database":    {func(keys map[string]any) { keys["dbname"] = "missing" }, fault.DatabaseError, []string{"3D000", `"missing"`, "dbname"}},
		"may not connect": {func(keys map[string]any) {
			as("outsider")(keys)
			keys["dbname"] = db.Name
		}, fault.PrivilegeMissing, []string{"42501", "GRANT CONNECT"}},
		"closed database":          {func(keys map[string]any) { keys["dbname"] = "template0" }, fault.DatabaseError, []string{"55000"}},
		"compatibility characters": {func(keys map[string]any) { keys["password"] = "ﬁne-Pa55word" }, fault.LoginRefused, []string{"28P01", "ASCII"}},
	} {
		doc := db.Document(tc.change)
		t.Run(name, func(t *testing.T) { expect(t, connect(t, doc), tc.code, doc, tc.words...) })
	}
}

// What the real server answers to a change that it does not make.
func TestChangeRefused(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t, dbtest.Setting("shared_preload_libraries", "passwordcheck"))
	set := func(t *testing.T, doc secretdoc.Document, user, password string) error {
		return open(t, doc).SetPassword(t.Context(), user, redact.New(password))
	}
	own := db.Document(nil)
	t.Run("another's password", func(t *testing.T) {
		expect(t, set(t, own, db.Server.AdminUser, "new-Pa55word"), fault.PrivilegeMissing, own, "42501", "rds_password", "CREATEROLE")
	})
	t.Run("no such role", func(t *testing.T) {
		expect(t, set(t, db.SuperuserDocument(nil), "nobody at all", "new-Pa55word"), fault.DatabaseError, own, "42704", `"nobody at all"`)
	})
	t.Run("policy", func(t *testing.T) {
		expect(t, set(t, own, db.User, db.User), fault.PasswordRejected, own, "22023", "policy")
	})
	t.Run("empty", func(t *testing.T) {
		expect(t, set(t, own, db.User, ""), fault.PasswordRejected, own, "empty")
	})
	accepted(t, own) // none of this has changed anything
}

// A server in recovery, such as a read replica.
func TestReplica(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "tumbler-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	s, err := dbserver.StartPostgres(t.Context(), dbserver.Postgres{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if err := os.WriteFile(filepath.Join(dir, "data", "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = dbserver.StartPostgres(t.Context(), dbserver.Postgres{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	doc := document(t, s.Port, "")
	doc.Username, doc.Password = s.AdminUser, s.AdminPassword
	session := open(t, doc)
	if err := session.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	expect(t, session.SetPassword(t.Context(), s.AdminUser, redact.New("new-Pa55word")), fault.DatabaseReadOnly, doc, "0A000", "writer")
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := closed.Addr().(*net.TCPAddr).Port
	closed.Close()
	t.Run("port closed", func(t *testing.T) {
		doc := document(t, port, "")
		expect(t, connect(t, doc), fault.DatabaseUnreachable, doc, "refuses connections", `"port"`)
	})
	t.Run("no such host", func(t *testing.T) {
		doc := document(t, port, "")
		doc.Host = "database.invalid"
		expect(t, connect(t, doc), fault.DatabaseUnreachable, doc, "host name", "VPC")
	})
	t.Run("slash in host", func(t *testing.T) {
		doc := document(t, port, "")
		doc.Host = "/tmp" // to libpq a directory with a socket
		expect(t, connect(t, doc), fault.DatabaseUnreachable, doc)
	})
}

// A listener that accepts and never says anything, at each stage of a login.
func TestSilence(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{"when asked for TLS": "", "when logging in": `,"ssl":false`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
			doc.SSL = document(t, 1, more).SSL
			began := time.Now()
			err := connect(t, doc)
			took := time.Since(began)
			expect(t, err, fault.DatabaseUnreachable, doc, "no answer within 5s")
			if took < engine.ConnectTimeout/2 || took > 2*engine.ConnectTimeout {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestCancelledWhileConnecting(t *testing.T) {
	t.Parallel()
	doc := listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	_, err := postgres.Engine{}.Connect(ctx, doc)
	expect(t, err, fault.DatabaseUnreachable, doc, "cancelled")
	if took := time.Since(began); took > engine.ConnectTimeout-time.Second {
		t.Errorf("it took %v to notice", took)
	}
}

// What a server in trouble, or none at all, answers to SSLRequest or to the
// start of a login.
func TestAnswers(t *testing.T) {
	t.Parallel()
	refusal := func(state string) []byte {
		text, err := (&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: state, Message: "c4nary-Pa55word"}).Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	clear, err := (&pgproto3.AuthenticationCleartextPassword{}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	const absent, off, required = "", `,"ssl":false`, `,"ssl":true`
	for name, tc := range map[string]struct {
		ssl    string
		answer []byte
		code   fault.Code
		words  []string
	}{
		"starting up":            {off, refusal("57P03"), fault.DatabaseUnavailable, []string{"57P03", "failing over"}},
		"shutting down":          {off, refusal("57P01"), fault.DatabaseUnavailable, []string{"57P01"}},
		"crashed":                {off, refusal("57P02"), fault.DatabaseUnavailable, []string{"57P02"}},
		"too many connections":   {off, refusal("53300"), fault.DatabaseUnavailable, []string{"53300"}},
		"out of memory":          {off, refusal("53200"), fault.DatabaseUnavailable, []string{"53200"}},
		"pooler has no server":   {off, refusal("08006"), fault.DatabaseUnavailable, []string{"08006"}},
		"unheard of":             {off, refusal("ZZ999"), fault.DatabaseError, []string{"ZZ999"}},
		"hangs up at login":      {off, nil, fault.DatabaseUnavailable, []string{"closed the connection"}},
		"hangs up before TLS":    {absent, nil, fault.DatabaseUnavailable, []string{"closed the connection"}},
		"error instead of TLS":   {absent, refusal("53300"), fault.DatabaseUnavailable, []string{"before it began"}},
		"another protocol":       {absent, []byte("SSH-2.0-x\r\n"), fault.TLSUnavailable, nil},
		"another protocol too":   {absent, []byte("HTTP/1.1 400\r\n"), fault.DatabaseError, []string{"does not speak"}},
		"nonsense at login":      {off, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), fault.DatabaseError, nil},
		"no TLS":                 {required, []byte("N"), fault.TLSUnavailable, []string{`"ssl": true`}},
		"hangs up during TLS":    {required, []byte("S"), fault.DatabaseUnavailable, []string{"TLS"}},
		"nonsense instead of it": {required, []byte("Snonsense instead of a handshake"), fault.TLSUnavailable, []string{"TLS 1.2"}},
		"wants the password":     {off, clear, fault.TLSUnavailable, []string{"in clear"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			received := make(chan []byte, 1)
			doc := listen(t, func(conn net.Conn) {
				buffer := make([]byte, 4096)
				n, _ := conn.Read(buffer)
				_, _ = conn.Write(tc.answer)
				if len(tc.answer) > 1 {
					_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
					more, _ := io.ReadAll(conn)
					buffer = append(buffer[:n], more...)
				}
				received <- buffer
			})
			doc.SSL = document(t, 1, tc.ssl).SSL
			expect(t, connect(t, doc), tc.code, doc, tc.words...)
			if strings.Contains(string(<-received), doc.Password.Reveal()) {
				t.Error("the password went over the wire")
			}
		})
	}
}

// The connection is lost at the worst moments.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	const next = "new-Pa55word"
	isAlter := func(data []byte) bool { return strings.Contains(string(data), "ALTER ROLE") }
	t.Run("before the change arrives", func(t *testing.T) {
		db := dbtest.Postgres(t)
		p := &enginetest.Proxy{BeforeRequest: func(data []byte) bool { return !isAlter(data) }}
		doc := p.Start(t, db.Host, db.Port).Through(db.Document)
		expect(t, open(t, doc).SetPassword(t.Context(), db.User, redact.New(next)), fault.OutcomeUnknown, doc, "may or may not")
		accepted(t, db.Document(nil))
	})
	t.Run("after the change was made", func(t *testing.T) {
		db := dbtest.Postgres(t)
		altering := false
		p := &enginetest.Proxy{BeforeRequest: func(data []byte) bool { altering = altering || isAlter(data); return true }}
		p.BeforeAnswer = func([]byte) bool { return !altering }
		doc := p.Start(t, db.Host, db.Port).Through(db.Document)
		expect(t, open(t, doc).SetPassword(t.Context(), db.User, redact.New(next)), fault.OutcomeUnknown, doc, "may or may not")
		accepted(t, db.Document(nil).WithPassword(redact.New(next)))
	})
	t.Run("before anything was changed", func(t *testing.T) {
		db := dbtest.Postgres(t)
		p := &enginetest.Proxy{BeforeRequest: func(data []byte) bool { return !strings.Contains(string(data), "password_encryption") }}
		doc := p.Start(t, db.Host, db.Port).Through(db.Document)
		expect(t, open(t, doc).SetPassword(t.Context(), db.User, redact.New(next)), fault.DatabaseUnavailable, doc, "before anything was changed")
		accepted(t, db.Document(nil))
	})
	t.Run("the answer never comes", func(t *testing.T) {
		db := dbtest.Postgres(t)
		hold := make(chan struct{})
		p := &enginetest.Proxy{BeforeRequest: func(data []byte) bool {
			if isAlter(data) {
				<-hold
				return false
			}
			return true
		}}
		doc := p.Start(t, db.Host, db.Port).Through(db.Document)
		s := open(t, doc)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // what comes before ALTER has to fit
		defer cancel()
		err := s.SetPassword(ctx, db.User, redact.New(next))
		close(hold)
		expect(t, err, fault.OutcomeUnknown, doc, "no answer in time")
		began := time.Now()
		s.Close()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("Close took %v", took)
		}
	})
	t.Run("the server ends the session", func(t *testing.T) {
		db := dbtest.Postgres(t)
		s := open(t, db.Document(nil))
		db.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tumbler' AND usename = '" + db.User + "'")
		expect(t, s.SetPassword(t.Context(), db.User, redact.New(next)), fault.DatabaseUnavailable, db.Document(nil), "before anything was changed")
	})
}

// Somebody else has a lock on the role.
func TestLocked(t *testing.T) {
	t.Parallel()
	const next = "new-Pa55word"
	lock := func(t *testing.T) (db *dbtest.DB, set func(context.Context) error, release func()) {
		db = dbtest.Postgres(t)
		holder := db.Admin()
		if _, err := holder.Exec(t.Context(), "BEGIN; ALTER ROLE "+db.User+" CONNECTION LIMIT 9").ReadAll(); err != nil {
			t.Fatal(err)
		}
		s := open(t, db.Document(nil))
		set = func(ctx context.Context) error { return s.SetPassword(ctx, db.User, redact.New(next)) }
		return db, set, func() {
			if _, err := holder.Exec(t.Context(), "COMMIT").ReadAll(); err != nil {
				t.Fatal(err)
			}
		}
	}
	waiting := func(t *testing.T, db *dbtest.DB) func() bool {
		return func() bool {
			return len(db.Exec("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = '"+db.User+"'")) == 1
		}
	}
	t.Run("for too long", func(t *testing.T) {
		t.Parallel()
		db, set, release := lock(t)
		began := time.Now()
		err := set(t.Context())
		expect(t, err, fault.DatabaseUnavailable, db.Document(nil), "55P03", "lock", "changed nothing")
		if took := time.Since(began); took < engine.LockTimeout || took > 2*engine.LockTimeout {
			t.Errorf("it took %v", took)
		}
		release()
		accepted(t, db.Document(nil))
	})
	t.Run("and changes it", func(t *testing.T) {
		t.Parallel()
		db, set, release := lock(t)
		result := make(chan error)
		go func() { result <- set(t.Context()) }()
		eventually(t, "waiting for the lock", waiting(t, db))
		release()
		expect(t, <-result, fault.DatabaseUnavailable, db.Document(nil), "XX000", "same moment")
		accepted(t, db.Document(nil))
	})
	// A change that we gave up must not be made behind our back.
	t.Run("and we give up", func(t *testing.T) {
		t.Parallel()
		db, set, release := lock(t)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- set(ctx) }()
		eventually(t, "waiting for the lock", waiting(t, db))
		cancel()
		expect(t, <-result, fault.OutcomeUnknown, db.Document(nil), "cancelled")
		eventually(t, "the statement cancelled on the server", func() bool { return !waiting(t, db)() })
		release()
		accepted(t, db.Document(nil))
	})
}
