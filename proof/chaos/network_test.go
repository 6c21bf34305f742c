package chaos_test

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/database"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/planning"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/proof/chaos"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// network is what lies between the functions and something.
type network struct {
	t     *testing.T
	proxy *toxiproxy.Proxy

	mu     sync.Mutex
	faulty bool
}

func newNetwork(t *testing.T, upstream string) *network {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n := &network{t: t, proxy: toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", upstream)}
	if err := n.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.proxy.Stop)
	return n
}

func (n *network) port() int {
	_, port, _ := net.SplitHostPort(n.proxy.Listen)
	number, _ := strconv.Atoi(port)
	return number
}

// toxiproxyLeaves exempts the three goroutines that toxiproxy runs for each direction
// of a connection. Its toxics hand chunks on over unbuffered channels without looking
// whether anybody still takes them: once one of the three has ended, as when a toxic
// resets the connection, another may wait for it for ever, and nothing that toxiproxy
// offers ends it. A proxy that was not stopped is still found.
func toxiproxyLeaves() []goleak.Option {
	const toxiproxy = "github.com/Shopify/toxiproxy/v2"
	return []goleak.Option{
		goleak.IgnoreAnyFunction(toxiproxy + ".(*ToxicLink).read"),
		goleak.IgnoreAnyFunction(toxiproxy + "/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction(toxiproxy + ".(*ToxicLink).write"),
	}
}

// The exemption is needed, and holds.
func TestToxiproxyLeavesGoroutines(t *testing.T) {
	current := goleak.IgnoreCurrent()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	t.Run("", func(t *testing.T) {
		n := newNetwork(t, silent.Addr().String())
		n.spoil(toxic(upstream, "reset_peer", `{"timeout":1000}`))
		conn, err := net.Dial("tcp", n.proxy.Listen)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// Several chunks: the toxic takes the first one and no other.
		if _, err := conn.Write(make([]byte, 256<<10)); err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Read(make([]byte, 1)) // until it is reset
	})
	if err := goleak.Find(current); err == nil || !strings.Contains(err.Error(), "toxiproxy") {
		t.Errorf("toxiproxy leaves nothing running (%v): toxiproxyLeaves can go", err)
	}
	if err := goleak.Find(append(toxiproxyLeaves(), current)...); err != nil {
		t.Error(err)
	}
}

// spoil lets the network do to packets what toxics (of toxiproxy, as JSON) say.
func (n *network) spoil(toxics ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.faulty {
		return
	}
	n.faulty = true
	for _, toxic := range toxics {
		if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			n.t.Error(err)
		}
	}
}

// heal lets it work again.
func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.faulty {
		n.proxy.Toxics.ResetToxics(n.t.Context())
	}
}

const (
	upstream   = `{"type":"%s","stream":"upstream","attributes":%s}`
	downstream = `{"type":"%s","stream":"downstream","attributes":%s}`
)

func toxic(stream, kind, attributes string) string { return fmt.Sprintf(stream, kind, attributes) }

