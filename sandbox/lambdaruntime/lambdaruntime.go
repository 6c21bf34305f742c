// Package lambdaruntime runs a deployed function's own binary: it serves the
// AWS Lambda Runtime API (Lambda developer guide, "Using the Lambda runtime API
// for custom runtimes") on loopback to a bootstrap process.
//
// Tests use it to rotate with the very binaries that are deployed, and to kill
// them; benchmarks use it to measure cold starts.
package lambdaruntime

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"time"
)

// Function says which function to run.
type Function struct {
	Bootstrap string    // path of the executable. Required.
	ARN       string    // what the function is told is its ARN. Optional.
	Env       []string  // environment variables, KEY=value; nothing is inherited
	Logs      io.Writer // stdout and stderr of the process. Optional.
}

// Result is a function's answer.
type Result struct {
	Payload []byte
	Failed  bool // Payload is the error object
}

// Process is one execution environment: a process that answers one invocation
// after another.
type Process struct {
	cmd     *exec.Cmd
	server  *http.Server
	arn     string
	next    chan invocation
	current atomic.Pointer[invocation] // the one that the process works on
	exited  chan struct{}
}

type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	result   chan Result
}

// ErrExited is returned when the process ended without an answer.
var ErrExited = errors.New("the function's process ended without an answer")

// Start starts the process. The caller calls Kill in the end.
func Start(f Function) (*Process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serving the Lambda Runtime API: %w", err)
	}
	p := &Process{arn: f.ARN, next: make(chan invocation), exited: make(chan struct{})}
	p.server = &http.Server{Handler: p.routes(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = p.server.Serve(listener) }()

	p.cmd = exec.Command(f.Bootstrap)
	p.cmd.Env = append([]string{"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "PATH=" + os.Getenv("PATH")}, f.Env...)
	p.cmd.Stdout, p.cmd.Stderr = f.Logs, f.Logs
	if err := p.cmd.Start(); err != nil {
		_ = p.server.Close()
		return nil, fmt.Errorf("starting %s: %w", f.Bootstrap, err)
	}
	go func() {
		_ = p.cmd.Wait() // killed, as a rule
		close(p.exited)
	}()
	return p, nil
}

// Invoke sends a payload and waits for the answer. The function sees ctx's
// deadline as its own.
func (p *Process) Invoke(ctx context.Context, payload []byte) (Result, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(15 * time.Minute)
	}
	call := invocation{id: rand.Text(), payload: payload, deadline: deadline, result: make(chan Result, 1)}
	select {
	case p.next <- call:
	case <-p.exited:
		return Result{}, ErrExited
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	select {
	case r := <-call.result:
		return r, nil
	case <-p.exited:
		return Result{}, ErrExited
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// Kill ends the process at once (SIGKILL) and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.exited
	_ = p.server.Close()
}

const api = "/2018-06-01/runtime/"

func (p *Process) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+api+"invocation/next", p.handOut)
	mux.HandleFunc("POST "+api+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { p.take(w, r, false) })
	mux.HandleFunc("POST "+api+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { p.take(w, r, true) })
	mux.HandleFunc("POST "+api+"init/error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	return mux
}

func (p *Process) handOut(w http.ResponseWriter, r *http.Request) {
	var call invocation
	select {
	case call = <-p.next:
	case <-r.Context().Done():
		return
	}
	p.current.Store(&call)
	header := w.Header()
	header.Set("Lambda-Runtime-Aws-Request-Id", call.id)
	header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(call.deadline.UnixMilli(), 10))
	header.Set("Lambda-Runtime-Invoked-Function-Arn", p.arn)
	header.Set("Content-Type", "application/json")
	_, _ = w.Write(call.payload) // a process that is gone is noticed elsewhere
}

func (p *Process) take(w http.ResponseWriter, r *http.Request, failed bool) {
	body, err := io.ReadAll(r.Body)
	call := p.current.Load()
	if err != nil || call == nil || call.id != r.PathValue("id") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	call.result <- Result{Payload: body, Failed: failed}
}
