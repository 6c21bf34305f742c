package chaos_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/proof/chaos"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// What Secrets Manager may answer to any call, and for how many calls in a row;
// 0: to all of them, for as long as the execution lasts.
var answers = []struct {
	code, message string
	calls         int
	only          []string // operations; none: all
	heals         bool     // the rotation succeeds
}{
	{"ThrottlingException", "Rate exceeded", 7, nil, true}, // the SDK tries 3 times
	{"InternalServiceError", "An error occurred on the server side.", 7, nil, true},
	{"ThrottlingException", "Rate exceeded", 0, nil, false},
	{"AccessDeniedException", "Access to KMS is not allowed", 0, nil, false},
	{"AccessDeniedException", "User is not authorized to perform this", 0, nil, false},
	{"DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key.", 0, []string{"GetSecretValue"}, false},
	{"EncryptionFailure", "Secrets Manager can't encrypt the protected secret text using the provided KMS key.", 0, []string{"PutSecretValue"}, false},
	{"LimitExceededException", "The request failed because it would exceed one of the Secrets Manager quotas.", 0, []string{"PutSecretValue", "UpdateSecretVersionStage"}, false},
	// A version that was just written is not there yet.
	{"ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId", 2, []string{"GetSecretValue"}, true},
	{"ResourceNotFoundException", "Secrets Manager can't find the specified secret version", 2, []string{"UpdateSecretVersionStage"}, true},
}

// Whatever Secrets Manager answers to whichever call, the rotation succeeds where
// the answer can get better, and otherwise ends as promised; the next one works.
func TestAnswersOfAWS(t *testing.T) {
	for _, strategy := range []rotation.Strategy{rotation.SingleUser, rotation.AlternatingUsers} {
		target := target(t, "mariadb", strategy, 0)
		t.Run(string(strategy), func(t *testing.T) {
			t.Parallel()
			w := world(t, target, chaos.Options{})
			events, err := w.Events(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			endings := map[string]int{}
			for _, a := range answers {
				for _, event := range slices.Compact(slices.Sorted(slices.Values(events))) {
					state, operation, _ := strings.Cut(event, " ")
					if operation == "login" || operation == "database" || (len(a.only) > 0 && !slices.Contains(a.only, operation)) {
						continue
					}
					name := fmt.Sprintf("%s answered by %s (%s), %d times", event, a.code, a.message, a.calls)
					left := a.calls
					r, err := w.TryWith(t.Context(), chaos.Case{}, chaos.Hooks{
						Answer: func(s, o string) *wire.Error {
							if s != state || o != operation || (a.calls > 0 && left == 0) {
								return nil
							}
							left--
							answer := wire.Errorf(a.code, "%s", a.message)
							if strings.HasPrefix(a.code, "Internal") {
								answer.Status = http.StatusInternalServerError
							}
							return answer
						},
					})
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					endings[r.Ending]++
					if a.heals && r.Ending != string(rotation.Rotated) {
						t.Errorf("%s: ended in %s after %v", name, r.Ending, r.Errors)
					}
					if !a.heals && r.Ending == string(rotation.Rotated) {
						t.Logf("%s: rotated all the same after %v", name, r.Errors)
					}
					for _, v := range r.Violations {
						t.Errorf("%s: %s (%v)", name, v, r.Errors)
					}
				}
			}
			t.Logf("endings: %v", endings)
		})
	}
}
