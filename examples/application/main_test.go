package main

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox"
)

func TestMain(m *testing.M) { leakcheck.Main(dbtest.Stopping(m)) }

// The password rotates three times under an application that opens a new connection for
// each request. One kind does not notice; the other cannot log in after the first.
func TestSurvivesRotation(t *testing.T) {
	for name, careless := range map[string]bool{"reads again": false, "reads once": true} {
		t.Run(name, func(t *testing.T) {
			db := dbtest.Postgres(t)
			box, err := sandbox.Start(t.Context(), sandbox.Config{Engines: all.Engines})
			if err != nil {
				t.Fatal(err)
			}
			defer box.Close()
			secrets, states := secretsmanager.NewFromConfig(box.AWS("application")), sfn.NewFromConfig(box.AWS("test"))
			if _, err := secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
				Name: aws.String("prod/app"), SecretString: aws.String(db.Document(nil).Encode().Reveal()),
			}); err != nil {
				t.Fatal(err)
			}
			app, err := open(t.Context(), secrets, "prod/app", careless)
			if err != nil {
				t.Fatal(err)
			}
			defer app.pool.Close()
			if err := app.serve(t.Context()); err != nil {
				t.Fatal(err)
			}
			served, failed := under(app, func() {
				for range 3 {
					started, err := states.StartExecution(t.Context(), &sfn.StartExecutionInput{
						StateMachineArn: &box.StateMachineARN, Input: aws.String(`{"secretId":"prod/app"}`),
					})
					if err != nil {
						t.Fatal(err)
					}
					if r, err := box.Wait(t.Context(), aws.ToString(started.ExecutionArn)); err != nil || r.Error != "" {
						t.Fatal(r.Error, err)
					}
				}
			})
			if failed > 0 != careless || served == 0 && !careless {
				t.Errorf("%d requests served, %d failed", served, failed)
			}
		})
	}
}

// under makes requests, each with a connection of its own, while do runs and once after.
func under(app *application, do func()) (served, failed int64) {
	var good, bad atomic.Int64
	request := func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		app.pool.Reset() // as if every connection had reached the end of its life
		if app.serve(ctx) == nil {
			good.Add(1)
		} else {
			bad.Add(1)
		}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				request()
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	request()
	return good.Load(), bad.Load()
}
