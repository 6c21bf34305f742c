// Package statemachine holds the state machine definitions.
package statemachine

import _ "embed"

// Rotation is the Amazon States Language definition of one rotation. The deployment
// (with Fn::Sub) or the sandbox fills in its ${...} placeholders.
//
//go:embed rotation.asl.json
var Rotation []byte

// Fleet is the definition of the rotation of many secrets, which runs Rotation
// for each.
//
//go:embed fleet.asl.json
var Fleet []byte
