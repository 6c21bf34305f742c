package statemachine

// EventSource is the source of the event that asks for a rotation now:
//
//	{"source": "tumbler.rotate-now", "detail-type": "anything", "detail": {"secretId": "NAME OR ARN"}}
//
// The source marks these events, not the detail-type, because IAM can limit by
// events:source who may send them. Outcomes have another source, "tumbler", so that none
// can ask for the next rotation.
const EventSource = "tumbler.rotate-now"

// EventBus is the name of a deployment's event bus for such events. It is not the default
// bus, on which anybody in the account may be allowed to put events.
func EventBus(deployment string) string { return deployment + "-rotate-now" }

// The rule that starts Rotation passes on nothing but the secret: an event cannot choose
// how a secret is rotated, or with which superuser.
const (
	// EventPattern is the rule's event pattern.
	EventPattern = `{"source":["` + EventSource + `"]}`
	// EventSecretID is the input path of the one variable, secretId.
	EventSecretID = "$.detail.secretId"
	// EventRequest is the input template: the rotation request.
	EventRequest = `{"secretId":<secretId>,"trigger":{"source":"event"}}`
)
