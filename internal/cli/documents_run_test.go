package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/sandbox"
)

// elsewhere are commands of tumbler that are run by another test, which is named.
var elsewhere = map[string]string{
	"tumbler demo": "testdata/demo.txt",
}

// endings are how commands end that do not end well in the sandbox, and what they say then.
var endings = map[string]string{
	`tumbler cancel prod/app --reason "wrong secret"`: "no rotation of prod/app is running or waiting", // testdata/cancel.txt has one that does
	"tumbler cancel SECRET":                           "no rotation of prod/app is running or waiting",
	"tumbler cancel arn:aws:states:eu-central-1:111122223333:execution:tumbler-rotation:NAME": "exit code 1", // it has ended
	"tumbler list --name payments": "payments",
}

// runs tells whether a command is more than a mention.
func runs(text string) bool {
	if !strings.HasPrefix(text, "tumbler ") || elsewhere[text] != "" {
		return false
	}
	cmd, err := parsed(words(text)[1:])
	return err == nil && cmd.ValidateArgs(cmd.Flags().Args()) == nil
}

// goesOn tells whether a command ends with Ctrl-C only, and what it says when it is at work.
func goesOn(text string) (string, bool) {
	switch w := words(text); {
	case w[1] == "sandbox" && strings.Contains(text, "--json"):
		return `"event":"ready"`, true
	case w[1] == "sandbox":
		return "Ctrl-C ends the sandbox", true
	case w[1] == "events" && !strings.Contains(text, "--once"):
		return "started by", true
	}
	return "", false
}

// runDocumented runs commands of tumbler in a shell, as somebody would who follows the
// documents, with the sandbox as the account.
func runDocumented(t *testing.T, commands []found) {
	d := newDrill(t, rotation.Request{Schedule: &rotation.Schedule{Expression: "rate(1 day)"}}, func(c *sandbox.Config) { c.Clock = nil })
	_, err := d.secrets.TagResource(t.Context(), &secretsmanager.TagResourceInput{
		SecretId: aws.String("prod/app"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("payments")}},
	})
	d.check(err)
	if _, err := exec.LookPath("jq"); err != nil {
		fmt.Fprintln(os.Stderr, "*** There is no jq here: what the documents pipe into it is not run.")
	}
	if code, out := d.run("rotate", "prod/app", "--outside-window"); code != ExitOK { // what looks back sees this one
		t.Fatal(out)
	}
	for _, c := range commands {
		t.Run(c.where, func(t *testing.T) { d.runOne(t, c) })
	}
}

// runOne runs a command in a directory with a configuration in it.
func (d *drill) runOne(t *testing.T, c found) {
	dir := t.TempDir()
	asks := strings.HasPrefix(c.text, "tumbler init")
	for _, file := range []string{"rotations.yaml", "staging.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte("rotations:\n  - secret: prod/app\n"), 0o644); err != nil || asks {
			os.Remove(filepath.Join(dir, file))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+d.filledIn(t, c.text))
	if strings.ContainsAny(c.text, "|>") {
		cmd = exec.CommandContext(ctx, "sh", "-c", d.filledIn(t, c.text))
	}
	var out bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.Stdin = strings.NewReader("prod/app\n\n\n\n\n\n")
	cmd.Env = os.Environ()
	if strings.Contains(c.text, "pause") { // whoever may change a schedule may choose its rotation: not every operator
		cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID=admin")
	}
	if ready, on := goesOn(c.text); on {
		interrupted(t, cmd, ready)
		return
	}
	err := cmd.Run()
	if says := endings[c.text]; says != "" {
		if err == nil || !strings.Contains(out.String(), says) || strings.Contains(out.String(), "exit code 2") {
			t.Errorf("%s does not end with %q: %v\n%s", c.text, says, err, out.String())
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v\n%s", c.text, err, out.String())
	}
	if c.output != "" && strings.TrimSpace(plain(out.String())) != strings.TrimSpace(plain(c.output)) {
		t.Errorf("%s prints\n%s\nand not, as is written there,\n%s", c.text, out.String(), c.output)
	}
}

// plain is a text without the spaces around its lines, and without empty ones.
func plain(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// filledIn puts what there is in the place of what stands for it.
func (d *drill) filledIn(t *testing.T, text string) string {
	t.Helper()
	machine := d.sandbox.StateMachineARN
	if strings.Contains(text, "--resume") {
		machine = d.sandbox.FleetARN
	}
	list, err := sfn.NewFromConfig(d.sandbox.AWS("test")).ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &machine, MaxResults: 1})
	if err != nil {
		t.Fatal(err)
	}
	execution := ""
	if len(list.Executions) > 0 {
		execution = aws.ToString(list.Executions[0].ExecutionArn)
	}
	admin := url.UserPassword(d.db.Server.AdminUser, d.db.Server.AdminPassword.Reveal())
	text = strings.NewReplacer(
		"arn:aws:states:eu-central-1:111122223333:execution:tumbler-rotation:NAME", execution, "EXECUTION", execution,
		"SECRET", "prod/app", "sandbox/app", "prod/app",
		"postgres://postgres:PASSWORD@localhost:5432/", fmt.Sprintf("postgres://%s@%s:%d/", admin, d.db.Host, d.db.Port),
	).Replace(text)
	first, _, _ := strings.Cut(text, " | ")
	switch w := words(text); {
	case w[1] == "sandbox": // on a port that nobody uses
		text += " --port 0"
	case w[1] == "events" && !strings.Contains(text, "--since"): // so that there is something to show
		text += " --since 1h"
	case w[1] == "rotate" && (strings.Contains(first, "--tag") || strings.Contains(first, "--prefix") || strings.Contains(first, "--resume")):
		text += " --yes" // nobody is there to be asked
	}
	if _, err := exec.LookPath("jq"); err != nil {
		return first
	}
	return text
}

// interrupted starts what goes on until Ctrl-C, which is a good end.
func interrupted(t *testing.T, cmd *exec.Cmd, ready string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	if root, err := filepath.Abs(checkout); err == nil {
		cmd.Dir = root // where the PostgreSQL server is
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	said := func() string {
		text, _ := os.ReadFile(file.Name())
		return string(text)
	}
	for deadline := time.Now().Add(5 * time.Minute); !strings.Contains(said(), ready); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v\n%s", err, said())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("it never said %q:\n%s", ready, said())
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, said())
	}
}
