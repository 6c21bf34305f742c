package fleet

import (
	"container/heap"
	"context"
)

// Why a selected secret is left out. Rotating it would be refused anyway.
const (
	SkipDeleted       = "scheduled for deletion"
	SkipReplica       = "a replica"
	SkipManaged       = "managed by another AWS service"
	SkipNative        = "rotated by Secrets Manager itself"
	SkipNotConfigured = "not configured in this deployment"
)

// Survey says what a request would rotate.
type Survey struct {
	Total   int            // to rotate
	Earlier int            // left out: rotated by the fleets that are resumed
	Skipped map[string]int // by why

	// First are the first ones in the order of the fleet, as many as were asked
	// for.
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

// Survey walks through all secrets of the request and returns the first n that
// come after a place in the order. It does not rely on the order in which
// ListSecrets tells of them, nor on tokens that may expire between two waves,
// and keeps no more than n secrets in memory.
func (f Source) Survey(ctx context.Context, r Request, after string, n int) (Survey, error) {
	s := Survey{Skipped: map[string]int{}}
	configured := func(string, string) bool { return true }
	if f.Registry != nil {
		var err error
		if configured, err = f.Registry.Configured(ctx); err != nil {
			return Survey{}, err
		}
	}
	var first places
	err := f.Secrets.List(ctx, r.Select, func(secret Secret) error {
		if !r.Select.means(secret) {
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
		p := place{order(secret.ARN), secret}
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
		s.First[i] = heap.Pop(&first).(place).Secret
	}
	return s, nil
}

// means reports whether the secret is one of the selection. The filters of
// ListSecrets match prefixes of tags, so this is where they are compared.
func (s Selection) means(secret Secret) bool {
	for key, value := range s.Tags {
		if got, ok := secret.Tags[key]; !ok || got != value {
			return false
		}
	}
	return len(secret.Name) >= len(s.Prefix) && secret.Name[:len(s.Prefix)] == s.Prefix
}

// skip says why the secret cannot be rotated, as Plan would, or "".
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

// place is a secret in the order of the fleet.
type place struct {
	key string
	Secret
}

// places is a heap with the last place on top.
type places []place

func (p places) Len() int           { return len(p) }
func (p places) Less(i, j int) bool { return p[i].key > p[j].key }
func (p places) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }
func (p *places) Push(v any)        { *p = append(*p, v.(place)) }
func (p *places) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}
