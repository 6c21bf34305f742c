// Command createsecret is the Lambda function of the state CreateSecret.
package main

import "github.com/tumbler-rotation/tumbler/internal/lambdaboot"

func main() { lambdaboot.Start(lambdaboot.CreateSecret) }
