package fleet

import (
	"container/heap"
	"context"
)

// The reasons for leaving out a selected secret. Plan would refuse to rotate it.
const (
	SkipDeleted       = "scheduled for deletion"
	SkipReplica       = "a replica"
	SkipManaged       = "managed by another AWS service"
	SkipNative        = "rotated by Secrets Manager itself"
	SkipNotConfigured = "not configured in this deployment"
)

// Survey is what a request would rotate.
type Survey struct {
	Total   int            // to rotate
	Earlier int            // left out: rotated by the fleets that are resumed
	Skipped map[string]int // left out, by reason (SkipDeleted and so on)

	// First are the first secrets in the order of the fleet, at most as many as
	// were asked for.
	First []Secret
}

// Source finds the secrets of a request.
type Source struct {
	Secrets    Lister
	Registry   Registry // nil: every secret is Tumbler's
	Region     string   // where this runs
	RotatorARN string   // Tumbler's own native rotation function. Optional.
	MachineARN string   // the state machine rotation
}

// Survey walks through all secrets of the request and returns the first n whose
// position in the order comes after the given one ("" is the start). It relies
// neither on the order of ListSecrets nor on page tokens, which may expire between
// two waves, and keeps at most n secrets in memory.
func (f Source) Survey(ctx context.Context, r Request, after string, n int) (Survey, error) {
	s := Survey{Skipped: map[string]int{}}
	configured := func(string, string) bool { return true }
	if f.Registry != nil {
		var err error
		if configured, err = f.Registry.Configured(ctx); err != nil {
			return Survey{}, err
		}
	}
	var first latestFirst
	err := f.Secrets.List(ctx, r.Select, func(secret Secret) error {
		if !r.Select.matches(secret) {
			return nil
		}
		if why := f.skip(secret, configured); why != "" {
			s.Skipped[why]++
			return nil
		}
		if secret.rotatedBy(f.MachineARN, r.Resume) {
			s.Earlier++
			return nil
		}
		s.Total++
		p := ranked{order(secret.ARN), secret}
		if p.key > after && n > 0 && (len(first) < n || p.key < first[0].key) {
			heap.Push(&first, p)
			if len(first) > n {
				heap.Pop(&first)
			}
		}
		return nil
	})
	if err != nil {
		return Survey{}, err
	}
	s.First = make([]Secret, len(first))
	for i := len(first) - 1; i >= 0; i-- {
		s.First[i] = heap.Pop(&first).(ranked).Secret
	}
	return s, nil
}

// matches reports whether the selection includes the secret. The filters of
// ListSecrets match prefixes only, so tags and names are compared again here.
func (s Selection) matches(secret Secret) bool {
	for key, value := range s.Tags {
		if got, ok := secret.Tags[key]; !ok || got != value {
			return false
		}
	}
	return len(secret.Name) >= len(s.Prefix) && secret.Name[:len(s.Prefix)] == s.Prefix
}

// skip returns the reason for which Plan would refuse the secret, or "".
func (f Source) skip(s Secret, configured func(arn, name string) bool) string {
	switch {
	case s.Deleted:
		return SkipDeleted
	case s.PrimaryRegion != "" && s.PrimaryRegion != f.Region:
		return SkipReplica
	case s.OwningService != "":
		return SkipManaged
	case s.NativeRotationARN != "" && s.NativeRotationARN != f.RotatorARN:
		return SkipNative
	case !configured(s.ARN, s.Name):
		return SkipNotConfigured
	}
	return ""
}

// ranked is a secret with its position in the order of the fleet.
type ranked struct {
	key string
	Secret
}

// latestFirst is a heap with the last position on top.
type latestFirst []ranked

func (h latestFirst) Len() int           { return len(h) }
func (h latestFirst) Less(i, j int) bool { return h[i].key > h[j].key }
func (h latestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *latestFirst) Push(v any)        { *h = append(*h, v.(ranked)) }
func (h *latestFirst) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
