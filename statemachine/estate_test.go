package statemachine_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
)

// estate is what the real steps work on: secrets with the rules of Secrets Manager,
// a database server, and a rotation function, all in memory and on a virtual clock.
type estate struct {
	*testing.T
	clock   *asl.VirtualClock
	secrets map[string]*secret // by ARN
	server  server
	running []*realRun
	traps   []*trap
	made    int  // passwords
	persons bool // somebody else has acted
	engine  string
	noMarks bool // the server cannot mark the clone
}

const (
	masterARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app/master-XyZaBc"
	dbHost    = "db.example"
	postgres  = `"engine":"postgres"`

	// hidden begins every password, so that none can be told without being found.
	hidden = "s3cret-"
)

// newEstate has one secret, whose AWSCURRENT logs in as app, and one of a superuser of
// the same server.
func newEstate(t *testing.T) *estate {
	return &estate{
		T: t, clock: asl.NewVirtualClock(epoch),
		secrets: map[string]*secret{
			secretARN: {
				labels: map[string]string{rotation.Current: "v1", rotation.Previous: "v0"},
				values: map[string]string{"v1": document("app", "v1"), "v0": document("app", "v0")},
			},
			masterARN: {
				labels: map[string]string{rotation.Current: "m1"},
				values: map[string]string{"m1": document("master", "m1")},
			},
		},
		server: server{
			"app":    {password: hidden + "v1"},
			"master": {password: hidden + "m1", superuser: true},
			"victim": {password: hidden + "of-the-victim"},
		},
	}
}

// document is the value of a version; password is its name.
func document(user, password string) string {
	return fmt.Sprintf(`{`+postgres+`,"host":%q,"username":%q,"password":%q,"masterarn":%q}`, dbHost, user, hidden+password, masterARN)
}

// withoutEngine makes the database one that Tumbler cannot talk to.
func (e *estate) withoutEngine() {
	e.engine = `"engine":"db2","dbname":"SAMPLE"`
	for id, value := range e.app().values {
		e.app().values[id] = strings.Replace(value, postgres, e.engine, 1)
	}
}

// asItIs leaves it alone.
func (*estate) asItIs() {}

// document is a value for this database.
func (e *estate) document(user, password string) string {
	return strings.Replace(document(user, password), postgres, cmp.Or(e.engine, postgres), 1)
}

// store is what a person does with PutSecretValue.
func (e *estate) store(id, user, password string) {
	e.app().values[id] = e.document(user, password)
	e.app().attach(rotation.Current, id)
}

func (e *estate) app() *secret { return e.secrets[secretARN] }

// secret is one secret. Staging labels are on one version each.
type secret struct {
	labels map[string]string // label -> version id
	values map[string]string // version id -> document
}

// attach puts a label on a version. AWSPREVIOUS follows AWSCURRENT.
func (s *secret) attach(label, id string) {
	left := s.labels[label]
	s.labels[label] = id
	if label == rotation.Current && left != "" && left != id {
		s.labels[rotation.Previous] = left
	}
}

// login is what a version says of the account it is of.
func (s *secret) login(id string) (user, password string) {
	doc, err := secretdoc.Parse(redact.New(s.values[id]))
	if err != nil {
		return "", ""
	}
	return doc.Username, doc.Password.Reveal()
}

// server is a database server's accounts.
type server map[string]*account

type account struct {
	password  string
	superuser bool
	mark      string // the secret whose clone it is
	changed   []string
}

// set changes a password. by says who does, for the tests.
func (a *account) set(password, by string) {
	a.password, a.changed = password, append(a.changed, by)
}

// trap is something that happens when a state makes a call, or just after.
type trap struct {
	state, call string
	after       bool
	do          func() error // its error is the call's
}

// before lets something happen before a state makes a call; the error it returns is the
// call's, which is then not made. The call "" is the whole function's.
func (e *estate) before(state, call string, do func() error) {
	e.traps = append(e.traps, &trap{state: state, call: call, do: do})
}

// after is before, once the call has been made.
func (e *estate) after(state, call string, do func() error) {
	e.traps = append(e.traps, &trap{state: state, call: call, after: true, do: do})
}

// breaks lets all calls of a state fail.
func (e *estate) breaks(state string, code fault.Code) {
	e.before(state, "", refused(code))
}

// once does something the first time.
func once(do func() error) func() error { return nth(1, do) }

