package wire

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
)

// defaultKeep is how many things are kept when nobody says.
const defaultKeep = 1000

// Kept is the last things that happened, such as an outbox. It is safe for
// concurrent use.
type Kept[T any] struct {
	most int
	mu   sync.Mutex
	list []T
}

// NewKept keeps as many things; 0 is 1000.
func NewKept[T any](most int) *Kept[T] {
	if most == 0 {
		most = defaultKeep
	}
	return &Kept[T]{most: most}
}

// Add forgets the oldest thing if there are too many.
func (k *Kept[T]) Add(thing T) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = append(k.list, thing)
	if surplus := len(k.list) - k.most; surplus > 0 {
		k.list = append([]T(nil), k.list[surplus:]...)
	}
}

// All is what is kept, oldest first.
func (k *Kept[T]) All() []T {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.list)
}

// Page shows what is kept: {"name": [...]}.
func (k *Kept[T]) Page(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		// A reader that went away is nobody's concern.
		_ = json.NewEncoder(w).Encode(map[string]any{name: append([]T{}, k.All()...)})
	})
}
