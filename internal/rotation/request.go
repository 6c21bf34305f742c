package rotation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Request asks for one rotation. It is the input of an execution. Where there is a
// [Registry], it names the secret and what concerns this one rotation, and the rest is as
// configured there; otherwise it is complete by itself.
type Request struct {
	SecretID      string   `json:"secretId"` // name or ARN. Required.
	Trigger       Trigger  `json:"trigger,omitzero"`
	Strategy      Strategy `json:"strategy,omitempty"`      // default single-user
	OutsideWindow string   `json:"outsideWindow,omitempty"` // reject (default), wait or rotate

	// Schedule has the rotation windows. Window is one window, for a request
	// without a schedule. With neither a rotation may run at any time.
	Schedule *Schedule `json:"schedule,omitempty"`
	Window   *Window   `json:"window,omitempty"`

	// SuperuserSecretID is the name or ARN of the secret of a user that may change the
	// secret's user. Alternating users need one; the default is masterarn in the secret.
	SuperuserSecretID string `json:"superuserSecretId,omitempty"`

	// Username is the database user that AWSCURRENT must name; with alternating users,
	// either of the two. Optional.
	Username string `json:"username,omitempty"`

	// RecoverPassword lets the superuser reset the password of a single user when no
	// version of the secret logs in any more.
	RecoverPassword bool `json:"recoverPassword,omitempty"`

	// KeepPrevious has the database accept a single user's old password until the next
	// rotation, so that no login is refused. It needs a server that keeps two passwords:
	// MySQL from 8.0.14 on, or Oracle from 19.12 on, for as long as the user's profile
	// says. A password that has leaked stays usable until then.
	KeepPrevious bool `json:"keepPrevious,omitempty"`

	// SeparateOwnership makes the clone of a pair own what it creates, instead of working
	// in the role of its original (PostgreSQL).
	SeparateOwnership bool `json:"separateOwnership,omitempty"`

	// AlsoUpdate lists further keys of the secret in which user and password are
	// replaced, such as that of a connection string.
	AlsoUpdate []string `json:"alsoUpdate,omitempty"`

	// Password configures new passwords. Default: the engine's.
	Password *PasswordOptions `json:"password,omitempty"`

	// RotationFunction is the ARN of an existing rotation function that runs the set and
	// test steps instead of Tumbler's engines.
	RotationFunction string `json:"rotationFunction,omitempty"`
}

// Schedule says when a secret is rotated without a request.
type Schedule struct {
	Expression string   `json:"expression"`         // rate() or cron(). Required.
	Duration   string   `json:"duration,omitempty"` // length of each window, such as 3h
	Freeze     []string `json:"freeze,omitempty"`   // dates on which scheduled rotations do not start
}

// Trigger says who asked.
type Trigger struct {
	Source      string     `json:"source,omitempty"`      // schedule, manual or event. Optional.
	ScheduledAt *time.Time `json:"scheduledAt,omitempty"` // the time at which the schedule was due
	Reason      string     `json:"reason,omitempty"`      // recorded, for people
}

// words describes the trigger for people; "" without a source.
func (t Trigger) words() string {
	who := map[string]string{SourceManual: "somebody, by hand", SourceSchedule: "the schedule", SourceEvent: "an event"}[t.Source]
	if t.ScheduledAt != nil {
		who += ", for " + stamp(*t.ScheduledAt)
	}
	if t.Reason != "" {
		who += ": " + t.Reason
	}
	return who
}

// Strategy is how the database's users are rotated. Source: AWS Secrets Manager
// user guide, "Lambda function rotation strategies".
type Strategy string

// The strategies.
const (
	// SingleUser changes the password of the one user in place.
	SingleUser Strategy = "single-user"

	// AlternatingUsers keeps a user and its clone and changes the password of
	// the one that AWSCURRENT does not name, so that both stay valid.
	AlternatingUsers Strategy = "alternating-users"
)

// Who can ask for a rotation.
const (
	SourceSchedule = "schedule"
	SourceManual   = "manual"
	SourceEvent    = "event"
)

// What to do with a request that arrives outside its window.
const (
	OutsideReject = "reject"
	OutsideWait   = "wait"
	OutsideRotate = "rotate"
)

// ParseRequest reads and validates a request and fills in the defaults. Its errors have the
// code InvalidRequest and name the field and the value.
func ParseRequest(raw json.RawMessage) (Request, error) {
	r, err := decodeRequest(raw)
	if err != nil {
		return Request{}, err
	}
	if err := r.complete(); err != nil {
		return Request{}, err
	}
	return r, nil
}

func decodeRequest(raw json.RawMessage) (Request, error) {
	if err := checkTimes(raw); err != nil {
		return Request{}, err
	}
	var r Request
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return Request{}, describeDecodeError(err)
	}
	return r, nil
}

