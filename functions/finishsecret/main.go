// Command finishsecret is the Lambda function of the state FinishSecret.
package main

import "github.com/tumbler-rotation/tumbler/internal/lambdaboot"

func main() { lambdaboot.Start(lambdaboot.FinishSecret) }
