// Command rotateimmediately is a custom resource of CloudFormation: it starts a rotation
// of a secret that has rotateImmediately when its configuration is added to the stack or
// changed, and at no other deployment.
package main

import (
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	cfg := lambdaboot.AWS(os.Getenv)
	lambda.Start(cfn.LambdaWrap(starter{api: sfn.NewFromConfig(cfg), log: log}.handle))
}
