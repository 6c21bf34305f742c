package cli

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/asl"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

var update = flag.Bool("update", false, "rewrite the expected outputs")

func TestMain(m *testing.M) {
	testscript.Main(dbtest.Stopping(m), map[string]func(){"tumbler": tumbler})
}

// tumbler is the program, in a process of its own, which says how it exits.
func tumbler() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if code != ExitOK {
		fmt.Fprintf(os.Stderr, "exit code %d\n", code)
	}
	os.Exit(code)
}

// The scripts in testdata. `go test ./internal/cli -update` rewrites the files
// in them that outputs are compared with.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files:         files,
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			for name, value := range map[string]string{
				"ROOT":           root,              // where the npm packages are
				"HOME":           os.Getenv("HOME"), // where database servers are cached
				"XDG_CACHE_HOME": os.Getenv("XDG_CACHE_HOME"),
				// Nothing of the account of whoever runs the tests.
				"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_EC2_METADATA_DISABLED": "true",
			} {
				env.Setenv(name, value)
			}
			env.Values[worldKey{}] = &world{t: t}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"world":     inWorld((*world).start),
			"deny":      inWorld((*world).deny),
			"denylate":  inWorld((*world).denyLate),
			"hold":      inWorld((*world).hold),
			"allow":     inWorld((*world).allow),
			"store":     inWorld((*world).store),
			"configure": inWorld((*world).configure),
			"asked":     inWorld((*world).asked),
			"fleet":     inWorld((*world).fleet),
			"executed":  inWorld((*world).executed),
			"deployed":  inWorld((*world).deployed),
			"freeport":  freePort,
			"reach":     reach,
			"break":     breakSecret,
			"waits":     inWorld((*world).waits),
			"await":     await,
		},
	})
}

// world is a script's sandbox with a database and its secret prod/app.
type world struct {
	t       *testing.T
	sandbox *sandbox.Sandbox
	secrets *secretsmanager.Client
	release chan struct{}
}

type worldKey struct{}

func inWorld(do func(*world, *testscript.TestScript, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("cannot be negated")
		}
		do(ts.Value(worldKey{}).(*world), ts, args)
	}
}

// start: "world" starts it and sets the variables that people set. "world
// registry" rotates only what is configured, and runs on the machine's clock, so
// that no schedule's time comes.
func (w *world) start(ts *testscript.TestScript, args []string) {
	db := dbtest.Postgres(w.t)
	cfg := sandbox.Config{Engines: all.Engines, Clock: asl.NewVirtualClock(time.Now())}
	if len(args) > 0 {
		cfg.Registry, cfg.Clock = true, nil
	}
	var err error
	w.sandbox, err = sandbox.Start(w.t.Context(), cfg)
	ts.Check(err)
	ts.Defer(w.sandbox.Close)
	w.secrets = secretsmanager.NewFromConfig(w.sandbox.AWS("test"))
	ts.Setenv("PASSWORD", db.Password.Reveal())
	ts.Setenv("MACHINE", w.sandbox.StateMachineARN)
	w.store(ts, []string{"prod/app", db.Document(nil).Encode().Reveal()})
	pointAt(ts, w.sandbox.URL)
}

func pointAt(ts *testscript.TestScript, url string) {
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": url, "AWS_REGION": sandbox.Region, "AWS_ACCESS_KEY_ID": "cli", "AWS_SECRET_ACCESS_KEY": "x",
	} {
		ts.Setenv(name, value)
	}
}

// store: "store NAME VALUE" makes a secret.
func (w *world) store(ts *testscript.TestScript, args []string) {
	_, err := w.secrets.CreateSecret(w.t.Context(), &secretsmanager.CreateSecretInput{Name: &args[0], SecretString: &args[1]})
	ts.Check(err)
}

