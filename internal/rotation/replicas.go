package rotation

import (
	"context"
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// checkReplicas returns ReplicaLagging unless every replica is in sync: an application in
// another Region that reads an old value after the database has changed cannot log in.
//
// Secrets Manager reports the status of the secret, not of a version (API reference,
// "ReplicationStatusType"); docs/guarantees.md says what follows from that.
func (m Metadata) checkReplicas(versionID string) error {
	for _, r := range m.behind() {
		return fault.New(fault.ReplicaLagging,
			fmt.Sprintf("the replica in %s does not have version %s yet%s", r.Region, versionID, because(r.Why)),
			"The database was not changed. It heals by itself unless the replica has failed: replicate again or remove it")
	}
	return nil
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

// How long FinishSecret waits for the replicas: well within its own timeout, since the
// rotation is done and only the report waits.
const (
	watchReplicas = 10 * time.Second
	lookAgain     = 500 * time.Millisecond
)

// reportLag puts the replicas' lag into the event. An error leaves it out and is no
// failure.
func (f Finish) reportLag(ctx context.Context, plan Planned, movedAt time.Time, event *Event) {
	ctx, cancel := context.WithTimeout(ctx, watchReplicas)
	defer cancel()
	for {
		secret, err := f.Secrets.Describe(ctx, plan.SecretARN)
		if err != nil {
			return
		}
		behind := secret.behind()
		if len(behind) == 0 {
			event.ReplicasBehind, event.ReplicaLagMs = nil, new(f.Now().Sub(movedAt).Milliseconds())
			return
		}
		event.ReplicasBehind = nil
		for _, r := range behind {
			event.ReplicasBehind = append(event.ReplicasBehind, r.Region)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookAgain):
		}
	}
}
