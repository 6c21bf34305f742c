// Command registry is a custom resource of CloudFormation: it makes the schedules of a
// deployment that has too many for a template. The list of them is in its package.
package main

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	cfg := lambdaboot.AWS(os.Getenv)
	lambda.Start(cfn.LambdaWrap(applier{
		file: filepath.Join(os.Getenv("LAMBDA_TASK_ROOT"), registry.File), log: log,
		client: func(group string) *registry.Client { return registry.New(scheduler.NewFromConfig(cfg), group) },
	}.handle))
}
