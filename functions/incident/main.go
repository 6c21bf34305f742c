// Command incident is the Lambda function that sends the alerts of executions that could
// not send them.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/watching"
)

func main() { lambdaboot.Start(watching.Incident) }
