package budget_test

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	diff "github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/proof/budget"
	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/deployed"
	"github.com/tumbler-rotation/tumbler/sandbox/wire"
)

var update = flag.Bool("update", false, "write what is counted into the files")

func TestMain(m *testing.M) { leakcheck.Main(m) }

const head = `# What a rotation costs. The tests of this directory count it and fail when it is not so;
# after a review:  go test ./proof/budget -update
# Times are not here: make bench prints those.
`

// TestRotations holds each count of a rotation on each server.
func TestRotations(t *testing.T) {
	got := &strings.Builder{}
	fmt.Fprint(got, head)
	for _, start := range []func(context.Context) (*budget.Database, error){budget.StartPostgres, budget.StartMariaDB} {
		d, err := start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.Stop)
		trips, err := d.CountTrips()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(trips.Close)
		for _, strategy := range []rotation.Strategy{rotation.SingleUser, rotation.AlternatingUsers} {
			section(t, got, d, trips, strategy)
		}
	}
	hold(t, "rotations.txt", got.String())
}

// section rotates three times: the first makes a pair's clone, and the others are one to
// and one fro.
func section(t *testing.T, out io.Writer, d *budget.Database, trips *budget.Trips, strategy rotation.Strategy) {
	calls := &calls{}
	box, err := sandbox.Start(t.Context(), sandbox.Config{Engines: all.Engines, Observe: calls.count})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	secret := d.Engine + "_" + strings.ReplaceAll(string(strategy), "-", "_")
	if err := d.CreateSecret(t.Context(), box.AWS("test"), secret); err != nil {
		t.Fatal(err)
	}
	rows := map[string][3]int{}
	for i := range 3 {
		set := func(name string, n int) {
			row := rows[name]
			row[i] = n
			rows[name] = row
		}
		calls.take()
		trips.Take()
		counts, err := d.During(func() error {
			entered, err := rotate(t.Context(), box, fmt.Sprintf(`{"secretId":%q,"strategy":%q}`, secret, strategy))
			set("state transitions", entered)
			return err
		})
		if err != nil {
			t.Fatalf("%s, %s: %v", d.Name, strategy, err)
		}
		set("database: logins accepted", counts.Accepted)
		set("database: logins refused", counts.Refused)
		set("database: statements", counts.Statements)
		set("database: round trips, without TLS", trips.Take())
		for operation, n := range calls.take() {
			set(operation, n)
		}
	}
	fmt.Fprintf(out, "\n%-50s  first  to  fro\n", fmt.Sprintf("[%s, %s]", d.Engine, strategy))
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(out, "%-50s  %5d  %2d  %3d\n", name, rows[name][0], rows[name][1], rows[name][2])
	}
}

// rotate returns the number of states entered.
func rotate(ctx context.Context, box *sandbox.Sandbox, request string) (entered int, err error) {
	states := sfn.NewFromConfig(box.AWS("test"))
	started, err := states.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &box.StateMachineARN, Input: &request})
	if err != nil {
		return 0, err
	}
	retried := ""
	ending, err := follow.Config{API: states, Interval: 10 * time.Millisecond, OnStep: func(s follow.Step) {
		switch s.Kind {
		case follow.Entered:
			entered++
		case follow.Retried:
			retried = s.State + ": " + s.Error + ": " + s.Cause
		}
	}}.Execution(ctx, aws.ToString(started.ExecutionArn))
	switch {
	case err != nil:
		return 0, err
	case ending.State != string(rotation.Rotated):
		return 0, fmt.Errorf("ended in %s: %s: %s", ending.State, ending.Error, ending.Cause)
	case retried != "":
		return 0, fmt.Errorf("a step was tried again, which says nothing about costs: %s", retried)
	}
	return entered, nil
}

// calls counts API calls of the functions and of the state machine.
type calls struct {
	mu sync.Mutex
	of map[string]int
}

func (c *calls) count(r wire.Record) {
	if r.Caller.AccessKeyID == "test" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[r.Service+": "+r.Operation]++
}

func (c *calls) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.of
	c.of = nil
	return taken
}

// TestFunctions holds what is linked into each function, the size of its zip, and what our
// own packages make at its start.
func TestFunctions(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join("..", "..")
	if err := deployed.Build(t.Context(), root, dir); err != nil {
		t.Fatal(err)
	}
	linked := packages(t, root)
	budgets := read(t, "functions.txt")
	got := &strings.Builder{}
	fmt.Fprintf(got, "%s\n%-20s  packages  zip, MB at most  allocations of ours before main, at most\n", strings.ReplaceAll(head, "a rotation costs", "each function carries"), "[function]")
	for _, function := range slices.Sorted(maps.Keys(linked)) {
		size := zipped(t, filepath.Join(dir, function, "bootstrap"))
		// Compilers and processors differ by less than this, and a further driver or
		// client is more.
		atMost := fmt.Sprintf("%.1f", size*1.03+0.05)
		for _, line := range budgets {
			if f := strings.Fields(line); !*update && len(f) == 4 && f[0] == function {
				if want, err := strconv.ParseFloat(f[2], 64); err == nil && size <= want && size > want*0.8 {
					atMost = f[2]
				}
			}
		}
		made := allocations(t, filepath.Join(dir, function, "bootstrap"))
		fmt.Fprintf(got, "%-20s  %8d  %-15s  %d\n", function, linked[function], atMost, (made/50+1)*50) // compilers differ by less
	}
	hold(t, "functions.txt", got.String())
}

// packages are how many are linked into each function, but for Go's own.
func packages(t *testing.T, root string) map[string]int {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-tags", "lambda.norpc", "-f", `{{.ImportPath}}{{range .Deps}} {{.}}{{end}}`, "./functions/...")
	list.Dir, list.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]int{}
	for line := range strings.Lines(string(out)) {
		all := strings.Fields(line)
		for _, dep := range all[1:] {
			if domain, _, _ := strings.Cut(dep, "/"); strings.Contains(domain, ".") {
				linked[filepath.Base(all[0])]++
			}
		}
	}
	return linked
}

// allocations are those of this project's packages before main: of tables and expressions
// that could be made when they are needed.
func allocations(t *testing.T, bootstrap string) (n int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bootstrap)
	cmd.Env = []string{"GODEBUG=inittrace=1"}
	out, _ := cmd.CombinedOutput() // it ends without a runtime to ask
	traced := 0
	for line := range strings.Lines(string(out)) {
		// init PACKAGE @T ms, D ms clock, B bytes, N allocs
		f := strings.Fields(line)
		if len(f) != 11 || f[0] != "init" || !strings.HasPrefix(f[1], "github.com/tumbler-rotation/") {
			continue
		}
		made, err := strconv.Atoi(f[9])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		traced++
		n += made
	}
	if traced == 0 {
		t.Fatalf("%s traces no package of ours:\n%s", bootstrap, out)
	}
	return n
}

// zipped is a file's size in a zip, in MB.
func zipped(t *testing.T, path string) float64 {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create("bootstrap")
	if err == nil {
		_, err = w.Write(raw)
	}
	if err = cmp.Or(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return float64(out.Len()) / 1e6
}

// hold compares what was counted with a file.
func hold(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := diff.Diff(read(t, file), slices.Collect(strings.Lines(got))); diff != "" {
		t.Errorf("%s is not so any more (-budget +counted); after a review: go test ./proof/budget -update\n%s", file, diff)
	}
}

func read(t *testing.T, file string) []string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil && !(*update && os.IsNotExist(err)) {
		t.Fatal(err)
	}
	return slices.Collect(strings.Lines(string(raw)))
}
