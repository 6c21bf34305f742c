package pgconfig_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgconfig"
)

// Every variable that pgx reads is set to something that it refuses or that
// would show.
func TestTheEnvironmentIsIgnored(t *testing.T) {
	for _, name := range []string{
		"PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGAPPNAME", "PGCONNECT_TIMEOUT",
		"PGSSLMODE", "PGSSLKEY", "PGSSLCERT", "PGSSLCERTMODE", "PGSSLSNI", "PGSSLROOTCERT", "PGSSLPASSWORD",
		"PGSSLNEGOTIATION", "PGTARGETSESSIONATTRS", "PGSERVICE", "PGSERVICEFILE", "PGTZ", "PGOPTIONS",
		"PGMINPROTOCOLVERSION", "PGMAXPROTOCOLVERSION", "PGCHANNELBINDING", "PGREQUIREAUTH",
	} {
		t.Setenv(name, "nonsense")
	}
	if _, err := pgconn.ParseConfig(""); err == nil {
		t.Fatal("the environment of this test is not as hostile as it should be")
	}
	cfg, err := pgconfig.New()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Host != "" || cfg.User != "" || cfg.Password != "" || cfg.Database != "" || len(cfg.RuntimeParams) != 0 ||
		len(cfg.Fallbacks) != 0 || cfg.TLSConfig != nil || cfg.ValidateConnect != nil {
		t.Errorf("the environment shows in %+v", cfg)
	}
	if os.Getenv("PGSERVICE") != "nonsense" {
		t.Error("the environment was changed")
	}
}

func TestConfigsAreIndependent(t *testing.T) {
	a, err := pgconfig.New()
	if err != nil {
		t.Fatal(err)
	}
	a.RuntimeParams["application_name"], a.Password = "a", "a"
	b, err := pgconfig.New()
	if err != nil {
		t.Fatal(err)
	}
	if b.RuntimeParams["application_name"] != "" || b.Password != "" {
		t.Error("two configs share state")
	}
}
