package secondopinion

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/deployed"
)

func TestMain(m *testing.M) { leakcheck.Main(dbtest.Stopping(m)) }

// world is all of AWS but Step Functions: the sandbox's services, and the functions'
// own binaries. Each interpreter has one of its own.
type world struct {
	*testing.T
	box         *sandbox.Sandbox
	secrets     *secretsmanager.Client
	task        asl.TaskFunc      // performs a Task state
	definitions map[string]string // by the state machine's ARN, as deployed
	front       *httptest.Server  // where the functions and the interpreter find AWS
	states      *url.URL          // Step Functions
	existing    asl.TaskFunc      // performs a step of the rotation function that is there already
}

// existingARN is a rotation function that was there before Tumbler. Its code is that of
// our own rotator, which keeps to Secrets Manager's contract, too.
const existingARN = "arn:aws:lambda:us-east-1:123456789012:function:SecretsManagerRotation"

// hasty pauses a tenth as long: retries and waits.
type hasty struct{ asl.RealClock }

func (h hasty) Sleep(ctx context.Context, d time.Duration) error { return h.RealClock.Sleep(ctx, d/10) }

// Invoke is that function's handler.
func (w *world) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	output, err := w.existing(ctx, asl.Task{Resource: strings.ReplaceAll(existingARN, "SecretsManagerRotation", "tumbler-rotator"), Input: payload})
	if failure, ok := errors.AsType[*asl.Failure](err); ok {
		return nil, messages.InvokeResponse_Error{Type: failure.Name, Message: failure.Cause}
	}
	return output, err
}

func newWorld(t *testing.T, binaries string) *world {
	t.Helper()
	w := &world{T: t, definitions: map[string]string{}}
	functions := &deployed.Functions{Dir: binaries, Env: []string{"TUMBLER_ROTATION_FUNCTIONS=" + existingARN}}
	w.existing = functions.Wrap(nil)
	var err error
	w.box, err = sandbox.Start(t.Context(), sandbox.Config{
		Clock: hasty{}, Functions: map[string]sandbox.Function{existingARN: {Handler: w, Timeout: time.Minute}},
		Task: func(integrations asl.TaskFunc) asl.TaskFunc {
			w.task = functions.Wrap(integrations)
			return w.task
		},
	})
	w.check(err)
	t.Cleanup(w.box.Close)
	t.Cleanup(functions.Close)
	w.front = httptest.NewServer(w)
	t.Cleanup(w.front.Close)
	functions.Connect(w.front.URL)
	w.states, err = url.Parse(w.box.URL)
	w.check(err)
	w.secrets = secretsmanager.NewFromConfig(w.box.AWS("test"))
	for _, arn := range []string{w.box.StateMachineARN, w.box.FleetARN} {
		machine, err := sfn.NewFromConfig(w.box.AWS("test")).DescribeStateMachine(t.Context(), &sfn.DescribeStateMachineInput{StateMachineArn: &arn})
		w.check(err)
		w.definitions[arn] = aws.ToString(machine.Definition)
	}
	return w
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// ServeHTTP hands a call to the service that it is for, by what it is signed for. The
// interpreter's calls are the state machine's, whose role the sandbox enforces.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	to := w.box.URL
	switch authorization := r.Header.Get("Authorization"); {
	case r.URL.Path == "/task":
		w.serveTask(rw, r)
		return
	case strings.Contains(authorization, "/lambda/aws4_request"):
		w.serveFunction(rw, r)
		return
	case strings.Contains(authorization, "/states/aws4_request"):
		to = w.states.String()
	default:
		r.Header.Set("Authorization", strings.Replace(authorization, "Credential=ak/", "Credential=stepfunctions/", 1))
	}
	target, _ := url.Parse(to) // was one before
	(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) }}).ServeHTTP(rw, r)
}

// serveTask performs a Task state for an interpreter that is no service.
func (w *world) serveTask(rw http.ResponseWriter, r *http.Request) {
	var task asl.Task
	answer := map[string]any{}
	if err := json.NewDecoder(r.Body).Decode(&task); err != nil {
		answer["error"], answer["cause"] = "Test.Unreadable", err.Error()
	} else if output, failure := w.perform(r.Context(), task); failure != nil {
		answer["error"], answer["cause"] = failure.Name, failure.Cause
	} else {
		answer["output"] = output
	}
	_ = json.NewEncoder(rw).Encode(answer) // who is gone does not read it
}

// serveFunction is Lambda's Invoke.
func (w *world) serveFunction(rw http.ResponseWriter, r *http.Request) {
	function := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/2015-03-31/functions/"), "/invocations")
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	output, failure := w.perform(r.Context(), asl.Task{Resource: function, Input: payload})
	if failure != nil {
		rw.Header().Set("X-Amz-Function-Error", "Unhandled")
		output = json.RawMessage(failure.Cause)
	}
	_, _ = rw.Write(output)
}

func (w *world) perform(ctx context.Context, task asl.Task) (json.RawMessage, *asl.Failure) {
	output, err := w.task(ctx, task)
	if err == nil {
		return output, nil
	}
	if failure, ok := errors.AsType[*asl.Failure](err); ok {
		return nil, failure
	}
	return nil, &asl.Failure{Name: "Lambda.Unknown", Cause: err.Error()}
}
