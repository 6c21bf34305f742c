// Command restore is the Lambda function of the state Restore.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
)

func main() { lambdaboot.Start(lambdaboot.Restore(all.Deployed())) }
