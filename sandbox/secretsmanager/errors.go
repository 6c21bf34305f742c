package secretsmanager

import (
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// The texts are AWS's where they are known: people search the web for them, and
// some clients look into them.

func errNoSecret() *wire.Error {
	return wire.Errorf("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

func errNoValue(kind, id string) *wire.Error {
	return wire.Errorf("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for %s: %s", kind, id)
}

func errNoVersion(id string) *wire.Error {
	return wire.Errorf("ResourceNotFoundException", "Secrets Manager can't find the specified secret version: %s", id)
}

func errDeleted() *wire.Error {
	return wire.Errorf("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
}

func errTokenInUse(token, arn string) *wire.Error {
	return wire.Errorf("ResourceExistsException",
		"You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", token, arn)
}

func errParameter(format string, args ...any) *wire.Error {
	return wire.Errorf("InvalidParameterException", format, args...)
}

func errRequest(format string, args ...any) *wire.Error {
	return wire.Errorf("InvalidRequestException", format, args...)
}

func errLimit(format string, args ...any) *wire.Error {
	return wire.Errorf("LimitExceededException", format, args...)
}
