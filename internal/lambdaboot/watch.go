package lambdaboot

import (
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/tumbler-rotation/tumbler/internal/alerttopic"
	"github.com/tumbler-rotation/tumbler/internal/incident"
)

// Incident builds the function incident.
func Incident(e Env) lambda.Handler {
	return handler(e, "incident", incident.Reporter{
		Executions: e.executions(), Secrets: e.secrets(), Now: e.Now,
		Topic: alerttopic.Topic{API: sns.NewFromConfig(e.AWS), ARN: e.AlertTopicARN},
	}.Run)
}
