package secretsmanager

import (
	"context"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

type tag struct {
	Key   string
	Value string
}

type tagInput struct {
	secretRef
	Tags []tag
}

type untagInput struct {
	secretRef
	TagKeys []string
}

// emptyOutput is the answer of operations that return nothing.
type emptyOutput struct{}

func (s *Service) tagResource(_ context.Context, call wire.Call, in *tagInput) (*emptyOutput, error) {
	id, err := in.id()
	if err := firstError(err, checkTags(in.Tags)); err != nil {
		return nil, err
	}
	if in.Tags == nil {
		return nil, length("tags", nil, 0, 0, required)
	}
	return s.editTags(call, id, func(tags []tag) []tag {
		for _, t := range in.Tags {
			i := slices.IndexFunc(tags, func(have tag) bool { return have.Key == t.Key })
			if i < 0 {
				tags = append(tags, t)
			} else {
				tags[i] = t
			}
		}
		return tags
	})
}

func (s *Service) untagResource(_ context.Context, call wire.Call, in *untagInput) (*emptyOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	if in.TagKeys == nil {
		return nil, length("tagKeys", nil, 0, 0, required)
	}
	return s.editTags(call, id, func(tags []tag) []tag {
		return slices.DeleteFunc(tags, func(t tag) bool { return slices.Contains(in.TagKeys, t.Key) })
	})
}

// editTags lets edit change a copy of the tags and stores it if it is within
// the quota.
func (s *Service) editTags(call wire.Call, id string, edit func([]tag) []tag) (*emptyOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.store(call)
	sec, err := st.active(id)
	if err != nil {
		return nil, err
	}
	if err := sec.managed.refuseReplica(st.scope.region); err != nil {
		return nil, err
	}
	tags := edit(slices.Clone(sec.tags))
	if len(tags) > maxTags {
		return nil, errTooManyTags()
	}
	if sec.tags != nil && tags == nil {
		tags = []tag{}
	}
	sec.tags = tags
	sec.changed = s.cfg.Now()
	return &emptyOutput{}, nil
}

// allTags is the secret's tags with those of the service that manages it, or
// nil when there have never been any.
func (sec *secret) allTags() []tag {
	if sec.tags == nil && sec.managed.Tags == nil {
		return nil
	}
	return append(append([]tag{}, sec.managed.tags()...), sec.tags...)
}

// checkTags applies the rules of "Tagging AWS resources", Tag naming limits.
func checkTags(tags []tag) *wire.Error {
	if len(tags) > maxTags {
		return errTooManyTags()
	}
	seen := map[string]bool{}
	for _, t := range tags {
		if err := firstError(
			length("tags.member.key", &t.Key, 1, maxTagKeyLength, required),
			length("tags.member.value", &t.Value, 0, maxTagValue, required),
		); err != nil {
			return err
		}
		switch {
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return errParameter("Tag keys starting with aws: are reserved for system use.")
		case seen[t.Key]:
			return errParameter("Tag key %s is given more than once.", t.Key)
		}
		seen[t.Key] = true
	}
	return nil
}

func errTooManyTags() *wire.Error {
	return errParameter("A secret can have at most %d tags.", maxTags)
}
