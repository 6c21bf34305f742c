// Command setsecret is the Lambda function of the state SetSecret.
package main

import (
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot/database"
)

func main() { lambdaboot.Start(database.SetSecret(all.Deployed())) }
