// Command preflight is the Lambda function that reports whether a secret would
// rotate. It changes nothing.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/watching"
)

func main() { lambdaboot.Start(watching.Preflight(all.Deployed())) }
