// Command listsecrets is the Lambda function of the state ChooseNext of a fleet.
package main

import "github.com/tumbler-rotation/tumbler/internal/lambdaboot"

func main() { lambdaboot.Start(lambdaboot.ListSecrets) }
