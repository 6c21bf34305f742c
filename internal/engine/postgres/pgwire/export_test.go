package pgwire

import (
	"encoding/base64"
	"fmt"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// VerifierLike computes a SCRAM verifier with the salt and the iterations of
// another one.
func VerifierLike(other string, password redact.String) (string, error) {
	var iterations int
	var rest string
	if _, err := fmt.Sscanf(other, "SCRAM-SHA-256$%d:%s", &iterations, &rest); err != nil {
		return "", err
	}
	salt, err := base64.StdEncoding.DecodeString(rest[:24])
	if err != nil {
		return "", err
	}
	v, err := scramVerifier(password, salt, iterations)
	return v.text, err
}
