package rotation_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// own is the version that the tests' execution writes.
var own = rotation.VersionID(thisExecution)

// superVersion is not of the secret: tests keep the superuser's with its versions.
const superVersion = "v-super"

// vault is one secret.
type vault struct {
	labels map[string]string // label -> version id
	values map[string]string // version id -> document; a version without one has no value
	fails  map[string]error  // by operation
	made   int               // passwords

	// replaces is the other reading of VersionStages: the labels given are all that the
	// version then has.
	replaces bool

	onMove func() // called once, before a label moves

	// lag is how many times Describe finds the replica in eu-west-1 behind; nil:
	// there is no replica.
	lag       *int
	described int
}

func newVault() *vault {
	return &vault{
		labels: map[string]string{rotation.Current: "v-current", rotation.Previous: "v-previous"},
		values: map[string]string{"v-current": document("current"), "v-previous": document("previous")},
		fails:  map[string]error{},
	}
}

// pending stages a version AWSPENDING; "" is a version without a value.
func (v *vault) pending(id, value string) {
	v.labels[rotation.Pending] = id
	if value != "" {
		v.values[id] = value
	}
}

func document(password string) string { return documentOf("app", "db.example", password) }

func documentOf(user, host, password string) string {
	return fmt.Sprintf(`{"engine":"postgres","host":%q,"username":%q,"password":%q}`, host, user, password)
}

func (v *vault) Describe(context.Context, string) (rotation.Metadata, error) {
	m := rotation.Metadata{ARN: secretARN, Name: "prod/app", Labels: v.labels}
	v.described++
	if v.lag != nil {
		r := rotation.Replica{Region: "eu-west-1", InSync: *v.lag == 0}
		if *v.lag > 0 {
			*v.lag--
			r.Why = "in progress"
		}
		m.Replicas = []rotation.Replica{{Region: "us-west-2", InSync: true}, r}
	}
	return m, v.fails["Describe"]
}

func (v *vault) Value(_ context.Context, _ string, version rotation.Version) (redact.String, string, error) {
	id := version.ID
	if id == "" {
		id = v.labels[version.Label]
	}
	value, ok := v.values[id]
	if !ok || (version.Label != "" && v.labels[version.Label] != id) {
		return redact.String{}, "", fault.New(fault.VersionNotReady, "no version "+id, "")
	}
	return redact.New(value), id, v.fails["Value"]
}

func (v *vault) Versions(context.Context, string) ([]string, error) {
	ids := slices.Sorted(maps.Keys(v.values))
	return slices.DeleteFunc(ids, func(id string) bool { return id == superVersion }), v.fails["Versions"]
}

// CreatedAt makes what a person stores younger than all else.
func (v *vault) CreatedAt(_ context.Context, _, versionID string) (time.Time, error) {
	if versionID == "v-by-hand" {
		return noon, v.fails["CreatedAt"]
	}
	return noon.Add(-time.Hour), v.fails["CreatedAt"]
}

func (v *vault) newPassword(rotation.PasswordPolicy) (redact.String, error) {
	v.made++
	return redact.New("new-" + strconv.Itoa(v.made)), nil
}

func (v *vault) PutVersion(_ context.Context, _, id, label string, value redact.String) error {
	if _, exists := v.values[id]; !exists {
		if v.replaces {
			maps.DeleteFunc(v.labels, func(_, of string) bool { return of == id })
		}
		v.values[id], v.labels[label] = value.Reveal(), id
	}
	return v.fails["PutVersion"]
}

func (v *vault) MoveLabel(_ context.Context, _, label, from, to string) (bool, error) {
	if err := v.fails["MoveLabel"]; err != nil {
		return false, err
	}
	if v.onMove != nil {
		v.onMove()
		v.onMove = nil
	}
	if v.labels[label] != from && (from != "" || v.labels[label] != to) {
		return false, nil
	}
	delete(v.labels, label)
	if to != "" {
		v.labels[label] = to
	}
	return true, nil
}

// password is that of a version.
func (v *vault) password(id string) string {
	doc, _ := secretdoc.Parse(redact.New(v.values[id]))
	return doc.Password.Reveal()
}

// server answers logins by their password: with nothing, or with a code.
type server struct {
	answers map[string]fault.Code
	cannot  error // what becomes of SetPassword
	log     []string
	away    bool // it cannot be reached
	two     bool // it keeps two passwords of an account, which is one by its name

	onConnect func(password string) // called after a login was answered. Optional.
}

func (s *server) For(secretdoc.Document) (engine.Engine, error) { return s, nil }

func (s *server) Reach(context.Context, secretdoc.Document) error {
	s.log = append(s.log, "reach")
	if s.away {
		return fault.New(fault.DatabaseUnreachable, "nobody answers", "")
	}
	return nil
}

func (s *server) Connect(_ context.Context, doc secretdoc.Document) (engine.Session, error) {
	password := doc.Password.Reveal()
	s.log = append(s.log, password)
	answer, known := s.answers[password]
	if !known {
		answer = fault.LoginRefused
	}
	if s.onConnect != nil {
		s.onConnect(password)
	}
	if answer != "" {
		return nil, fault.New(answer, "logging in to "+doc.Host, "")
	}
	if s.two {
		return &keeper{loggedIn{server: s}}, nil
	}
	return &loggedIn{server: s}, nil
}

// keeper is a session of a server like Oracle.
type keeper struct{ loggedIn }

func (k *keeper) Namesakes() bool { return false }

// ChangePassword keeps what was accepted where it is asked to.
func (k *keeper) ChangePassword(ctx context.Context, c engine.PasswordChange) (int, error) {
	before := maps.Clone(k.server.answers)
	err := k.SetPassword(ctx, c.User, c.Password)
	if err == nil && c.KeepPrevious {
		maps.Copy(k.server.answers, before)
	}
	return 1, err
}

type loggedIn struct {
	engine.Session // what the single-user strategy does not use
	server         *server
}

func (l *loggedIn) Probe(context.Context) error { return nil }

// SetPassword leaves only the new password accepted.
func (l *loggedIn) SetPassword(_ context.Context, user string, password redact.String) error {
	l.server.log = append(l.server.log, "set "+user+" "+password.Reveal())
	if l.server.cannot != nil {
		return l.server.cannot
	}
	l.server.answers = map[string]fault.Code{password.Reveal(): ""}
	return nil
}

func (l *loggedIn) Close() { l.server.log = append(l.server.log, "close") }

func atNoon() time.Time { return noon }

// planned is Plan's answer for the vault as it is.
func planned(v *vault) rotation.Planned {
	return rotation.Planned{
		Decision: rotation.Rotate, SecretARN: secretARN, SecretName: "prod/app", Strategy: rotation.SingleUser,
		VersionID:         own,
		CurrentVersionID:  v.labels[rotation.Current],
		PendingVersionID:  v.labels[rotation.Pending],
		PreviousVersionID: v.labels[rotation.Previous],
		Unfinished:        unfinished(v),
	}
}

// unfinished are the labels that other rotations have left.
func unfinished(v *vault) map[string]string {
	left := maps.Clone(v.labels)
	maps.DeleteFunc(left, func(label, id string) bool { return !strings.HasPrefix(label, rotation.GivenUp) || id == own })
	return left
}

// stored makes the execution's version as CreateSecret does.
func (v *vault) stored(value string) {
	v.pending(own, value)
	v.labels[rotation.Hold(own)] = own
}
