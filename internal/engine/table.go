package engine

import (
	"fmt"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Table maps an engine family ([secretdoc.Traits].Family) to what serves it.
type Table map[string]Engine

// For returns the engine that serves the document's database, or
// InvalidSecret.
func (t Table) For(doc secretdoc.Document) (Engine, error) {
	e, ok := t[doc.Traits().Family]
	if !ok {
		return nil, fault.New(fault.InvalidSecret,
			fmt.Sprintf("this function cannot talk to engine %q", doc.Engine),
			"Use a release of Tumbler whose engine table lists it")
	}
	return e, nil
}
