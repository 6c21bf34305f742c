// Package deployed runs the Task states of the sandbox's state machine in the
// functions' own binaries, each a process behind the Lambda Runtime API, as on
// AWS.
package deployed

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/lambdaruntime"
)

// Functions runs the binaries DIR/FUNCTION/bootstrap.
type Functions struct {
	Dir  string    // Required.
	Logs io.Writer // what the processes print. Optional.
	Env  []string  // NAME=VALUE for every function, beside what says where AWS is. Optional.

	// OnStart is told how long a process took from its start to its first
	// answer. Optional.
	OnStart func(function string, took time.Duration)

	mu      sync.Mutex
	url     string
	running map[string]*lambdaruntime.Process

	writing sync.Mutex // of Logs
}

// Connect says where the functions find AWS: the sandbox, or what stands before it. It
// must be called before the first task runs.
func (f *Functions) Connect(url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.url = url
}

// Wrap is for sandbox.Config.Task.
func (f *Functions) Wrap(next asl.TaskFunc) asl.TaskFunc {
	return func(ctx context.Context, task asl.Task) (json.RawMessage, error) {
		_, function, isLambda := strings.Cut(task.Resource, ":function:tumbler-")
		function, _, _ = strings.Cut(function, ":") // without the version
		if !isLambda {
			return next(ctx, task)
		}
		result, err := f.invoke(ctx, function, task.Resource, task.Input)
		switch {
		case err != nil:
			return nil, &asl.Failure{Name: "Lambda.Unknown", Cause: err.Error()}
		case result.Failed:
			var failed struct {
				Type string `json:"errorType"`
			}
			if err := json.Unmarshal(result.Payload, &failed); err != nil {
				return nil, err
			}
			return nil, &asl.Failure{Name: failed.Type, Cause: string(result.Payload)}
		}
		return result.Payload, nil
	}
}

func (f *Functions) invoke(ctx context.Context, function, arn string, payload []byte) (lambdaruntime.Result, error) {
	began := time.Now()
	process, cold, err := f.process(function, arn)
	if err != nil {
		return lambdaruntime.Result{}, err
	}
	result, err := process.Invoke(ctx, payload)
	if err != nil {
		f.Kill(function)
		return result, err
	}
	if cold && f.OnStart != nil {
		f.OnStart(function, time.Since(began))
	}
	return result, nil
}

// process returns the function's process and whether it was just started.
func (f *Functions) process(function, arn string) (*lambdaruntime.Process, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p, ok := f.running[function]; ok {
		return p, false, nil
	}
	p, err := lambdaruntime.Start(lambdaruntime.Function{
		Bootstrap: filepath.Join(f.Dir, function, "bootstrap"),
		ARN:       arn,
		Logs:      (*logs)(f),
		Env: append(slices.Clone(f.Env),
			"AWS_ENDPOINT_URL="+f.url, "AWS_REGION="+sandbox.Region,
			"AWS_ACCESS_KEY_ID="+function, "AWS_SECRET_ACCESS_KEY=sandbox",
			"AWS_LAMBDA_FUNCTION_NAME=tumbler-"+function,
		),
	})
	if err != nil {
		return nil, false, fmt.Errorf("function %s: %w", function, err)
	}
	if f.running == nil {
		f.running = map[string]*lambdaruntime.Process{}
	}
	f.running[function] = p
	return p, true, nil
}

// Kill ends a function's process (SIGKILL), if it has one. The next invocation
// starts another.
func (f *Functions) Kill(function string) {
	f.mu.Lock()
	p := f.running[function]
	delete(f.running, function)
	f.mu.Unlock()
	if p != nil {
		p.Kill()
	}
}

// Close ends every process.
func (f *Functions) Close() {
	f.mu.Lock()
	running := f.running
	f.running = nil
	f.mu.Unlock()
	for _, p := range running {
		p.Kill()
	}
}

// logs lets several processes write to Functions.Logs.
type logs Functions

func (l *logs) Write(p []byte) (int, error) {
	if l.Logs == nil {
		return len(p), nil
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.Logs.Write(p)
}
