package chaos

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// atRest checks what is promised of an execution that has ended. One that was
// aborted promises less: nobody has put things right yet.
func (t *trial) atRest(when string, ended follow.Ending) {
	if t.err != nil {
		return
	}
	if t.target.Strategy == rotation.AlternatingUsers {
		t.currentLogsIn(when)
	}
	switch {
	case ended.Status == types.ExecutionStatusAborted, ended.State == string(rotation.NeedsAttention):
		t.somethingLogsIn(when)
	case ended.Status == types.ExecutionStatusSucceeded, ended.Status == types.ExecutionStatusFailed:
		t.currentLogsIn(when)
		t.labels(when)
		t.previousLogsIn(when)
	default:
		t.violation("%s: the execution is %s in %s", when, ended.Status, ended.State)
	}
}

func (t *trial) login(doc secretdoc.Document) error {
	session, err := t.target.Engine.Connect(t.ctx, doc)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Probe(t.ctx)
}

// currentLogsIn: applications can log in.
func (t *trial) currentLogsIn(when string) {
	doc, err := t.document(rotation.Version{Label: rotation.Current})
	if err == nil {
		err = t.login(doc)
	}
	if err != nil {
		t.violation("%s: AWSCURRENT does not log in: %v", when, err)
	}
}

// everywhere: so can those whose address the server has an account of its own for.
func (t *trial) everywhere(when string) {
	if t.err != nil || t.target.Elsewhere == nil {
		return
	}
	doc, err := t.document(rotation.Version{Label: rotation.Current})
	if err == nil {
		err = t.target.Elsewhere(t.ctx, doc)
	}
	if err != nil {
		t.violation("%s: AWSCURRENT does not log in from another address: %v", when, err)
	}
}

// previousLogsIn: applications that have not read the secret since the rotation
// before can go on, which only alternating users promise.
func (t *trial) previousLogsIn(when string) {
	if t.err != nil || t.target.Strategy != rotation.AlternatingUsers || t.labelled()[rotation.Previous] == "" {
		return
	}
	doc, err := t.document(rotation.Version{Label: rotation.Previous})
	if err == nil {
		err = t.login(doc)
	}
	if err != nil {
		t.violation("%s: AWSPREVIOUS does not log in: %v", when, err)
	}
}

// pairIsLevel: after a rotation of alternating users both log in, and may do the
// same.
func (t *trial) pairIsLevel(when string) {
	if t.err != nil || t.target.Strategy != rotation.AlternatingUsers {
		return
	}
	t.previousLogsIn(when)
	current, err := t.document(rotation.Version{Label: rotation.Current})
	if err != nil {
		t.fail(err)
		return
	}
	session, err := t.target.Engine.Connect(t.ctx, t.target.Superuser)
	if err != nil {
		t.fail(err)
		return
	}
	defer session.Close()
	original := strings.TrimSuffix(current.Username, "_clone")
	of, err := session.Privileges(t.ctx, original)
	if err != nil {
		t.violation("%s: the user is gone: %v", when, err)
	}
	ofClone, err := session.Privileges(t.ctx, original+"_clone")
	if err != nil {
		t.violation("%s: there is no clone: %v", when, err)
	}
	if !slices.Equal(of, ofClone) {
		t.violation("%s: the clone may do %q and the user %q", when, ofClone, of)
	}
}

// somethingLogsIn: a version that works still carries a label, so it cannot be
// pruned, and the next run finds it.
func (t *trial) somethingLogsIn(when string) {
	for _, id := range slices.Sorted(maps.Values(t.labelled())) {
		if doc, err := t.document(rotation.Version{ID: id}); err == nil && t.login(doc) == nil {
			return
		}
	}
	t.violation("%s: no labelled version logs in: access is lost", when)
}

// labels: nothing is left over but Tumbler's own label.
func (t *trial) labels(when string) {
	for label := range t.labelled() {
		if label != rotation.Current && label != rotation.Previous && label != rotation.GivenUp && !(t.target.Strategy == rotation.AlternatingUsers && strings.HasPrefix(label, rotation.Hold(""))) {
			t.violation("%s: the label %s is left over", when, label)
		}
	}
}

func (t *trial) labelled() map[string]string {
	out, err := t.secrets.DescribeSecret(t.ctx, &secretsmanager.DescribeSecretInput{SecretId: &t.secretID})
	t.fail(err)
	labels := map[string]string{}
	if err != nil {
		return labels
	}
	for id, stages := range out.VersionIdsToStages {
		for _, stage := range stages {
			labels[stage] = id
		}
	}
	return labels
}
