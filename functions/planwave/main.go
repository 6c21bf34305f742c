// Command planwave is the Lambda function of the state PlanWave.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/planning"
)

func main() { lambdaboot.Start(planning.PlanWave) }
