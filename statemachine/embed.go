// Package statemachine holds the state machine definitions.
package statemachine

import _ "embed"

// Rotation is the Amazon States Language definition of one rotation. Its
// ${...} placeholders are filled in by the deployment (DefinitionSubstitutions)
// or by the sandbox.
//
//go:embed rotation.asl.json
var Rotation []byte
