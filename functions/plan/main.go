// Command plan is the Lambda function of the state Plan.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/planning"
)

func main() { lambdaboot.Start(planning.Plan) }
