// Command heartbeat is the Lambda function that logs in with every AWSCURRENT.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/watching"
)

func main() { lambdaboot.Start(watching.Heartbeat(all.Deployed())) }