// A network fault between the functions and the database. It begins before an
// event and ends with the attempt that meets it.
var faults = []struct {
	name   string
	at     string // event that it begins at; the last one of this name
	toxics []string
	lasts  bool          // until the execution has ended
	errors []string      // the attempts that fail, each at least once
	within time.Duration // of real time, on a quiet machine: no function waits for ever
	ending rotation.Outcome
}{
	{
		"slow and jittery", "Plan DescribeSecret",
		[]string{toxic(upstream, "latency", `{"latency":60,"jitter":40}`)},
		true,
		nil, 10 * time.Second, rotation.Rotated,
	},
	{
		"in small pieces", "Plan DescribeSecret",
		[]string{toxic(downstream, "slicer", `{"average_size":40,"size_variation":20,"delay":2000}`)},
		true,
		nil, 20 * time.Second, rotation.Rotated,
	},
	{
		"reset before the statement", "SetSecret database",
		[]string{toxic(upstream, "reset_peer", `{"timeout":0}`)},
		false,
		[]string{"SetSecret: "},
		5 * time.Second, rotation.Rotated,
	},
	{
		"reset instead of the answer", "SetSecret database",
		[]string{toxic(downstream, "reset_peer", `{"timeout":0}`)},
		false,
		[]string{"SetSecret: OutcomeUnknown"},
		5 * time.Second, rotation.Rotated,
	},
	{
		"black hole at the login", "SetSecret login",
		[]string{toxic(downstream, "timeout", `{"timeout":0}`)},
		false,
		[]string{"SetSecret: DatabaseUnreachable"},
		12 * time.Second, rotation.Rotated,
	},
	{
		"black hole for the statement", "SetSecret database",
		[]string{toxic(upstream, "timeout", `{"timeout":0}`)},
		false,
		[]string{"SetSecret: OutcomeUnknown"},
		25 * time.Second, rotation.Rotated,
	},
	{
		"black hole for its answer", "SetSecret database",
		[]string{toxic(downstream, "timeout", `{"timeout":0}`)},
		false,
		[]string{"SetSecret: OutcomeUnknown"},
		25 * time.Second, rotation.Rotated,
	},
	{
		"black hole at the test", "TestSecret login",
		[]string{toxic(downstream, "timeout", `{"timeout":0}`)},
		false,
		[]string{"TestSecret: DatabaseUnreachable"},
		12 * time.Second, rotation.Rotated,
	},
	{
		"resets after the change, for good", "TestSecret login",
		[]string{toxic(downstream, "reset_peer", `{"timeout":0}`)},
		true,
		[]string{"TestSecret: DatabaseUn", "Restore: DatabaseUn"},
		10 * time.Second, rotation.NeedsAttention,
	},
	{
		"resets before the change, for good", "CreateSecret PutSecretValue",
		[]string{toxic(downstream, "reset_peer", `{"timeout":0}`)},
		true,
		[]string{"SetSecret: DatabaseUn", "Restore: DatabaseUn"},
		10 * time.Second, rotation.NeedsAttention, // nobody could ask the database
	},
}

// Time-outs are finite, codes are right, and what is not known is asked of the
// database.
func TestNetworkOfTheDatabase(t *testing.T) {
	direct := target(t, "postgres", rotation.SingleUser, 0)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			network := newNetwork(t, net.JoinHostPort(direct.Host, strconv.Itoa(direct.Port)))
			target := direct
			target.Port = network.port()
			breakAndRotate(t, world(t, target, chaos.Options{}), network, f.at, f.toxics, f.lasts, f.errors, f.within, f.ending)
		})
	}
}

