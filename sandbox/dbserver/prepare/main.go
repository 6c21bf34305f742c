// Prepare builds and unpacks every database server that the tests start, and says
// what it is doing when that takes time. It is `make servers`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := prepare(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func prepare(ctx context.Context) error {
	current := func() {} // ends the reports on the server whose turn it is
	done, err := dbserver.Prepare(ctx, func(server, work string) {
		current()
		current = report(server, work)
	})
	current()
	if err != nil {
		return err
	}
	var here, missing []string
	for _, p := range done {
		product, _, _ := strings.Cut(p.Server, " ")
		if p.Missing != nil {
			missing = append(missing, p.Server)
		} else {
			here = append(here, strings.TrimSpace(product+" "+p.Version))
		}
	}
	fmt.Println("==> database servers: " + strings.Join(here, ", "))
	if missing != nil {
		fmt.Fprintln(os.Stderr, "==> NOT TESTED on: "+strings.Join(missing, ", "))
	}
	return nil
}

// report says what is being done if it takes longer than a moment, and every half
// minute that it still is.
func report(server, work string) (stop func()) {
	began, done, over := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		said := false
		for wait := time.Second; ; wait = 30 * time.Second {
			select {
			case <-time.After(wait):
				if said {
					fmt.Printf("    still at %s after %s\n", server, time.Since(began).Round(time.Second))
				} else {
					fmt.Printf("    %s: %s\n", server, work)
				}
				said = true
			case <-done:
				if said {
					fmt.Printf("    %s is ready, after %s\n", server, time.Since(began).Round(time.Second))
				}
				return
			}
		}
	}()
	return func() { close(done); <-over }
}
