// Package asl interprets the subset of Amazon States Language (JSONPath) that
// the state machines in package statemachine use, so that windows, waits,
// timeouts and retry back-off can be tested on a virtual clock and the sandbox
// can run the very definitions that are deployed.
//
// [Load] is strict: it refuses every field, operator and function that it does
// not know, so that a definition is never interpreted differently here than by
// AWS because a part of it was skipped. [Machine.Run] runs one execution:
//
//	m, err := asl.Load(statemachine.Rotation, map[string]string{"PlanFunctionArn": "arn:aws:lambda:..."})
//	result := m.Run(ctx, asl.Run{
//		Input: json.RawMessage(`{"secretId":"app/db"}`),
//		Task:  func(ctx context.Context, t asl.Task) (json.RawMessage, error) { ... },
//		Clock: asl.NewVirtualClock(time.Now()),
//	})
//
// The rules are those of the Amazon States Language specification
// (states-language.net) and of these pages of the AWS Step Functions Developer
// Guide: "Handling errors in Step Functions workflows", "Processing input and
// output in Step Functions", "Intrinsic functions for JSONPath states",
// "Accessing execution data from the Context object", "Restarting state machine
// executions with redrive", "Map workflow state", "Using Map state in Distributed
// mode" and "Step Functions service quotas".
//
// A Map runs its items INLINE or, DISTRIBUTED, as child executions with a history
// of their own; see [Run.Child] and [Run.MapRun].
//
// Not supported, and refused: JSONata, variables (Assign), heartbeats,
// activities, .waitForTaskToken and .sync except for nested executions, JSONPath
// beyond Reference Paths (names and indexes), and of Map: items from S3, batches,
// results in S3, and EXPRESS children.
package asl
