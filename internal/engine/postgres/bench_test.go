package postgres_test

import (
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// A login and a change of password, with the round trips after the TCP
// handshake and the connections that it takes.
func BenchmarkConnectAndSetPassword(b *testing.B) {
	ca := certs.New("CA")
	for _, bench := range []struct {
		name    string
		options []dbtest.Option
		ssl     any
	}{
		{"clear", nil, false},
		{"TLSAbsentOnServer", nil, nil},
		{"TLS", []dbtest.Option{dbtest.TLS(ca.Server("127.0.0.1"))}, true},
		{"md5", []dbtest.Option{dbtest.MD5()}, false},
	} {
		b.Run(bench.name, func(b *testing.B) {
			db := dbtest.Postgres(b, bench.options...)
			db.Exec("ALTER ROLE " + db.User + " PASSWORD '" + db.Password.Reveal() + "'")
			p := (&enginetest.Proxy{}).Start(b, db.Host, db.Port)
			doc := db.Document(func(keys map[string]any) {
				keys["port"] = p.Port
				if bench.ssl != nil {
					keys["ssl"] = bench.ssl
				}
			})
			e := postgres.Engine{Roots: ca.Pool()}
			rounds := int64(0)
			for b.Loop() {
				before := p.Rounds.Load()
				s, err := e.Connect(b.Context(), doc)
				if err != nil {
					b.Fatal(err)
				}
				if err := s.SetPassword(b.Context(), db.User, redact.New(doc.Password.Reveal())); err != nil {
					b.Fatal(err)
				}
				rounds += p.Rounds.Load() - before
				s.Close()
			}
			n := float64(b.N)
			b.ReportMetric(float64(rounds)/n, "roundtrips/op")
			b.ReportMetric(float64(p.Conns.Load())/n, "connections/op")
		})
	}
}