// configure: "configure REQUEST" is an entry of rotations.yaml. CLOSED stands for
// a schedule whose window is open on another day.
func (w *world) configure(ts *testscript.TestScript, args []string) {
	closed := fmt.Sprintf("cron(0 2 %d * ? *)", (time.Now().UTC().Day()+10)%28+1)
	var request rotation.Request
	ts.Check(json.Unmarshal([]byte(strings.ReplaceAll(args[0], "CLOSED", closed)), &request))
	ts.Check(w.sandbox.Configure(w.t.Context(), request))
}

// asked: "asked TEXT" looks for a text in the input of the last execution.
func (w *world) asked(ts *testscript.TestScript, args []string) {
	states := sfn.NewFromConfig(w.sandbox.AWS("test"))
	list, err := states.ListExecutions(w.t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &w.sandbox.StateMachineARN, MaxResults: 1})
	ts.Check(err)
	last, err := states.DescribeExecution(w.t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: list.Executions[0].ExecutionArn})
	ts.Check(err)
	if !strings.Contains(aws.ToString(last.Input), args[0]) {
		ts.Fatalf("the input is %s", aws.ToString(last.Input))
	}
}

// deployed: "deployed MACHINE..." is an account with these state machines, and the
// schedule group tumbler-reporting, in which prod/report is. All but their list is the
// sandbox's.
func (w *world) deployed(ts *testscript.TestScript, machines []string) {
	api := scheduler.NewFromConfig(w.sandbox.AWS("deployment"))
	group := "tumbler-reporting"
	_, err := api.CreateScheduleGroup(w.t.Context(), &scheduler.CreateScheduleGroupInput{Name: &group})
	ts.Check(err)
	input := `{"secretId":"prod/report","trigger":{"source":"schedule","scheduledAt":"<aws.scheduler.scheduled-time>"}}`
	_, err = api.CreateSchedule(w.t.Context(), &scheduler.CreateScheduleInput{
		Name: aws.String(registry.Name("prod/report")), GroupName: &group, ScheduleExpression: aws.String("cron(0 0 31 12 ? 2199)"),
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff}, State: types.ScheduleStateDisabled,
		Target: &types.Target{Arn: &w.sandbox.StateMachineARN, RoleArn: aws.String("arn:aws:iam::123456789012:role/scheduler"), Input: &input},
	})
	ts.Check(err)
	list := []string{}
	for _, name := range machines {
		list = append(list, fmt.Sprintf(`{"name":%q,"stateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:%[1]s","type":"STANDARD","creationDate":1}`, name))
	}
	to, err := url.Parse(w.sandbox.URL)
	ts.Check(err)
	rest := httputil.NewSingleHostReverseProxy(to)
	front := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") == "AWSStepFunctions.ListStateMachines" {
			fmt.Fprintf(out, `{"stateMachines":[%s]}`, strings.Join(list, ","))
			return
		}
		rest.ServeHTTP(out, r)
	}))
	ts.Defer(front.Close)
	ts.Setenv("AWS_ENDPOINT_URL", front.URL)
}

// executed: "executed" sets EXECUTION to the ARN of the last execution.
func (w *world) executed(ts *testscript.TestScript, _ []string) {
	list, err := sfn.NewFromConfig(w.sandbox.AWS("test")).ListExecutions(w.t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &w.sandbox.StateMachineARN, MaxResults: 1})
	ts.Check(err)
	ts.Setenv("EXECUTION", aws.ToString(list.Executions[0].ExecutionArn))
}

// waits: "waits" is done when the last execution waits for its window.
func (w *world) waits(ts *testscript.TestScript, _ []string) {
	w.executed(ts, nil)
	for state := ""; state != "WaitForWindow"; time.Sleep(5 * time.Millisecond) {
		var err error
		state, err = lastState(w.t.Context(), sfn.NewFromConfig(w.sandbox.AWS("test")), ts.Getenv("EXECUTION"))
		ts.Check(err)
	}
}

// await: "await FILE REGEXP" is done when a file that is being written has it.
func await(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[1])
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && want.Match(text) {
			return
		}
	}
	ts.Fatalf("%s never has %s", args[0], args[1])
}

