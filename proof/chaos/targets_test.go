package chaos_test

import (
	"context"
	"flag"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/proof/chaos"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
)

// shared are the servers of this test binary.
var shared struct {
	sync.Mutex
	servers map[string]*chaos.Server
}

type tests struct{ *testing.M }

func (m tests) Run() int {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = flag.Set("rapid.checks", "25") // each is a few rotations
	}
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "12") // they wait most of the time
	}
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxiproxy's
	if f := flag.Lookup("rapid.seed"); f.Value.String() == f.DefValue {
		_ = flag.Set("rapid.seed", "1")
	}
	defer func() {
		for _, s := range shared.servers {
			s.Stop()
		}
	}()
	return m.M.Run()
}

func TestMain(m *testing.M) { leakcheck.Main(dbtest.Stopping(tests{m}), toxiproxyLeaves()...) }

// server returns the shared server of a kind.
func server(t *testing.T, kind string) *chaos.Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if s := shared.servers[kind]; s != nil {
		return s
	}
	for _, k := range chaos.Kinds {
		if k.Name != kind {
			continue
		}
		s, err := k.Start(context.Background()) // which has limits of its own
		if err != nil {
			t.Fatal(err)
		}
		if shared.servers == nil {
			shared.servers = map[string]*chaos.Server{}
		}
		shared.servers[kind] = s
		return s
	}
	t.Fatalf("there is no kind %q", kind)
	return nil
}

func target(t *testing.T, kind string, strategy rotation.Strategy, before int) chaos.Target {
	t.Helper()
	return server(t, kind).Target(strategy, before)
}

func world(t *testing.T, target chaos.Target, o chaos.Options) *chaos.World {
	t.Helper()
	w, err := chaos.NewWorld(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}
