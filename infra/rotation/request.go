package rotation

import (
	"encoding/json"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/config"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// request is the complete rotation request of a secret, as the registry holds it and a
// schedule sends it. Its fields and their order are those of [rotation.Request], except
// that the trigger's time is a placeholder of EventBridge Scheduler.
type request struct {
	SecretID          string                    `json:"secretId"`
	Strategy          string                    `json:"strategy,omitempty"`
	Schedule          *rotation.Schedule        `json:"schedule,omitempty"`
	SuperuserSecretID string                    `json:"superuserSecretId,omitempty"`
	Username          string                    `json:"username,omitempty"`
	RecoverPassword   bool                      `json:"recoverPassword,omitempty"`
	KeepPrevious      bool                      `json:"keepPrevious,omitempty"`
	SeparateOwnership bool                      `json:"separateOwnership,omitempty"`
	AlsoUpdate        []string                  `json:"alsoUpdate,omitempty"`
	Password          *rotation.PasswordOptions `json:"password,omitempty"`
	RotationFunction  string                    `json:"rotationFunction,omitempty"`
	OutsideWindow     string                    `json:"outsideWindow,omitempty"`
	Trigger           *trigger                  `json:"trigger,omitempty"`
}

type trigger struct {
	Source      string `json:"source"`
	ScheduledAt string `json:"scheduledAt,omitempty"`
	Reason      string `json:"reason,omitempty"`
}

func requestFor(r config.Rotation, t *trigger) request {
	made := request{
		SecretID: r.Secret, Strategy: string(r.Strategy), SuperuserSecretID: r.SuperuserSecret,
		Username: r.Username, RecoverPassword: r.RecoverPassword, KeepPrevious: r.KeepPrevious, SeparateOwnership: r.SeparateOwnership,
		AlsoUpdate: r.AlsoUpdate, RotationFunction: r.RotationFunction, Password: (*rotation.PasswordOptions)(r.Password), Trigger: t,
	}
	if r.Schedule != "" {
		made.Schedule = &rotation.Schedule{Expression: r.Schedule, Duration: r.Duration, Freeze: r.Freeze}
	}
	return made
}

// encode returns JSON in which < and > are not escaped: EventBridge's placeholders
// contain them.
func (r request) encode() string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		panic(err) // strings, numbers and truth values: cannot fail
	}
	return strings.TrimSpace(b.String())
}