// deny: "deny FUNCTION OPERATION" takes a permission away, and ends a hold.
func (w *world) deny(_ *testscript.TestScript, args []string) {
	w.intercept(func(_ context.Context, call wire.Call) *wire.Failure {
		if call.Caller.AccessKeyID == args[0] && call.Operation == args[1] {
			return &wire.Failure{Err: wire.Errorf("AccessDeniedException", "no")}
		}
		return nil
	})
}

// denyLate: "denylate FUNCTION OPERATION" does so when SetSecret has begun, so that it is
// not found out before the change.
func (w *world) denyLate(_ *testscript.TestScript, args []string) {
	var entered atomic.Bool
	w.intercept(func(_ context.Context, call wire.Call) *wire.Failure {
		if call.Caller.AccessKeyID == "setsecret" {
			entered.Store(true)
		}
		if entered.Load() && call.Caller.AccessKeyID == args[0] && call.Operation == args[1] {
			return &wire.Failure{Err: wire.Errorf("AccessDeniedException", "no")}
		}
		return nil
	})
}

func (w *world) intercept(f wire.Interceptor) {
	w.sandbox.Intercept(f)
	if w.release != nil {
		close(w.release)
		w.release = nil
	}
}

// hold: "hold" starts a rotation of prod/app that stands still while it holds
// AWSPENDING, and sets EXECUTION to its ARN; "hold FUNCTION" where that function begins,
// and not setsecret.
func (w *world) hold(ts *testscript.TestScript, args []string) {
	function := "setsecret"
	if len(args) > 0 {
		function = args[0]
	}
	release := make(chan struct{})
	w.release = release
	reached := make(chan struct{}, 100)
	w.sandbox.Intercept(func(ctx context.Context, call wire.Call) *wire.Failure {
		if call.Caller.AccessKeyID == function {
			reached <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		return nil
	})
	started, err := sfn.NewFromConfig(w.sandbox.AWS("test")).StartExecution(w.t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: &w.sandbox.StateMachineARN, Input: aws.String(`{"secretId":"prod/app","trigger":{"source":"manual"},"outsideWindow":"rotate"}`),
	})
	ts.Check(err)
	<-reached
	ts.Setenv("EXECUTION", aws.ToString(started.ExecutionArn))
}

// allow: "allow" lets everything pass again.
func (w *world) allow(*testscript.TestScript, []string) { w.intercept(nil) }

// breakSecret: "break SECRET" stores what is no JSON in the sandbox of the environment.
func breakSecret(ts *testscript.TestScript, _ bool, args []string) {
	url := ts.Getenv("AWS_ENDPOINT_URL")
	client := secretsmanager.New(secretsmanager.Options{
		BaseEndpoint: &url, Region: sandbox.Region, HTTPClient: http.DefaultClient,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "x"}, nil
		}),
	})
	_, err := client.PutSecretValue(context.Background(), &secretsmanager.PutSecretValueInput{SecretId: &args[0], SecretString: aws.String(`{"engine"`)})
	ts.Check(err)
}

// freePort: "freeport NAME" sets a variable to a port that nobody uses.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

// reach: "reach PORT SECRET" waits until the sandbox on a port has the secret.
func reach(ts *testscript.TestScript, _ bool, args []string) {
	url := "http://127.0.0.1:" + args[0]
	pointAt(ts, url)
	client := secretsmanager.New(secretsmanager.Options{
		BaseEndpoint: &url, Region: sandbox.Region, RetryMaxAttempts: 1, HTTPClient: http.DefaultClient,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "x"}, nil
		}),
	})
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		_, err := client.DescribeSecret(context.Background(), &secretsmanager.DescribeSecretInput{SecretId: &args[1]})
		if err == nil {
			return
		}
	}
	ts.Fatalf("no sandbox with secret %s on port %s", args[1], args[0])
}
