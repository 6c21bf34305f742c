// Command hello is the least that a Go function can be: what the functions' starts are
// measured against.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() { lambda.Start(func() error { return nil }) }
