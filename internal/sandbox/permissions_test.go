package sandbox_test

import (
	"sync"

	"github.com/tumbler-rotation/tumbler/internal/sandbox/iam"
)

// permissions is what of the policies has allowed something in any test.
var permissions usage

type usage struct {
	mu   sync.Mutex
	uses map[iam.Use]bool
}

func (u *usage) note(use iam.Use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.uses == nil {
		u.uses = map[iam.Use]bool{}
	}
	u.uses[use] = true
}
