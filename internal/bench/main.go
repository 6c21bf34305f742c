// Command bench measures one single-user rotation, run by the functions' own
// binaries against a real PostgreSQL: logins, API calls and state transitions
// are exact; times are of this machine and only good as ratios.
//
// It expects the binaries for this machine in build/lambda; `make bench` builds
// them.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/dbserver"
	"github.com/tumbler-rotation/tumbler/internal/follow"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/sandbox"
	"github.com/tumbler-rotation/tumbler/internal/sandbox/deployed"
	"github.com/tumbler-rotation/tumbler/internal/sandbox/sample"
	"github.com/tumbler-rotation/tumbler/internal/sandbox/wire"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measured is what a rotation took.
type measured struct {
	logins  map[string]int // by outcome
	calls   map[string]int // Secrets Manager operations
	other   map[string]int // operations of other services
	steps   []follow.Step
	entered int
	event   rotation.Event
	took    time.Duration
}

func run(ctx context.Context) error {
	arch := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	binaries := filepath.Join("build", "lambda", arch)
	if _, err := os.Stat(filepath.Join(binaries, "plan", "bootstrap")); err != nil {
		return fmt.Errorf("there are no functions in %s: run make bench", binaries)
	}
	database, err := sample.Open(ctx, "", dbserver.Postgres{Settings: map[string]string{"log_connections": "on"}})
	if err != nil {
		return err
	}
	defer database.Close()
	coldStarts := map[string]time.Duration{}
	functions := &deployed.Functions{Dir: binaries, OnStart: func(function string, took time.Duration) { coldStarts[function] = took }}
	var now *measured // what API calls are counted into
	box, err := sandbox.Start(ctx, sandbox.Config{
		Task: functions.Wrap,
		Observe: func(r wire.Record) {
			switch {
			case now == nil || r.Caller.AccessKeyID == "bench":
			case r.Service == "secretsmanager":
				now.calls[r.Operation]++
			default:
				now.other[r.Service+":"+r.Operation]++
			}
		},
	})
	if err != nil {
		return err
	}
	defer box.Close()
	functions.Connect(box)
	defer functions.Close()
	secret, err := database.CreateSecret(ctx, box.AWS("bench"))
	if err != nil {
		return err
	}

	rotate := func() (measured, error) {
		before, err := os.ReadFile(database.LogPath())
		if err != nil {
			return measured{}, err
		}
		m := measured{calls: map[string]int{}, other: map[string]int{}, logins: map[string]int{}}
		now = &m
		err = m.rotate(ctx, box, secret)
		now = nil
		if err != nil {
			return m, err
		}
		after, err := os.ReadFile(database.LogPath())
		if err != nil {
			return m, err
		}
		news := string(after[len(before):])
		m.logins["accepted"] = strings.Count(news, "connection authorized: user="+sample.User)
		m.logins["refused"] = strings.Count(news, "password authentication failed")
		return m, nil
	}
	cold, err := rotate()
	if err != nil {
		return err
	}
	warm, err := rotate()
	if err != nil {
		return err
	}
	print(cold, warm, coldStarts, binaries)
	return nil
}

func (m *measured) rotate(ctx context.Context, box *sandbox.Sandbox, secret string) error {
	states := sfn.NewFromConfig(box.AWS("bench"))
	started, err := states.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &box.StateMachineARN, Input: aws.String(fmt.Sprintf(`{"secretId":%q}`, secret)),
	})
	if err != nil {
		return err
	}
	ending, err := follow.Config{API: states, Interval: 10 * time.Millisecond, OnStep: func(s follow.Step) {
		if s.Kind == follow.Entered {
			m.entered++
		}
		if s.Kind == follow.Left && s.Type == "Task" {
			m.steps = append(m.steps, s)
		}
	}}.Execution(ctx, aws.ToString(started.ExecutionArn))
	if err != nil {
		return err
	}
	if ending.State != string(rotation.Rotated) {
		return fmt.Errorf("the rotation ended in %s: %s: %s", ending.State, ending.Error, ending.Cause)
	}
	m.took = ending.Took
	var out rotation.Ending
	if err := json.Unmarshal(ending.Output, &out); err != nil {
		return err
	}
	m.event = out.Event
	return nil
}

func print(cold, warm measured, coldStarts map[string]time.Duration, binaries string) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer w.Flush()
	row := func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, c)
		}
		fmt.Fprintln(w)
	}
	row("ONE SINGLE-USER ROTATION (PostgreSQL)", "warm", "cold")
	row("database logins accepted", warm.logins["accepted"], cold.logins["accepted"])
	row("database logins refused", warm.logins["refused"], cold.logins["refused"])
	row("Secrets Manager calls", sum(warm.calls), sum(cold.calls))
	for _, operation := range slices.Sorted(maps.Keys(warm.calls)) {
		row("  "+operation, warm.calls[operation], cold.calls[operation])
	}
	for _, operation := range slices.Sorted(maps.Keys(warm.other)) {
		row(operation, warm.other[operation], cold.other[operation])
	}
	row("state transitions", warm.entered, cold.entered)
	row("credential gap, ms", *warm.event.CredentialGapMs, *cold.event.CredentialGapMs)
	row("wall time, ms", warm.took.Milliseconds(), cold.took.Milliseconds())
	for i, s := range warm.steps {
		row("  "+s.State, s.Took.Milliseconds(), cold.steps[i].Took.Milliseconds())
	}
	row()
	row("FUNCTION", "size, MB", "process start to first answer, ms")
	_ = filepath.WalkDir(binaries, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "bootstrap" {
			return nil
		}
		function := filepath.Base(filepath.Dir(path))
		info, err := d.Info()
		if err != nil {
			return nil
		}
		start := "(not in this workflow)"
		if took, ok := coldStarts[function]; ok {
			start = fmt.Sprint(took.Milliseconds())
		}
		row(function, fmt.Sprintf("%.1f", float64(info.Size())/1e6), start)
		return nil
	})
}

func sum(counts map[string]int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}
