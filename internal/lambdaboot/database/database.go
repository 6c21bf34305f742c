// Package database builds the functions that connect to the database in a rotation. They
// need Secrets Manager, and RDS and Redshift to find a database's address.
package database

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/tumbler-rotation/tumbler/internal/aws/rdsapi"
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/lambdaboot"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// SetSecret builds the function setsecret.
func SetSecret(engines engine.Table) lambdaboot.Builder {
	return func(e lambdaboot.Env) lambda.Handler {
		return lambdaboot.Handler(e, "setsecret", rotation.Set{
			Secrets: e.Secrets(), Databases: rdsapi.For(e.AWS).Direct(engines), Servers: rdsapi.For(e.AWS), Now: e.Now,
		}.Run)
	}
}

// TestSecret builds the function testsecret.
func TestSecret(engines engine.Table) lambdaboot.Builder {
	return func(e lambdaboot.Env) lambda.Handler {
		test := rotation.Test{Secrets: e.Secrets(), Databases: rdsapi.For(e.AWS).Direct(engines), Cache: &rotation.VersionCache{}}
		return lambdaboot.ReadyOr(lambdaboot.Handler(e, "testsecret", test.Ready), lambdaboot.Handler(e, "testsecret", test.Run))
	}
}

// Restore builds the function restore.
func Restore(engines engine.Table) lambdaboot.Builder {
	return func(e lambdaboot.Env) lambda.Handler {
		restore := rotation.Restore{
			Secrets: e.Secrets(), Databases: rdsapi.For(e.AWS).Direct(engines), Servers: rdsapi.For(e.AWS), Runbook: e.Runbook, Now: e.Now, Sleep: e.Sleep,
		}
		return lambdaboot.ReadyOr(lambdaboot.Handler(e, "restore", restore.Ready), lambdaboot.Handler(e, "restore", restore.Run))
	}
}
