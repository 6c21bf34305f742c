package cli

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/dbserver"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/sandbox"
	"github.com/tumbler-rotation/tumbler/internal/sandbox/sample"
	sandboxsns "github.com/tumbler-rotation/tumbler/internal/sandbox/sns"
	"github.com/tumbler-rotation/tumbler/internal/terminal"
)

func newSandbox() *cobra.Command {
	var (
		port        int
		databaseURL string
		verbose     bool
	)
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a local AWS with Tumbler and a real database",
		Long: `Runs a local AWS on 127.0.0.1 with Tumbler deployed in it, and a real PostgreSQL
server with one user whose credentials are a secret. The AWS CLI, boto3 and every
SDK work against it with the variables that it prints.

Everything is in memory and gone with Ctrl-C.`,
		Example: `  tumbler sandbox
  tumbler sandbox --port 4600 --database-url postgres://postgres:PASSWORD@localhost:5432/postgres`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			out := terminal.New(cmd.OutOrStdout())
			var writing sync.Mutex // alerts arrive at any time
			cfg := sandbox.Config{
				Port:    port,
				Engines: all.Engines,
				OnAlert: func(m sandboxsns.Message) {
					writing.Lock()
					defer writing.Unlock()
					out.Heading("%s  alert on %s", time.Now().Format(time.TimeOnly), m.TopicARN)
					out.Quote(m.Subject + "\n\n" + m.Body)
				},
			}
			if verbose {
				cfg.Log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
			}
			running, err := sandbox.Start(ctx, cfg)
			if err != nil {
				return err
			}
			defer running.Close()
			database, err := sample.Open(ctx, databaseURL, dbserver.Postgres{})
			if err != nil {
				return err
			}
			defer database.Close()
			secret, err := database.CreateSecret(ctx, running.AWS("sandbox"))
			if err != nil {
				return err
			}

			writing.Lock()
			out.Say("Tumbler's sandbox is up: a local AWS at %s and %s.", running.URL, database)
			out.Say("The credentials of its user are in secret %s.", secret)
			out.Heading("In another terminal")
			// Some clients read one name of the Region, some the other.
			out.Command("export AWS_ENDPOINT_URL=%s AWS_REGION=%s AWS_DEFAULT_REGION=%s", running.URL, sandbox.Region, sandbox.Region)
			out.Command("export AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox")
			out.Say("")
			out.Command("%s rotate %s --watch", os.Args[0], secret)
			out.Command("aws secretsmanager get-secret-value --secret-id %s", secret)
			out.Say("")
			out.Say("Alerts appear below. Ctrl-C ends the sandbox.")
			writing.Unlock()

			select {
			case <-ctx.Done():
				return nil
			case <-database.Ended():
				return fmt.Errorf("the database ended: see its log at %s", database.LogPath())
			}
		},
	}
	cmd.Flags().IntVar(&port, "port", sandbox.DefaultPort, "port of the local AWS endpoint; 0 for a free one")
	cmd.Flags().StringVar(&databaseURL, "database-url", "", "use this PostgreSQL, as a user that may create roles, instead of starting one")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "write the functions' logs to standard error")
	return cmd
}
