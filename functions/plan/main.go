// Command plan is the Lambda function of the state Plan.
package main

import "github.com/tumbler-rotation/tumbler/internal/lambdaboot"

func main() { lambdaboot.Start(lambdaboot.Plan) }
