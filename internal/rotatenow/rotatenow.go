// Package rotatenow is the event that asks for a rotation now, and what the rule
// that waits for it makes of it. The deployment and the sandbox share it, so that
// both understand the same event:
//
//	{"source": "tumbler.rotate-now", "detail-type": "anything", "detail": {"secretId": "NAME OR ARN"}}
package rotatenow

// Source is the source of the event. It is the source, and not the detail-type,
// because IAM can limit by events:source who may send such an event. Outcomes are
// announced from another source, "tumbler", and so cannot ask for the next
// rotation.
const Source = "tumbler.rotate-now"

// Bus is the event bus of a deployment on which such events come in. It is one of its
// own, because whoever may put events on the default bus may be anybody.
func Bus(deployment string) string { return deployment + "-rotate-now" }

// The rule passes the secret on and nothing else: an event does not choose how a
// secret is rotated, nor with which superuser.
const (
	// Pattern is the rule's event pattern.
	Pattern = `{"source":["` + Source + `"]}`
	// SecretIDPath is the input path of the one variable, secretId.
	SecretIDPath = "$.detail.secretId"
	// Template is the input template: the rotation request.
	Template = `{"secretId":<secretId>,"trigger":{"source":"event"}}`
)
