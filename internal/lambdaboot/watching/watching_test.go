package watching

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/metrics"
	"github.com/tumbler-rotation/tumbler/internal/watch/audit"
)

// A count of 0 is written, too: it ends an alarm, and its absence means that the
// audit itself is dead.
func TestAuditMetrics(t *testing.T) {
	var out bytes.Buffer
	m := auditMetrics{&metrics.Writer{Out: &out, Deployment: "tumbler"}}
	m.Count(map[audit.State]int{audit.Missing: 0, audit.Unknown: 0, audit.Stuck: 2, audit.Overdue: 0})
	for _, want := range []string{`"Overdue":0`, `"Stuck":2`, `"Missing":0`, `"Unknown":0`, `"Deployment":"tumbler"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in %s", want, out.String())
		}
	}
}