// breakAndRotate rotates over a network that becomes faulty before an event.
func breakAndRotate(t *testing.T, w *chaos.World, n *network, at string, toxics []string, lasts bool, errors []string, within time.Duration, ending rotation.Outcome) {
	t.Helper()
	began := time.Now()
	events, err := w.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// A rotation without faults takes part of a second; how much longer than that
	// says how busy the machine is.
	within += 10 * time.Since(began)
	last := len(events) - slices.Index(reversed(events), at)
	began = time.Now()
	var took time.Duration
	r, err := w.TryWith(t.Context(), chaos.Case{}, chaos.Hooks{
		Event: func(number int, _ string) {
			if number == last {
				n.spoil(toxics...)
			}
		},
		Attempt: func(string) {
			if !lasts {
				n.heal()
			}
		},
		Ended: func() {
			took = time.Since(began)
			n.heal()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ended in %s after %s: %v", r.Ending, took.Round(time.Millisecond), r.Errors)
	if r.Ending != string(ending) {
		t.Errorf("ended in %s, want %s", r.Ending, ending)
	}
	if took > within {
		t.Errorf("took %s, more than %s", took, within)
	}
	for _, want := range errors {
		if !slices.ContainsFunc(r.Errors, func(e string) bool { return strings.HasPrefix(e, want) }) {
			t.Errorf("no attempt failed with %s: %v", want, r.Errors)
		}
	}
	for _, v := range r.Violations {
		t.Error(v)
	}
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// A handshake over a line of 2 kB a second takes its time and succeeds; one that
// nobody answers ends.
func TestSlowTLS(t *testing.T) {
	authority := certs.New("chaos")
	server, err := dbserver.StartPostgres(t.Context(), dbserver.Postgres{TLS: authority.Server("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	for name, f := range map[string]struct {
		toxic  string
		lasts  bool
		errors []string
		within time.Duration
	}{
		"slow":       {toxic(downstream, "bandwidth", `{"rate":2}`), true, nil, 30 * time.Second},
		"black hole": {toxic(downstream, "timeout", `{"timeout":0}`), false, []string{"SetSecret: DatabaseUnreachable"}, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			network := newNetwork(t, net.JoinHostPort(server.Host, strconv.Itoa(server.Port)))
			target := chaos.PostgresTarget(server, postgres.Engine{Roots: authority.Pool()})
			target.Port = network.port()
			breakAndRotate(t, world(t, target, chaos.Options{}), network, "SetSecret login", []string{f.toxic}, f.lasts, f.errors, f.within, rotation.Rotated)
		})
	}
}

// Between the functions and Secrets Manager: three attempts of eight seconds fit
// into a function's time.
func TestNetworkOfAWS(t *testing.T) {
	direct := target(t, "mariadb", rotation.SingleUser, 0)
	for name, f := range map[string]struct {
		at     string
		toxic  string
		lasts  bool
		errors []string
		within time.Duration
		ending rotation.Outcome
	}{
		"slow":       {"Plan DescribeSecret", toxic(downstream, "latency", `{"latency":100,"jitter":50}`), true, nil, 15 * time.Second, rotation.Rotated},
		"resets":     {"FinishSecret UpdateSecretVersionStage", toxic(downstream, "reset_peer", `{"timeout":0}`), false, []string{"FinishSecret: ServiceUnavailable"}, 10 * time.Second, rotation.Rotated},
		"narrow":     {"Plan DescribeSecret", toxic(downstream, "bandwidth", `{"rate":3}`), true, nil, 20 * time.Second, rotation.Rotated},
		"black hole": {"SetSecret GetSecretValue", toxic(downstream, "timeout", `{"timeout":0}`), false, []string{"SetSecret: ServiceUnavailable"}, 40 * time.Second, rotation.Rotated},
		"resets for good, before the change": {
			"CreateSecret UpdateSecretVersionStage", toxic(downstream, "reset_peer", `{"timeout":0}`), true,
			[]string{"CreateSecret: ServiceUnavailable"},
			20 * time.Second, rotation.NeedsAttention,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n *network
			replace := map[string]lambdaboot.Builder{}
			for function, build := range map[string]lambdaboot.Builder{
				"plan": planning.Plan, "createsecret": planning.CreateSecret, "setsecret": database.SetSecret(all.Engines),
				"testsecret": database.TestSecret(all.Engines), "finishsecret": lambdaboot.FinishSecret, "restore": database.Restore(all.Engines),
			} {
				replace[function] = func(e lambdaboot.Env) lambda.Handler {
					endpoint, err := url.Parse(*e.AWS.BaseEndpoint)
					if err != nil {
						t.Fatal(err)
					}
					if n == nil {
						n = newNetwork(t, endpoint.Host)
					}
					endpoint.Host = n.proxy.Listen
					e.AWS.BaseEndpoint = new(endpoint.String())
					return build(e)
				}
			}
			w := world(t, direct, chaos.Options{Replace: replace})
			breakAndRotate(t, w, n, f.at, []string{f.toxic}, f.lasts, f.errors, f.within, f.ending)
		})
	}
}
