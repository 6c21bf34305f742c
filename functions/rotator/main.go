// Command rotator is a native rotation function: Secrets Manager calls it for all four
// steps.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/watching"
)

func main() { lambdaboot.Start(watching.Rotator(all.Deployed())) }
