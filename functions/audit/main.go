// Command audit is the Lambda function that looks for rotations that did not
// happen.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/watching"
)

func main() { lambdaboot.Start(watching.Audit) }