// complete fills in the defaults and checks every field.
func (r *Request) complete() error {
	if strings.TrimSpace(r.SecretID) == "" {
		return invalidRequest("field secretId is missing or empty", "Name the secret by name or ARN")
	}
	if r.Strategy == "" {
		r.Strategy = SingleUser
	}
	if r.OutsideWindow == "" {
		r.OutsideWindow = OutsideReject
	}
	for _, field := range []struct {
		name, value string
		allowed     []string
	}{
		{"strategy", string(r.Strategy), []string{string(SingleUser), string(AlternatingUsers)}},
		{"outsideWindow", r.OutsideWindow, []string{OutsideReject, OutsideWait, OutsideRotate}},
		{"trigger.source", r.Trigger.Source, []string{"", SourceSchedule, SourceManual, SourceEvent}},
	} {
		if err := oneOf(field.name, field.value, field.allowed); err != nil {
			return err
		}
	}
	if r.RecoverPassword && r.Strategy == AlternatingUsers {
		return invalidRequest("field recoverPassword is true with the strategy alternating-users", "Leave it out: the superuser sets the password there anyway")
	}
	if r.KeepPrevious && r.Strategy == AlternatingUsers {
		return invalidRequest("field keepPrevious is true with the strategy alternating-users", "Leave it out: both users' passwords stay valid there anyway")
	}
	if r.SeparateOwnership && r.Strategy != AlternatingUsers {
		return invalidRequest("field separateOwnership is true with the strategy single-user", "Leave it out: it is about the clone of a pair")
	}
	if len(r.AlsoUpdate) == 0 {
		r.AlsoUpdate = nil // an empty list means the same
	}
	for _, key := range r.AlsoUpdate {
		if key == "" || slices.Contains(secretdoc.Keys, key) {
			return invalidRequest(fmt.Sprintf("field alsoUpdate has %q, which is no further key of a secret", key),
				"Name the key of the secret's JSON under which the connection string stands, such as url")
		}
	}
	if err := r.Password.check(); err != nil {
		return err
	}
	return r.checkWindow()
}

// namesOnly refuses fields that the registry's configuration decides. Ignoring them would
// rotate differently from what was asked.
func namesOnly(raw json.RawMessage) error {
	r, err := decodeRequest(raw)
	if err != nil {
		return err
	}
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"strategy", r.Strategy != ""},
		{"schedule", r.Schedule != nil},
		{"window", r.Window != nil},
		{"superuserSecretId", r.SuperuserSecretID != ""},
		{"username", r.Username != ""},
		{"recoverPassword", r.RecoverPassword},
		{"keepPrevious", r.KeepPrevious},
		{"separateOwnership", r.SeparateOwnership},
		{"password", r.Password != nil},
		{"rotationFunction", r.RotationFunction != ""},
	} {
		if field.given {
			return invalidRequest("field "+field.name+" is given, and rotations.yaml decides it for this secret",
				"Leave it out: a request names secretId, trigger and outsideWindow. Or change rotations.yaml and deploy")
		}
	}
	return nil
}

func (r *Request) checkWindow() error {
	if r.Schedule != nil {
		if r.Window != nil {
			return invalidRequest("fields schedule and window are both given", "Give one of them")
		}
		if len(r.Schedule.Freeze) == 0 {
			r.Schedule.Freeze = nil
		}
		_, err := r.Schedule.Timetable()
		return err
	}
	w := r.Window
	if w == nil {
		return nil
	}
	if !w.ClosesAt.After(w.OpensAt) {
		return invalidRequest(
			fmt.Sprintf("field window closes at %s, which is not after it opens at %s", stamp(w.ClosesAt), stamp(w.OpensAt)),
			"Give window.opensAt and window.closesAt as UTC times in that order")
	}
	r.Window = &Window{OpensAt: w.OpensAt.UTC(), ClosesAt: w.ClosesAt.UTC()}
	return nil
}

func oneOf(name, value string, allowed []string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return invalidRequest(fmt.Sprintf("field %s is %q", name, value),
		"Use "+strings.TrimPrefix(strings.Join(allowed, " or "), " or "))
}

// describeDecodeError turns an error of encoding/json into one that names the
// field. A request holds no secret, so its text may be quoted.
func describeDecodeError(err error) error {
	const fields = "The fields of a request are secretId, trigger, strategy, outsideWindow, schedule, window, superuserSecretId, username, recoverPassword, keepPrevious, separateOwnership, alsoUpdate, password and rotationFunction (docs/guide.md)"
	if typeErr, ok := err.(*json.UnmarshalTypeError); ok {
		return invalidRequest(fmt.Sprintf("field %s is a %s", orRoot(typeErr.Field), typeErr.Value), fields)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return invalidRequest("field "+strings.Trim(name, `"`)+" is not known", fields)
	}
	return invalidRequest("the request is not a JSON object", fields)
}

// checkTimes looks for an invalid time, because encoding/json does not name its field.
func checkTimes(raw json.RawMessage) error {
	var r struct {
		Trigger struct{ ScheduledAt json.RawMessage }
		Window  struct{ OpensAt, ClosesAt json.RawMessage }
	}
	_ = json.Unmarshal(raw, &r) // other faults are reported elsewhere
	for _, field := range []struct {
		name  string
		value json.RawMessage
	}{
		{"trigger.scheduledAt", r.Trigger.ScheduledAt},
		{"window.opensAt", r.Window.OpensAt},
		{"window.closesAt", r.Window.ClosesAt},
	} {
		var t time.Time
		if field.value != nil && json.Unmarshal(field.value, &t) != nil {
			return invalidRequest(fmt.Sprintf("field %s is %s, which is not a time in RFC 3339 form", field.name, field.value),
				"Write times like 2026-01-31T02:00:00Z")
		}
	}
	return nil
}

func orRoot(field string) string {
	if field == "" {
		return "(the request itself)"
	}
	return field
}

func invalidRequest(op, hint string) error { return fault.New(fault.InvalidRequest, op, hint) }
