package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tumbler-rotation/tumbler/internal/aws/secretsmgr"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/sandbox/sample"
)

// prober stands for applications without retries: about 100 times a second it
// reads AWSCURRENT and logs in with it.
type prober struct {
	accepted, refused atomic.Int64
	failed            atomic.Pointer[error] // any other failure
	began             time.Time
	took              time.Duration
	stop              func()
}

// probers is how many log in side by side, each at every pause.
const (
	probers = 4
	pause   = probers * 10 * time.Millisecond
)

func probe(ctx context.Context, client aws.Config, secretID string) *prober {
	ctx, cancel := context.WithCancel(ctx)
	p := &prober{began: time.Now()}
	secrets := secretsmgr.New(secretsmanager.NewFromConfig(client))
	var done sync.WaitGroup
	for i := range probers {
		done.Go(func() {
			time.Sleep(time.Duration(i) * pause / probers)
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					p.try(ctx, secrets, secretID)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	p.stop = func() {
		p.took = time.Since(p.began)
		cancel()
		done.Wait()
	}
	return p
}

func (p *prober) try(ctx context.Context, secrets *secretsmgr.Client, secretID string) {
	session, err := sample.Connect(ctx, secrets, all.Engines, secretID)
	if err == nil {
		session.Close()
	}
	switch {
	case ctx.Err() != nil:
	case err == nil:
		p.accepted.Add(1)
	case fault.Is(err, fault.LoginRefused):
		p.refused.Add(1)
	default:
		p.failed.Store(&err)
	}
}
