// Package docs hands the runbook to the program: alerts quote it, and `tumbler explain`
// prints it.
package docs

import _ "embed"

// Runbook is runbook.md.
//
//go:embed runbook.md
var Runbook string
