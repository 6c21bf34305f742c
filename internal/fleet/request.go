// Package fleet rotates many secrets: which, in what order, how many at once,
// and when to stop. statemachine/fleet.asl.json calls [PlanWave] until the fleet
// has ended, and each time runs a rotation for every secret of the returned wave.
//
// The execution's state holds a few counts and nothing else. Whether this fleet
// has rotated a secret is read from its staging labels: the id of the version that a
// rotation writes is derived from the ARN of its execution, and that ARN from
// those of the fleet and the secret. A wave that was cut short, a redrive and a
// resume therefore all find out what is left to do.
package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/pattern"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// Request asks for the rotation of many secrets. It is the input of an
// execution of the state machine fleet.
type Request struct {
	Select Selection `json:"select"` // Required.

	// Canary is how many secrets are rotated first; if one of them fails, no
	// others are rotated. Default 5, 0 for none.
	Canary *int `json:"canary,omitempty"`

	// MaxFailures is how many failed rotations are tolerated, as a number or as
	// a percentage of the secrets to rotate. One more, and no other rotation is
	// started. Default "10%".
	MaxFailures string `json:"maxFailures,omitempty"`

	// Budget is how many calls that write secrets the fleet makes per second, on
	// average. Default 24.
	Budget int `json:"writesPerSecond,omitempty"`

	// OutsideWindow says what to do with secrets whose rotation window is closed:
	// reject (default), which counts as a failure, or rotate.
	OutsideWindow string `json:"outsideWindow,omitempty"`

	Reason string `json:"reason,omitempty"` // recorded with each rotation

	// Resume lists the ARNs of earlier fleets' executions. Secrets that those have
	// rotated are left out.
	Resume []string `json:"resume,omitempty"`
}

// Selection selects secrets. Exactly one field is set.
type Selection struct {
	Tags   map[string]string `json:"tags,omitempty"` // a secret must have all of them
	Prefix string            `json:"prefix,omitempty"`
	All    bool              `json:"all,omitempty"`
}

// The defaults and limits of a request.
const (
	DefaultCanary      = 5
	DefaultMaxFailures = "10%"
	DefaultBudget      = 24

	// WritesPerRotation is the maximum number of calls that a rotation makes to
	// PutSecretValue, UpdateSecret and UpdateSecretVersionStage, which share one
	// quota. A successful rotation makes all six: store, stage, mark as ready, make
	// current, unstage, release.
	WritesPerRotation = 6

	// Quota is that quota, in calls per second. Everything in the account and
	// Region shares it. Source: Secrets Manager user guide, "quotas".
	Quota = 50

	// Both are part of the state of every wave.
	maxResume = 50  // executions
	maxReason = 300 // bytes
)

// ParseRequest reads and checks a request and fills in the defaults. Its errors
// have the code InvalidRequest and name the field and the value.
func ParseRequest(raw json.RawMessage) (Request, error) {
	var r Request
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return Request{}, invalid("the request cannot be read: "+strings.TrimPrefix(err.Error(), "json: "),
			"The fields are select, canary, maxFailures, writesPerSecond, outsideWindow, reason and resume (docs/fleet.md)")
	}
	return r, r.complete()
}

func (r *Request) complete() error {
	if err := r.Select.check(); err != nil {
		return err
	}
	if r.Canary == nil {
		r.Canary = new(DefaultCanary)
	}
	if r.MaxFailures == "" {
		r.MaxFailures = DefaultMaxFailures
	}
	if r.Budget == 0 {
		r.Budget = DefaultBudget
	}
	if r.OutsideWindow == "" {
		r.OutsideWindow = rotation.OutsideReject
	}
	switch {
	case *r.Canary < 0 || *r.Canary > WaveSize:
		return invalid(fmt.Sprintf("field canary is %d", *r.Canary), fmt.Sprintf("Give a number from 0 to %d", WaveSize))
	case r.Budget < WritesPerRotation || r.Budget > Quota:
		return invalid(fmt.Sprintf("field writesPerSecond is %d", r.Budget),
			fmt.Sprintf("Give a number from %d, which is what one rotation writes, to %d, which is the quota", WritesPerRotation, Quota))
	case r.OutsideWindow != rotation.OutsideReject && r.OutsideWindow != rotation.OutsideRotate:
		return invalid(fmt.Sprintf("field outsideWindow is %q", r.OutsideWindow),
			"Use reject or rotate; waiting for windows is what schedules are for")
	case len(r.Reason) > maxReason:
		return invalid(fmt.Sprintf("field reason has %d bytes", len(r.Reason)), fmt.Sprintf("Write at most %d", maxReason))
	case len(r.Resume) > maxResume:
		return invalid(fmt.Sprintf("field resume lists %d executions", len(r.Resume)), fmt.Sprintf("Name at most %d", maxResume))
	}
	for _, arn := range r.Resume {
		if parts := strings.Split(arn, ":"); len(parts) != 8 || parts[5] != "execution" {
			return invalid(fmt.Sprintf("field resume holds %q", arn), "Give the ARNs of executions of the fleet")
		}
	}
	_, err := r.Tolerated(100)
	return err
}

func (s Selection) check() error {
	fields := 0
	for _, set := range []bool{len(s.Tags) > 0, s.Prefix != "", s.All} {
		if set {
			fields++
		}
	}
	if fields != 1 {
		return invalid(fmt.Sprintf("field select has %d of tags, prefix and all", fields), "Set exactly one of them")
	}
	for key := range s.Tags {
		if key == "" {
			return invalid("field select.tags has an empty key", "Name the tag")
		}
	}
	return nil
}

// String describes the selection for people.
func (s Selection) String() string {
	switch {
	case s.All:
		return "all secrets"
	case s.Prefix != "":
		return "secrets whose name begins with " + s.Prefix
	}
	var tags []string
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		tags = append(tags, key+"="+s.Tags[key])
	}
	return "secrets tagged " + strings.Join(tags, ", ")
}

var percentage = pattern.New(`^[0-9]{1,3}(\.[0-9]+)?%$`)

// Tolerated is the number of failures that MaxFailures allows among total rotations.
func (r Request) Tolerated(total int) (int, error) {
	const remedy = `Give a number such as "25", or a percentage such as "10%"`
	if percentage().MatchString(r.MaxFailures) {
		share, err := strconv.ParseFloat(strings.TrimSuffix(r.MaxFailures, "%"), 64)
		if err == nil && share <= 100 {
			return int(share * float64(total) / 100), nil
		}
	}
	n, err := strconv.Atoi(r.MaxFailures)
	if err != nil || n < 0 {
		return 0, invalid(fmt.Sprintf("field maxFailures is %q", r.MaxFailures), remedy)
	}
	return n, nil
}

func invalid(op, hint string) error { return fault.New(fault.InvalidRequest, op, hint) }
