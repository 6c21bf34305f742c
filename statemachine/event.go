package statemachine

// EventSource is the source of the event that asks for a rotation now:
//
//	{"source": "tumbler.rotate-now", "detail-type": "anything", "detail": {"secretId": "NAME OR ARN"}}
//
// It is the source, and not the detail-type, because IAM can limit by events:source
// who may send such an event. Outcomes are announced from another source, "tumbler",
// and so cannot ask for the next rotation.
const EventSource = "tumbler.rotate-now"

// EventBus is the event bus of a deployment on which such events come in. It is one of
// its own, because whoever may put events on the default bus may be anybody.
func EventBus(deployment string) string { return deployment + "-rotate-now" }

// The rule that starts Rotation passes the secret on and nothing else: an event does
// not choose how a secret is rotated, nor with which superuser.
const (
	// EventPattern is the rule's event pattern.
	EventPattern = `{"source":["` + EventSource + `"]}`
	// EventSecretID is the input path of the one variable, secretId.
	EventSecretID = "$.detail.secretId"
	// EventRequest is the input template: the rotation request.
	EventRequest = `{"secretId":<secretId>,"trigger":{"source":"event"}}`
)