// nth does something the n-th time.
func nth(n int, do func() error) func() error {
	return func() error {
		if n--; n == 0 {
			return do()
		}
		return nil
	}
}

// from does something from the n-th time on.
func from(n int, do func() error) func() error {
	return func() error {
		if n--; n <= 0 {
			return do()
		}
		return nil
	}
}

// refused is an error of a call.
func refused(code fault.Code) func() error {
	return func() error { return fault.New(code, "as the test has it", "") }
}

// person lets somebody else do something.
func (e *estate) person(do func()) func() error {
	return func() error {
		e.persons = true
		do()
		return nil
	}
}

func (e *estate) spring(state, call string, after bool) error {
	for _, t := range e.traps {
		if t.state == state && t.call == call && t.after == after {
			if err := t.do(); err != nil {
				return err
			}
		}
	}
	return nil
}

// client is what one function of an execution is handed.
type client struct {
	e     *estate
	run   *realRun
	state string
}

// call makes a call, unless a trap has it otherwise.
func (c client) call(name string, do func() error) error {
	if err := c.e.spring(c.state, name, false); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return c.e.spring(c.state, name, true)
}

func (c client) secret(id string) (*secret, error) {
	s := c.e.secrets[id]
	if id == "app/db" {
		s = c.e.app()
	}
	if s == nil {
		return nil, fault.New(fault.SecretNotFound, "there is no secret "+id, "")
	}
	return s, nil
}

func (c client) Describe(_ context.Context, id string) (m rotation.Metadata, err error) {
	err = c.call("Describe", func() error {
		s, err := c.secret(id)
		if err == nil {
			m = rotation.Metadata{ARN: secretARN, Name: "app/db", Labels: maps.Clone(s.labels)}
		}
		return err
	})
	return m, err
}

func (c client) CreatedAt(context.Context, string, string) (time.Time, error) { return epoch, nil }

func (c client) Versions(_ context.Context, id string) (ids []string, err error) {
	err = c.call("Versions", func() error {
		s, err := c.secret(id)
		if err == nil {
			ids = slices.Sorted(maps.Keys(s.values))
		}
		return err
	})
	return ids, err
}

func (c client) Value(_ context.Context, secretID string, v rotation.Version) (value redact.String, id string, err error) {
	err = c.call("Value", func() error {
		s, err := c.secret(secretID)
		if err != nil {
			return err
		}
		if id = v.ID; id == "" {
			id = s.labels[v.Label]
		}
		text, ok := s.values[id]
		if !ok || v.Label != "" && s.labels[v.Label] != id {
			return fault.New(fault.VersionNotReady, "there is no version "+v.ID+v.Label, "")
		}
		value = redact.New(text)
		return nil
	})
	return value, id, err
}

func (c client) newPassword(rotation.PasswordPolicy) (redact.String, error) {
	c.e.made++
	return redact.New(fmt.Sprintf("%srandom-%d", hidden, c.e.made)), nil
}

func (c client) PutVersion(_ context.Context, secretID, id, label string, value redact.String) error {
	return c.call("PutVersion", func() error {
		s, err := c.secret(secretID)
		if err != nil {
			return err
		}
		if _, exists := s.values[id]; !exists {
			s.values[id] = value.Reveal()
			s.attach(label, id)
			c.run.moved = append(c.run.moved, label)
		}
		return nil
	})
}

// MoveLabel is UpdateSecretVersionStage.
func (c client) MoveLabel(_ context.Context, secretID, label, from, to string) (moved bool, err error) {
	err = c.call("MoveLabel", func() error {
		s, err := c.secret(secretID)
		if err != nil {
			return err
		}
		holder := s.labels[label]
		switch _, exists := s.values[to]; {
		case from != "" && from != holder, to == "" && (label == rotation.Current || from == ""):
			return nil
		case to == "":
			delete(s.labels, label)
		case !exists:
			return fault.New(fault.VersionNotReady, "there is no version "+to, "")
		case holder != to && holder != "" && from == "":
			return nil
		default:
			s.attach(label, to)
		}
		if moved = true; holder != to {
			c.run.moved = append(c.run.moved, label)
		}
		return nil
	})
	return moved && err == nil, err
}

func (c client) Running(context.Context, string) (arns []string, err error) {
	err = c.call("Running", func() error {
		for _, r := range c.e.running {
			arns = append(arns, arnOf(r.name))
		}
		return nil
	})
	return arns, err
}

