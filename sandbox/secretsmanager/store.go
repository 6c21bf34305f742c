package secretsmanager

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// scope is what secrets are kept apart by.
type scope struct{ account, region string }

// store holds the secrets of one scope by name.
type store struct {
	scope   scope
	secrets map[string]*secret
}

// secret is one secret with its versions.
type secret struct {
	arn, name   string
	description string
	kmsKeyID    string
	tags        []tag // nil until the secret has been tagged

	created, changed, accessed time.Time
	deletion                   time.Time // end of the recovery window, or zero

	versions []*version // oldest first
	labels   labels

	rotation rotationState
	managed  Managed
}

// version is one version of a secret.
type version struct {
	id                string
	created, accessed time.Time
	// value is nil in the version that RotateSecret registers for the
	// rotation function to fill.
	value *value
}

// value is what a version holds: text or bytes.
type value struct {
	text   string
	binary []byte // nil for text
}

func (v *value) equal(o *value) bool {
	return v.text == o.text && bytes.Equal(v.binary, o.binary) && (v.binary == nil) == (o.binary == nil)
}

// rotationState is a secret's native rotation.
type rotationState struct {
	configured bool // rotation has been set up at some time
	enabled    bool
	lambdaARN  string
	rules      *RotationRules
	last, next time.Time
	// token is the version that an unfinished rotation works on, or "".
	token string
	// job is what works on it; nil when nothing does.
	job *job
}

func (sec *secret) version(id string) *version {
	for _, v := range sec.versions {
		if v.id == id {
			return v
		}
	}
	return nil
}

func (s *Service) store(call wire.Call) *store {
	return s.storeAt(scope{call.Caller.Account, call.Caller.Region})
}

func (s *Service) storeAt(at scope) *store {
	st, ok := s.scopes[at]
	if !ok {
		st = &store{scope: at, secrets: map[string]*secret{}}
		s.scopes[at] = st
	}
	s.purge(st)
	return st
}

// purge drops the secrets whose recovery window is over. AWS does it "as a
// background task with low priority" (DeleteSecret).
func (s *Service) purge(st *store) {
	now := s.cfg.Now()
	for name, sec := range st.secrets {
		if !sec.deletion.IsZero() && now.After(sec.deletion) {
			delete(st.secrets, name)
		}
	}
}

// suffixed matches an ARN that looks complete: AWS takes a name that ends like
// this for a complete ARN (user guide: "Find a secret from a partial ARN").
var suffixed = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

// find looks a secret up by its name, its ARN, or its ARN without the random
// suffix.
func (st *store) find(secretID string) (*secret, *wire.Error) {
	if sec, ok := st.secrets[secretID]; ok {
		return sec, nil
	}
	rest, isARN := strings.CutPrefix(secretID, st.arnPrefix())
	if !isARN {
		return nil, errNoSecret()
	}
	for _, sec := range st.secrets {
		if sec.arn == secretID {
			return sec, nil
		}
	}
	if sec, ok := st.secrets[rest]; ok && !suffixed.MatchString(rest) {
		return sec, nil
	}
	return nil, errNoSecret()
}

// active is find for the operations that a deleted secret refuses.
func (st *store) active(secretID string) (*secret, *wire.Error) {
	sec, err := st.find(secretID)
	if err != nil {
		return nil, err
	}
	if !sec.deletion.IsZero() {
		return nil, errDeleted()
	}
	return sec, nil
}

// writable is active for the operations that change a secret.
func (st *store) writable(secretID string) (*secret, *wire.Error) {
	sec, err := st.active(secretID)
	if err != nil {
		return nil, err
	}
	if err := sec.managed.refuseWrite(st.scope.region); err != nil {
		return nil, err
	}
	return sec, nil
}

func (st *store) arnPrefix() string {
	partition := "aws"
	switch {
	case strings.HasPrefix(st.scope.region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(st.scope.region, "us-gov-"):
		partition = "aws-us-gov"
	}
	return fmt.Sprintf("arn:%s:secretsmanager:%s:%s:secret:", partition, st.scope.region, st.scope.account)
}

// newARN appends six random characters, so that a secret made anew under an old
// name is a different one to IAM policies (CreateSecret, Name).
func (st *store) newARN(name string) string {
	return st.arnPrefix() + name + "-" + randomText(6)
}

func randomText(n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[randomInt(len(alphabet))]
	}
	return string(b)
}

// randomInt is uniform in [0, n).
func randomInt(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return int(i.Int64())
}
