package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/pattern"
)

// longestReadable keeps a name, with a hyphen and eight digits after it, within
// the 64 characters of EventBridge Scheduler (API reference, CreateSchedule).
const longestReadable = 48

var notInNames = pattern.New(`[^0-9A-Za-z]+`)

// Name is the name of the schedule of a secret, which is given exactly as in
// rotations.yaml: a name and an ARN of the same secret have different schedules. It is
// readable, unique, and independent of other rotations, because a schedule that is replaced
// fires again.
func Name(secretIDAsConfigured string) string {
	readable := secretIDAsConfigured
	if i := strings.LastIndex(readable, ":secret:"); i >= 0 {
		readable = readable[i+len(":secret:"):]
	}
	readable = strings.Trim(notInNames().ReplaceAllString(readable, "-"), "-")
	sum := sha256.Sum256([]byte(secretIDAsConfigured))
	return readable[:min(len(readable), longestReadable)] + "-" + hex.EncodeToString(sum[:4])
}
