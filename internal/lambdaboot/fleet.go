package lambdaboot

import (
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/fleet"
)

// ListSecrets builds the function listsecrets.
func ListSecrets(e Env) lambda.Handler {
	next := fleet.Next{
		Source: fleet.Source{Secrets: e.secrets(), Region: e.AWS.Region, RotatorARN: e.RotatorARN},
		Labels: e.secrets(), Executions: e.executions(),
	}
	if e.ScheduleGroup != "" {
		next.Registry = registry.New(scheduler.NewFromConfig(e.AWS), e.ScheduleGroup)
	}
	return handler(e, "listsecrets", next.Run)
}
