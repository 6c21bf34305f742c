package rotation

import (
	"encoding/json"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/config"
)

// request is the rotation request that a trigger hands to the state machine. The
// order of its fields is the order in the template.
type request struct {
	SecretID          string  `json:"secretId"`
	Strategy          string  `json:"strategy,omitempty"`
	SuperuserSecretID string  `json:"superuserSecretId,omitempty"`
	Trigger           trigger `json:"trigger"`
}

type trigger struct {
	Source      string `json:"source"`
	ScheduledAt string `json:"scheduledAt,omitempty"`
}

func requestFor(r config.Rotation, t trigger) request {
	return request{SecretID: r.Secret, Strategy: string(r.Strategy), SuperuserSecretID: r.SuperuserSecret, Trigger: t}
}

// encode leaves < and > alone: EventBridge's placeholders have them.
func (r request) encode() string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		panic(err) // strings only: cannot fail
	}
	return strings.TrimSpace(b.String())
}
