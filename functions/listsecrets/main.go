// Command listsecrets is the Lambda function of the state ChooseNext of a fleet.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/planning"
)

func main() { lambdaboot.Start(planning.ListSecrets) }
