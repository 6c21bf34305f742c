package secondopinion

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
)

// outcome is what an interpreter made of a request.
type outcome struct {
	Status string          `json:"status"`
	Path   []string        `json:"path"` // the states entered
	Output json.RawMessage `json:"output"`
	Error  string          `json:"error"`
	Cause  string          `json:"cause"`
}

// interpreter runs executions of the world's state machines to their end. service says
// that it has the API with which a step sees what else is running.
type interpreter struct {
	run     func(machine, name, input string) outcome
	service bool
}

// ours is the sandbox's.
func ours(w *world) interpreter {
	return interpreter{run: w.runByService(sfn.NewFromConfig(w.box.AWS("test")), map[string]string{}), service: true}
}

// runByService runs executions through the API of Step Functions, as people do. machines
// gives the ARNs that they have there, where they are others.
func (w *world) runByService(api *sfn.Client, machines map[string]string) func(machine, name, input string) outcome {
	return func(machine, name, input string) (o outcome) {
		w.Helper()
		if other, ok := machines[machine]; ok {
			machine = other
		}
		started, err := api.StartExecution(w.Context(), &sfn.StartExecutionInput{StateMachineArn: &machine, Name: &name, Input: &input})
		w.check(err)
		ending, err := follow.Config{API: api, Interval: 250 * time.Millisecond, OnStep: func(s follow.Step) {
			if s.Kind == follow.Entered {
				o.Path = append(o.Path, s.State)
			}
		}}.Execution(w.Context(), aws.ToString(started.ExecutionArn))
		w.check(err)
		about, err := api.DescribeExecution(w.Context(), &sfn.DescribeExecutionInput{ExecutionArn: started.ExecutionArn})
		w.check(err)
		o.Status, o.Output, o.Error, o.Cause = string(ending.Status), ending.Output, ending.Error, aws.ToString(about.Cause)
		return o
	}
}

// localStepFunctions is npm's aws-local-stepfunctions: no service, an interpreter.
func localStepFunctions(w *world) interpreter {
	script, err := filepath.Abs("testdata/interpret.cjs")
	w.check(err)
	_, err = os.ReadFile(script) // for go test's cache
	w.check(err)
	definitions := map[string]json.RawMessage{}
	for arn, definition := range w.definitions {
		definitions[arn] = json.RawMessage(definition)
	}
	return interpreter{run: func(machine, name, input string) (o outcome) {
		w.Helper()
		job, err := json.Marshal(map[string]any{
			"definitions": definitions, "machine": machine, "name": name,
			"input": json.RawMessage(input), "tasks": w.front.URL + "/task",
		})
		w.check(err)
		cmd := exec.CommandContext(w.Context(), "node", script)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(job), os.Stderr
		out, err := cmd.Output()
		if err != nil {
			w.Fatalf("node %s: %v (is npm's aws-local-stepfunctions installed? npm ci does it)", script, err)
		}
		w.check(json.Unmarshal(out, &o))
		return o
	}}
}

// moto is the Python package's Step Functions, whose interpreter is LocalStack's: the
// API, too, and the distributed Map.
func moto(w *world) interpreter {
	if os.Getenv("TUMBLER_OPINIONS") != "all" {
		w.Skip("moto is asked by make opinions: it takes half a minute of the quarter of an hour that make test may take")
	}
	if why := hasMoto(w.T); why != "" {
		w.Skipf("python3 has no moto with its Step Functions: pip install 'moto[server,stepfunctions]'\n%s", why)
	}
	front, err := url.Parse(w.front.URL)
	w.check(err)
	cmd := exec.CommandContext(w.Context(), "python3", "testdata/serve_moto.py")
	var log bytes.Buffer
	cmd.Env, cmd.Stderr = append(os.Environ(), "MOTO_PORT="+front.Port()), &log
	quit, err := cmd.StdinPipe()
	w.check(err)
	out, err := cmd.StdoutPipe()
	w.check(err)
	w.check(cmd.Start())
	w.Cleanup(func() {
		_ = quit.Close()
		_ = cmd.Wait() // however it ends
		if w.Failed() {
			w.Log(log.String())
		}
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		w.Fatalf("moto has not started: %v\n%s", err, log.String())
	}
	w.states, err = url.Parse("http://127.0.0.1:" + strings.TrimSpace(port))
	w.check(err)
	cfg := w.box.AWS("test")
	cfg.BaseEndpoint = aws.String(w.states.String())
	api, machines := sfn.NewFromConfig(cfg), map[string]string{}
	for arn, definition := range w.definitions {
		made, err := api.CreateStateMachine(w.Context(), &sfn.CreateStateMachineInput{
			Name: aws.String(arn[strings.LastIndexByte(arn, ':')+1:]), Definition: &definition,
			RoleArn: aws.String("arn:aws:iam::123456789012:role/tumbler"),
		})
		w.check(err)
		if made := aws.ToString(made.StateMachineArn); made != arn {
			w.Fatalf("made %s, and the deployment has %s", made, arn)
		}
	}
	return interpreter{run: w.runByService(api, machines), service: true}
}

// hasMoto says whether moto can be asked, and if not, why.
func hasMoto(t *testing.T) string {
	t.Helper()
	var why bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "python3", "-c", "import moto.server, moto.stepfunctions.parser.asl.parse.asl_parser")
	cmd.Stderr = &why
	if err := cmd.Run(); err != nil {
		return err.Error() + "\n" + why.String()
	}
	return ""
}
