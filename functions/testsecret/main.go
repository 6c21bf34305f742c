// Command testsecret is the Lambda function of the state TestSecret.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/database"
)

func main() { lambdaboot.Start(database.TestSecret(all.Deployed())) }
