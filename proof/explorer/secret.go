package explorer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// secret is one secret with the rules of Secrets Manager, as sandbox has
// them, without its wire.
type secret struct {
	arn       string
	rotatedBy string // native rotation is on, through this function
	versions  []version
	labels    []labelled
}

type version struct {
	id      string
	value   string // "": RotateSecret has registered it and nobody has stored a value
	login   login  // what value says
	created time.Time
}

// login is with what to log in where.
type login struct{ address, user, password string }

type labelled struct{ label, id string }

func (s secret) clone() secret {
	s.versions, s.labels = slices.Clone(s.versions), slices.Clone(s.labels)
	return s
}

func (s *secret) version(id string) *version {
	for i := range s.versions {
		if s.versions[i].id == id {
			return &s.versions[i]
		}
	}
	return nil
}

// holder is the version that a label is on, or "".
func (s *secret) holder(label string) string {
	for _, l := range s.labels {
		if l.label == label {
			return l.id
		}
	}
	return ""
}

func (s *secret) isLabelled(id string) bool {
	return slices.ContainsFunc(s.labels, func(l labelled) bool { return l.id == id })
}

// attach puts a label on a version. AWSPREVIOUS follows AWSCURRENT.
func (s *secret) attach(label, id string) {
	left := s.holder(label)
	s.detach(label)
	s.labels = append(s.labels, labelled{label, id})
	slices.SortFunc(s.labels, func(a, b labelled) int { return strings.Compare(a.label, b.label) })
	if label == rotation.Current && left != "" && left != id {
		s.attach(rotation.Previous, left)
	}
}

func (s *secret) detach(label string) {
	s.labels = slices.DeleteFunc(s.labels, func(l labelled) bool { return l.label == label })
}

// register is what RotateSecret does: an empty version under AWSPENDING.
func (s *secret) register(id string, now time.Time) {
	s.versions = append(s.versions, version{id: id, created: s.after(now)})
	slices.SortFunc(s.versions, func(a, b version) int { return strings.Compare(a.id, b.id) })
	s.attach(rotation.Pending, id)
}

// after makes each version a moment younger than those before it, although the
// clock stands still.
func (s *secret) after(now time.Time) time.Time {
	return now.Add(time.Duration(len(s.versions)) * time.Millisecond)
}

// put is PutSecretValue. It does nothing when the version has a value.
func (s *secret) put(id, label string, v version) {
	v.created = s.after(v.created)
	if known := s.version(id); known == nil {
		s.versions = append(s.versions, v)
		slices.SortFunc(s.versions, func(a, b version) int { return strings.Compare(a.id, b.id) })
	} else if known.value == "" {
		known.value, known.login = v.value, v.login
	} else {
		return
	}
	s.attach(label, id)
}

// What UpdateSecretVersionStage answers.
const (
	done      = "done"
	elsewhere = "elsewhere" // InvalidParameterException: nothing has changed
	missing   = "missing"   // ResourceNotFoundException
)

// move is UpdateSecretVersionStage.
func (s *secret) move(label, from, to string) string {
	holder := s.holder(label)
	switch {
	case from != "" && from != holder, to == "" && (label == rotation.Current || from == ""):
		return elsewhere
	case to == "":
		s.detach(label)
		return done
	}
	if v := s.version(to); v == nil || v.value == "" {
		return missing
	}
	switch {
	case holder == to:
		return done
	case holder != "" && from == "":
		return elsewhere
	}
	s.attach(label, to)
	return done
}

// prune deletes the versions without a label, as Secrets Manager may after a day.
func (s *secret) prune() {
	s.versions = slices.DeleteFunc(s.versions, func(v version) bool { return !s.isLabelled(v.id) })
}

// current is what applications read.
func (s *secret) current() login {
	if v := s.version(s.holder(rotation.Current)); v != nil {
		return v.login
	}
	return login{}
}

func (s *secret) hash(d digest) digest {
	for _, v := range s.versions {
		d = d.add(v.id, v.value).number(uint64(v.created.UnixNano()))
	}
	for _, l := range s.labels {
		d = d.add(l.label, l.id)
	}
	return d
}

func (l login) String() string { return fmt.Sprintf("%s:%s", l.user, l.password) }
