package rotation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// Request asks for one rotation. It is the input of an execution.
type Request struct {
	SecretID      string   `json:"secretId"` // name or ARN. Required.
	Trigger       Trigger  `json:"trigger,omitzero"`
	Strategy      Strategy `json:"strategy,omitempty"`      // default single-user
	Window        *Window  `json:"window,omitempty"`        // nil: rotate at any time
	OutsideWindow string   `json:"outsideWindow,omitempty"` // reject (default), wait or rotate

	// SuperuserSecretID is the secret of a user that may change the secret's
	// user. Alternating users need one; the default is masterarn in the secret.
	SuperuserSecretID string `json:"superuserSecretId,omitempty"`

	// RecoverPassword lets the superuser reset the password of a single user
	// when none that the secret knows logs in any more.
	RecoverPassword bool `json:"recoverPassword,omitempty"`
}

// Trigger says who asked.
type Trigger struct {
	Source      string     `json:"source,omitempty"` // schedule, manual or event
	ScheduledAt *time.Time `json:"scheduledAt,omitempty"`
	Reason      string     `json:"reason,omitempty"` // recorded, for people
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

// What to do with a request that arrives outside its window.
const (
	OutsideReject = "reject"
	OutsideWait   = "wait"
	OutsideRotate = "rotate"
)

// ParseRequest reads and validates a request and fills in the defaults. Its
// errors are InvalidRequest and name the field, the value and the remedy.
func ParseRequest(raw json.RawMessage) (Request, error) {
	var r Request
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		if badTime := checkTimes(raw); badTime != nil {
			return Request{}, badTime
		}
		return Request{}, describeDecodeError(err)
	}
	if strings.TrimSpace(r.SecretID) == "" {
		return Request{}, invalidRequest("field secretId is missing or empty", "Name the secret by name or ARN")
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
		{"trigger.source", r.Trigger.Source, []string{"", "schedule", "manual", "event"}},
	} {
		if err := oneOf(field.name, field.value, field.allowed); err != nil {
			return Request{}, err
		}
	}
	if w := r.Window; w != nil && !w.ClosesAt.After(w.OpensAt) {
		return Request{}, invalidRequest(
			fmt.Sprintf("field window closes at %s, which is not after it opens at %s", stamp(w.ClosesAt), stamp(w.OpensAt)),
			"Give window.opensAt and window.closesAt as UTC times in that order")
	}
	if r.Window != nil {
		r.Window = &Window{OpensAt: r.Window.OpensAt.UTC(), ClosesAt: r.Window.ClosesAt.UTC()}
	}
	return r, nil
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
	const fields = "The fields of a request are secretId, trigger, strategy, superuserSecretId, recoverPassword, window and outsideWindow (docs/guide.md)"
	if typeErr, ok := err.(*json.UnmarshalTypeError); ok {
		return invalidRequest(fmt.Sprintf("field %s is a %s", orRoot(typeErr.Field), typeErr.Value), fields)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return invalidRequest("field "+strings.Trim(name, `"`)+" is not known", fields)
	}
	return invalidRequest("the request is not a JSON object", fields)
}

// checkTimes looks for a time that cannot be read: encoding/json does not say
// which field it stands in.
func checkTimes(raw json.RawMessage) error {
	var r struct {
		Trigger struct{ ScheduledAt json.RawMessage }
		Window  struct{ OpensAt, ClosesAt json.RawMessage }
	}
	_ = json.Unmarshal(raw, &r) // what cannot be read is not a time's fault
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
