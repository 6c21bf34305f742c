package mongodb

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"

	"github.com/xdg-go/scram"
	"github.com/xdg-go/stringprep"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// The login mechanisms that Tumbler supports. DocumentDB has SCRAM-SHA-1.
const (
	scramSHA1   = "SCRAM-SHA-1"
	scramSHA256 = "SCRAM-SHA-256"
)

// minIterations is the lowest SCRAM iteration count that is accepted from a server.
// Source: MongoDB specifications, "Authentication".
const minIterations = 4096

// maxSteps limits a conversation. SCRAM takes two steps, sometimes followed by an empty
// one.
const maxSteps = 4

var (
	// errUnproven means that the server did not prove that it knows the password.
	errUnproven = errors.New("the server did not prove that it knows the password")

	// errPrepare means that the password cannot be normalised for SCRAM.
	errPrepare = errors.New("the password has characters that SCRAM does not allow")
)

// mechanism chooses how to log in from the server's answer to the greeting. If the answer
// lists no mechanisms, because the server does not know the field or the user, it chooses
// SCRAM-SHA-1. Source: MongoDB specifications, "Authentication", "Defaults".
func mechanism(greeting bson.Raw) string {
	if names, ok := greeting.Lookup("saslSupportedMechs").ArrayOK(); ok {
		values, err := names.Values()
		if err != nil {
			return scramSHA1
		}
		for _, value := range values {
			if name, ok := value.StringValueOK(); ok && name == scramSHA256 {
				return scramSHA256
			}
		}
	}
	return scramSHA1
}

// login makes one attempt to log in.
func login(ctx context.Context, w *wire, mechanism, user string, password redact.String) error {
	client, err := scramClient(mechanism, user, password)
	if err != nil {
		return err
	}
	conversation := client.WithMinIterations(minIterations).NewConversation()
	payload, err := conversation.Step("")
	if err != nil {
		return errPrepare
	}
	answer, err := w.run(ctx, saslStartCommand(mechanism, []byte(payload)))
	for range maxSteps {
		if err != nil {
			return err
		}
		_, challenge, ok := answer.Lookup("payload").BinaryOK()
		if !ok {
			return netfault.ErrAnswer
		}
		done, _ := answer.Lookup("done").BooleanOK()
		if conversation.Done() {
			if len(challenge) > 0 && !done {
				return netfault.ErrAnswer
			}
			payload = ""
		} else if payload, err = conversation.Step(string(challenge)); err != nil {
			return errUnproven
		}
		if done {
			if !conversation.Valid() {
				return errUnproven
			}
			return nil
		}
		id, ok := answer.Lookup("conversationId").AsInt64OK()
		if !ok {
			return netfault.ErrAnswer
		}
		answer, err = w.run(ctx, saslContinueCommand(int32(id), []byte(payload)))
	}
	return netfault.ErrAnswer
}

// scramClient prepares the password as the mechanism requires. Source: MongoDB
// specifications, "Authentication".
func scramClient(mechanism, user string, password redact.String) (*scram.Client, error) {
	if mechanism == scramSHA256 {
		prepared, err := stringprep.SASLprep.Prepare(password.Reveal())
		if err != nil {
			return nil, errPrepare
		}
		return scram.SHA256.NewClientUnprepped(user, prepared, "")
	}
	sum := md5.Sum([]byte(user + ":mongo:" + password.Reveal()))
	return scram.SHA1.NewClientUnprepped(user, hex.EncodeToString(sum[:]), "")
}