func (c client) Sleep(ctx context.Context, d time.Duration) error { return c.e.clock.Sleep(ctx, d) }

// What AWS knows about servers: there is one, and no proxy.

func (c client) ManagedBy(context.Context, map[string]string) (string, int, error) {
	return "", 0, fault.New(fault.SuperuserInvalid, "no service manages it", "")
}

func (c client) SameServerOrPrimary(context.Context, string, string) error {
	return fault.New(fault.SuperuserInvalid, "the superuser is of another server", "")
}

func (c client) Alternates(context.Context, string, string) error { return nil }

// engines serve PostgreSQL alone.
func (c client) engines() engine.Table { return engine.Table{"postgres": c} }

func (c client) Reach(context.Context, secretdoc.Document) error {
	return c.call("Reach", func() error { return nil })
}

func (c client) Connect(_ context.Context, doc secretdoc.Document) (engine.Session, error) {
	err := c.call("Connect", func() error { return c.logIn(doc.Username, doc.Password.Reveal()) })
	if err != nil {
		return nil, err
	}
	return session{c, doc.Username}, nil
}

func (c client) logIn(user, password string) error {
	if a := c.e.server[user]; a == nil || a.password != password {
		return fault.New(fault.LoginRefused, "the database refuses user "+user, "")
	}
	c.run.logins = append(c.run.logins, user+" "+password)
	return nil
}

// session is a connection.
type session struct {
	client
	user string
}

func (s session) Probe(context.Context) error { return nil }
func (s session) Close()                      {}

// Privileges are always level: what grants do is the engines' business.
func (s session) Privileges(context.Context, string) ([]string, error) { return rights, nil }

var rights = []string{"connect"}

func (s session) SetPassword(_ context.Context, user string, password redact.String) error {
	return s.call("SetPassword", func() error { return s.set(user, password.Reveal()) })
}

func (s session) set(user, password string) error {
	a := s.e.server[user]
	switch {
	case user != s.user && !s.e.server[s.user].superuser:
		return fault.New(fault.PrivilegeMissing, s.user+" may not change "+user, "")
	case a == nil:
		return fault.New(fault.DatabaseError, "there is no user "+user, "")
	}
	a.set(password, s.run.name+" in "+s.state)
	return nil
}

func (s session) EnsureClone(_ context.Context, r engine.CloneRequest) (result engine.CloneResult, err error) {
	err = s.call("EnsureClone", func() error {
		a := s.e.server[r.Clone]
		switch {
		case !s.e.server[s.user].superuser:
			return fault.New(fault.PrivilegeMissing, s.user+" is no superuser", "")
		case s.e.server[r.Original] == nil:
			return fault.New(fault.DatabaseError, "there is no user "+r.Original, "")
		case a == nil && r.Password.IsEmpty():
			return fault.New(fault.DatabaseError, "there is no user "+r.Clone, "")
		case a == nil:
			a = &account{}
			s.e.server[r.Clone] = a
		case a.mark != r.Mark && !r.Proven:
			return fault.New(fault.AccountNotOurs, "user "+r.Clone+" is not this secret's", "")
		}
		if !s.e.noMarks {
			a.mark = r.Mark
		}
		if !r.Password.IsEmpty() {
			a.set(r.Password.Reveal(), s.run.name+" in "+s.state)
		}
		result.Privileges = rights
		return nil
	})
	return result, err
}

// foreign is an existing rotation function, as AWS's templates have it: it sets the
// password that is pending with the one that works, and it knows no engine of
// Tumbler's. Like some, it quotes in its errors what it had in hand.
func (c client) foreign(step, token string) error {
	s := c.e.app()
	user, pending := s.login(token)
	if s.labels[rotation.Pending] != token {
		return &asl.Failure{Name: "ValueError", Cause: "version " + token + " is not staged AWSPENDING"}
	}
	if step == rotation.StepTest {
		return c.call("Connect", func() error { return c.logIn(user, pending) })
	}
	for _, id := range []string{token, s.labels[rotation.Current], s.labels[rotation.Previous]} {
		as, password := s.login(id)
		if c.logIn(as, password) != nil {
			continue
		}
		if id == token {
			return nil
		}
		return c.call("SetPassword", func() error { return session{c, as}.set(user, pending) })
	}
	return &asl.Failure{Name: "ValueError", Cause: "unable to log in, also not with " + pending}
}
