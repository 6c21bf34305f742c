package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/lambdaruntime"
)

// hello stands among the functions for one that does nothing.
const hello = "(hello world)"

// startRounds is how often each function is started.
const startRounds = 21

// starts are the medians of process start to first answer. The answer is that the
// payload is none, so that nothing is called. All functions take turns: what else the
// machine does meets each of them alike.
func starts(ctx context.Context, binaries string) (map[string]time.Duration, error) {
	dir, err := os.MkdirTemp("", "tumbler-hello")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	bootstraps := map[string]string{hello: filepath.Join(dir, "bootstrap")}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc",
		"-ldflags", "-s -w -buildid=", "-o", bootstraps[hello], "./proof/bench/hello")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building a hello world: %w\n%s", err, out)
	}
	found, err := filepath.Glob(filepath.Join(binaries, "*", "bootstrap"))
	if err != nil {
		return nil, err
	}
	for _, path := range found {
		bootstraps[filepath.Base(filepath.Dir(path))] = path
	}
	took := map[string][]time.Duration{}
	for range startRounds {
		for function, path := range bootstraps {
			d, err := start(ctx, path)
			if err != nil {
				return nil, fmt.Errorf("starting %s: %w", function, err)
			}
			took[function] = append(took[function], d)
		}
	}
	medians := map[string]time.Duration{}
	for function, all := range took {
		medians[function] = median(all)
	}
	return medians, nil
}

func start(ctx context.Context, bootstrap string) (time.Duration, error) {
	began := time.Now()
	p, err := lambdaruntime.Start(lambdaruntime.Function{
		Bootstrap: bootstrap,
		Env:       []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench"},
	})
	if err != nil {
		return 0, err
	}
	defer p.Kill()
	_, err = p.Invoke(ctx, []byte(`"no payload"`))
	return time.Since(began), err
}

func median[T int | int64 | time.Duration](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
