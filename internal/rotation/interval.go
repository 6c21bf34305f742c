package rotation

import (
	"context"
	"fmt"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// notTooSoon returns TooSoon for an event that asks for a rotation while AWSCURRENT is
// younger than EventInterval. Two rotations in quick succession invalidate the AWSPREVIOUS
// that applications may still use, and anybody who may send events could cause that.
// Requests by a person are not limited.
func (p Plan) notTooSoon(ctx context.Context, request Request, secret Metadata) error {
	if request.Trigger.Source != SourceEvent || p.EventInterval <= 0 {
		return nil
	}
	created, err := p.Secrets.CreatedAt(ctx, secret.ARN, secret.Labels[Current])
	if err != nil {
		return err
	}
	open := created.Add(p.EventInterval)
	if !p.Now().Before(open) {
		return nil
	}
	return fault.New(fault.TooSoon,
		fmt.Sprintf("an event asked for a rotation, and AWSCURRENT is no older than %s: events rotate a secret every %s at most", stamp(created), interval(p.EventInterval)),
		"Nothing to do if that was for the same reason. Otherwise rotate it by hand (tumbler rotate), or ask again after "+stamp(open))
}

// interval writes whole hours and minutes as in rotations.yaml, such as 1h or 30m.
func interval(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}
