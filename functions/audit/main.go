// Command audit is the Lambda function that looks for rotations that did not
// happen.
package main

import "github.com/tumbler-rotation/tumbler/internal/lambdaboot"

func main() { lambdaboot.Start(lambdaboot.Audit) }
