package iam

import (
	"net/http"
	"strings"

	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

// Secret is what IAM and KMS know of a secret.
type Secret struct {
	ARN string
	Key string // ARN of the customer managed key, or ""
}

// Identify says which secret a caller means.
type Identify func(call wire.Call, secretID string) Secret

// Authorize decides about an API call of one of the roles. The resources are those
// of the Service Authorization Reference.
func (d *Deployment) Authorize(role string, call wire.Call, identify Identify) *wire.Error {
	requests, known := d.requests(call, identify)
	if !known {
		return &wire.Error{Code: "InternalFailure", Status: http.StatusInternalServerError, Message: "The sandbox does not know which permission " + call.Service + ":" + call.Operation + " takes."}
	}
	err := d.May(role, requests...)
	if err == nil {
		return nil
	}
	if strings.Contains(err.Message, "kms:") { // told to Secrets Manager, or to SNS
		if call.Service == "sns" {
			return &wire.Error{Code: "KMSAccessDenied", Status: http.StatusBadRequest, Message: err.Message}
		}
		return wire.Errorf("AccessDeniedException", "Access to KMS is not allowed")
	}
	switch call.Service { // the same refusal has other names
	case "secretsmanager", "events", "states":
		err.Status = http.StatusBadRequest
	case "sns":
		err.Code = "AuthorizationError"
	case "rds", "redshift":
		err.Code = "AccessDenied"
	}
	return err
}

// requests are the questions that a call puts to IAM.
func (d *Deployment) requests(call wire.Call, identify Identify) (requests []Request, known bool) {
	action := call.Service + ":" + call.Operation
	on := func(arns ...string) (list []Request, known bool) {
		for _, arn := range arns {
			list = append(list, Request{Action: action, Resource: arn})
		}
		return list, true
	}
	arn := func(resource string) string { return ARN(call.Service, resource) }
	switch action {
	case "secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds", "secretsmanager:UpdateSecretVersionStage":
		return on(identify(call, call.Resource).ARN)
	case "secretsmanager:GetSecretValue":
		secret := identify(call, call.Resource)
		requests, known = on(secret.ARN)
		return append(requests, secret.crypt("kms:Decrypt")...), known
	case "secretsmanager:PutSecretValue":
		secret := identify(call, call.Resource)
		requests, known = on(secret.ARN)
		return append(requests, secret.crypt("kms:GenerateDataKey", "kms:Decrypt")...), known
	case "secretsmanager:GetRandomPassword", "secretsmanager:ListSecrets", "scheduler:ListSchedules", "redshift:DescribeClusters":
		return on("*")
	case "states:ListStateMachines":
		return on("*")
	case "lambda:Invoke":
		name := call.Resource[strings.LastIndexByte(call.Resource, ':')+1:]
		return []Request{{Action: "lambda:InvokeFunction", Resource: ARN("lambda", "function:"+name)}}, true
	case "states:DescribeMapRun", "states:ListMapRuns", "states:StopExecution", "states:ListExecutions", "states:StartExecution", "states:DescribeExecution", "states:GetExecutionHistory":
		return on(call.Resource)
	case "scheduler:GetSchedule", "scheduler:UpdateSchedule":
		return on(arn("schedule/" + call.Resource))
	case "rds:DescribeDBInstances":
		return on(arn("db:" + orAll(call.Resource)))
	case "rds:DescribeDBClusters":
		return on(arn("cluster:" + orAll(call.Resource)))
	case "rds:DescribeDBProxies":
		return on(arn("db-proxy:*"))
	case "rds:DescribeDBProxyEndpoints":
		return on(arn("db-proxy:*"), arn("db-proxy-endpoint:*"))
	case "rds:DescribeDBProxyTargets":
		return on(arn("db-proxy:*"), arn("target-group:*"), arn("db:*"), arn("cluster:*"))
	case "events:PutEvents":
		return on(arn("event-bus/default"))
	case "sns:Publish":
		requests, known = on(call.Resource)
		if call.Resource == d.Topic && d.Key != "" {
			for _, action := range []string{"kms:GenerateDataKey", "kms:Decrypt"} {
				requests = append(requests, Request{action, d.Key, map[string]string{"kms:ViaService": "sns." + Region + ".amazonaws.com"}})
			}
		}
		return requests, known
	}
	return nil, false
}

func (s Secret) crypt(actions ...string) (requests []Request) {
	if s.Key == "" {
		return nil
	}
	for _, action := range actions {
		requests = append(requests, Request{action, s.Key, map[string]string{
			"kms:ViaService": "secretsmanager." + Region + ".amazonaws.com", "kms:EncryptionContext:SecretARN": s.ARN,
		}})
	}
	return requests
}

// ARN is of a resource of the deployment's account and Region.
func ARN(service, resource string) string {
	return "arn:aws:" + service + ":" + Region + ":" + Account + ":" + resource
}

func orAll(id string) string {
	if id == "" {
		return "*"
	}
	return id
}
