// Command heartbeat is the Lambda function that logs in with every AWSCURRENT.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
)

func main() { lambdaboot.Start(lambdaboot.Heartbeat(all.Deployed())) }
