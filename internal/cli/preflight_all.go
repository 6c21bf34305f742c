package cli

import (
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/spf13/cobra"

	"github.com/tumbler-rotation/tumbler/internal/aws/registry"
	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// preflightAll looks at every secret of the deployment, a few at once.
func preflightAll(cmd *cobra.Command, name string, asJSON bool) error {
	const atOnce = 4
	ctx := cmd.Context()
	cfg, err := environment(ctx)
	if err != nil {
		return err
	}
	entries, err := registry.New(scheduler.NewFromConfig(cfg), name).List(ctx)
	if err != nil {
		return explainFault("reading what is configured", err)
	}
	if len(entries) == 0 {
		return fmt.Errorf("deployment %s rotates no secrets. Name them in rotations.yaml and deploy", name)
	}
	results, failures := make([]rotation.PreflightResult, len(entries)), make([]error, len(entries))
	slots := make(chan struct{}, atOnce)
	var workers sync.WaitGroup
	for i, e := range entries {
		slots <- struct{}{}
		workers.Go(func() {
			defer func() { <-slots }()
			results[i], failures[i] = preflight(ctx, name+"-preflight", rotation.Request{
				SecretID: e.SecretID, Trigger: rotation.Trigger{Source: rotation.SourceManual}, OutsideWindow: rotation.OutsideRotate,
			})
		})
	}
	workers.Wait()
	bad := 0
	var rows [][]string
	for i, r := range results {
		if failures[i] != nil {
			return failures[i] // the function itself: it is the same for all
		}
		would, why := "yes", ""
		if !r.WouldRotate {
			bad++
			would, why = "no", firstFailure(r)
		}
		rows = append(rows, []string{entries[i].SecretID, would, orDash(r.Login), why})
	}
	if asJSON {
		err = writeJSON(cmd.OutOrStdout(), results)
	} else {
		terminal.New(cmd.OutOrStdout()).Table([]string{"SECRET", "WOULD ROTATE", "AWSCURRENT", "WHY NOT"}, rows)
	}
	if err == nil && bad > 0 {
		err = fmt.Errorf("%d of %d secrets would not be rotated. Nothing was changed", bad, len(results))
	}
	return err
}
