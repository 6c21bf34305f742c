// Command incident is the Lambda function that alerts of executions that could not
// alert themselves.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/watching"
)

func main() { lambdaboot.Start(watching.Incident) }
