// Command chaos breaks rotations in every place, on every database that there is
// a real server of, and prints what came of it. It ends with 1 if a promise was
// broken. `make chaos` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/proof/chaos"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "chaos:", err)
		}
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	s := suite{}
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.Uint64Var(&s.seed, "seed", 1, "chooses the cases when there is no time for all, the pairs of faults, and the races")
	only := flags.String("only", "", "run only targets whose name contains this, such as \"mariadb alternating\"")
	flags.DurationVar(&s.budget, "budget", 8*time.Minute, "stop to begin new cases after this time")
	one := flags.String("case", "", "run one case again, as it was printed")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	if *one != "" {
		return again(ctx, *one)
	}
	defer s.close()
	if err := s.prepare(ctx, *only); err != nil {
		return err
	}
	if err := s.run(ctx); err != nil {
		return err
	}
	s.print(os.Stdout)
	if n := s.violations(); n > 0 {
		return fmt.Errorf("%d cases break a promise", n)
	}
	return nil
}

// again runs one case: the target, what kind of case, and the case itself.
func again(ctx context.Context, text string) error {
	name, what, ok := strings.Cut(text, ": ")
	if !ok {
		return fmt.Errorf("%q is not a case such as %q", text, "postgres single-user: event 12 gone after; then new run")
	}
	name, kind := cutKind(name)
	for _, k := range chaos.Kinds {
		if !strings.HasPrefix(name, k.Name+" ") {
			continue
		}
		server, err := k.Start(ctx)
		if err != nil {
			return err
		}
		defer server.Stop()
		for _, t := range server.Targets() {
			if t.Name == name {
				return try(ctx, t, kind, what)
			}
		}
	}
	return fmt.Errorf("there is no target %q", name)
}

func try(ctx context.Context, t chaos.Target, kind, what string) error {
	if kind == raceKind {
		race, err := chaos.ParseRace(what)
		if err != nil {
			return err
		}
		endings, err := chaos.Interleave(ctx, t, race, nil)
		if err != nil {
			return err
		}
		fmt.Println("endings:", endings.Counts)
		return broken(endings.Violations)
	}
	c, err := chaos.ParseCase(what)
	if err != nil {
		return err
	}
	var o chaos.Options
	if kind == killedKind {
		dir, err := functions(ctx)
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.Binaries = dir
	}
	w, err := chaos.NewWorld(ctx, t, o)
	if err != nil {
		return err
	}
	defer w.Close()
	r, err := w.Try(ctx, c)
	if err != nil {
		return err
	}
	for i, e := range r.Events {
		fmt.Printf("%3d %s\n", i+1, e)
	}
	fmt.Println("faults:", strings.Join(r.Fired, ", "))
	return broken(r.Violations)
}

func broken(violations []string) error {
	for _, v := range violations {
		fmt.Println("BROKEN:", v)
	}
	if len(violations) > 0 {
		return errors.New("the case breaks a promise")
	}
	fmt.Println("every promise is kept")
	return nil
}
