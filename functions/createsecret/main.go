// Command createsecret is the Lambda function of the state CreateSecret.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/planning"
)

func main() { lambdaboot.Start(planning.CreateSecret) }
