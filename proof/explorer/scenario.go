package explorer

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/statemachine"
)

var (
	epoch    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	closesAt = epoch.Add(time.Hour) // the window, where there is one
)

// scenario is a scope of a search: how a secret is rotated, how it begins, who
// rotates it, and how much may go wrong.
type scenario struct {
	name        string
	alternating bool
	recover     bool
	function    bool   // an existing rotation function sets the password
	engine      string // default postgres
	masterARN   string // in the secret
	window      bool
	outages     bool
	overtaking  bool // locks are not first come, first served
	patient     bool // nobody begins a rotation while another one's function or statement may go on behind its back
	switches    bool // the rotations afterwards have the other strategy
	hopeless    bool // nothing can repair it
	foreign     bool // a rotation that is not Tumbler's interferes: only promises 2 and 7 hold

	budget budget
	people group
	who    []actor        // default: one execution
	begins func(w *world) // what is different when it begins
}

// variant is a deliberately wrong version of the steps or of the definition.
type variant struct {
	machine *asl.Machine
	wrap    func(state string, c api) api
	instead func(state string, c api, input json.RawMessage) (json.RawMessage, bool)
	input   func(state string, input json.RawMessage) json.RawMessage
	now     func(state string, now func() time.Time) func() time.Time
}

var definition = func() *asl.Machine {
	m, err := asl.Load(statemachine.Rotation, substitutions())
	if err != nil {
		panic(err) // its own tests have loaded it
	}
	return m
}()

const (
	secretARN    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app/db-AbCdEf"
	superuserARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:super-AbCdEf"
	elsewhereARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:other-AbCdEf"
	home         = "db:5432"
	otherPort    = "db:5433"
	otherHost    = "elsewhere:5432"
)

// request asks for a rotation, or for one of those afterwards.
func (sc *scenario) request(next bool) json.RawMessage {
	r := rotation.Request{SecretID: secretARN, Strategy: rotation.SingleUser, RecoverPassword: sc.recover}
	if sc.alternating != (next && sc.switches) {
		r.Strategy = rotation.AlternatingUsers
	}
	if (r.Strategy == rotation.AlternatingUsers || sc.recover) && sc.masterARN == "" {
		r.SuperuserSecretID = superuserARN
	}
	if sc.function {
		r.RotationFunction = foreignARN
	}
	if sc.window && !next {
		r.Window = &rotation.Window{OpensAt: epoch.Add(-time.Hour), ClosesAt: closesAt}
	}
	out, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and times
	}
	return out
}

// value is what the secret says of a user.
func (sc *scenario) value(user, password string) string {
	engine := sc.engine
	if engine == "" {
		engine = "postgres"
	}
	return document(engine, home, user, password, sc.masterARN)
}

func document(engine, address, user, password, masterARN string) string {
	var host string
	var port int
	_, _ = fmt.Sscanf(address, "%s", &host)
	for i := range address {
		if address[i] == ':' {
			host = address[:i]
			_, _ = fmt.Sscan(address[i+1:], &port)
		}
	}
	fields := map[string]any{"engine": engine, "host": host, "port": port, "username": user, "password": password, "dbname": "x"}
	if masterARN != "" {
		fields["masterarn"] = masterARN
	}
	out, _ := json.Marshal(fields) // strings and a number
	return string(out)
}

// version is one with a value.
func (l *lab) version(id, text string, now time.Time) version {
	known, ok := l.oracle.versions[text]
	if !ok {
		if doc, err := secretdoc.Parse(redact.New(text)); err == nil {
			known = loginOf(doc)
		}
		l.oracle.versions[text] = known
	}
	return version{id, text, known, now}
}

// Versions at the beginning.
const (
	v0 = "00000000-old"
	v1 = "11111111-first"
)

// world is how the scenario begins: a user that was rotated before, or a pair.
func (sc *scenario) world(l *lab) *world {
	w := &world{lab: l, budget: sc.budget, now: epoch, turn: -1}
	long := epoch.Add(-24 * time.Hour)
	other := "app"
	if sc.alternating {
		other = "app" + cloneSuffix
	}
	w.app = secret{arn: secretARN, labels: []labelled{{rotation.Current, v1}, {rotation.Previous, v0}}, versions: []version{
		l.version(v0, sc.value(other, "pw0"), long), l.version(v1, sc.value("app", "pw1"), long),
	}}
	l.others = nil
	for arn, address := range map[string]string{superuserARN: home, elsewhereARN: otherHost} {
		l.others = append(l.others, secret{
			arn: arn, labels: []labelled{{rotation.Current, v1}},
			versions: []version{l.version(v1, document("postgres", address, "super", "pws", ""), long)},
		})
	}
	w.servers = []server{{address: home, marks: true, accounts: []account{
		{name: "app", password: "pw1"},
		{name: "super", password: "pws", superuser: true},
		{name: "victim", password: "pwv"},
	}}}
	if sc.alternating {
		w.servers[0].create(account{name: "app" + cloneSuffix, password: "pw0", mark: secretARN, level: true})
	}
	if sc.begins != nil {
		sc.begins(w)
	}
	if !w.accepted() {
		w.facts.culprit = beginning
	}
	w.actors = append(w.actors, sc.who...)
	if sc.who == nil {
		w.actors = []actor{{name: "A", redrive: -1}}
	}
	for i := range w.actors {
		w.begin(i)
	}
	return w
}
