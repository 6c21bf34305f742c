// Command tumbler rotates database credentials kept in AWS Secrets Manager, and runs
// them on a local sandbox.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/tumbler-rotation/tumbler/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
