// Package stepfunctions is the sandbox's AWS Step Functions: the part of its
// API that starts, watches, stops and redrives executions of standard
// workflows, on package asl. It is put behind package wire's endpoint, so that
// the AWS CLI, boto3 and every SDK work against it.
//
// State machines are registered from Go with [Service.Register]; the API cannot
// create or change them. What tasks do is up to [Config.Task].
//
// It follows the AWS Step Functions API Reference and these pages of the
// Developer Guide: "Restarting state machine executions with redrive in Step
// Functions" and "Step Functions service quotas". Executions live in memory;
// closed ones are forgotten when there are more than [Config.Keep].
package stepfunctions
