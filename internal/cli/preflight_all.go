package cli

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tumbler-rotation/tumbler/internal/cli/terminal"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// preflightAll checks every secret of the deployment, a few at once.
func preflightAll(cmd *cobra.Command, name string, asJSON bool) error {
	ctx := cmd.Context()
	entries, err := configuredIn(ctx, name)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return fmt.Errorf("deployment %s rotates no secrets. Name them in rotations.yaml and deploy", name)
	}
	var secrets []string
	for _, e := range entries {
		secrets = append(secrets, e.SecretID)
	}
	results := make([]rotation.PreflightResult, len(entries))
	var first error
	preflightEach(ctx, name, secrets, func(i int, result rotation.PreflightResult, err error) {
		results[i], first = result, cmp.Or(first, err)
	})
	if first != nil {
		return first // the function itself failed, as it would for all
	}
	bad := 0
	var rows [][]string
	for i, r := range results {
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

// preflightEach checks secrets regardless of their windows, a few at once. It calls tell for
// one after the other, in order.
func preflightEach(ctx context.Context, name string, secrets []string, tell func(i int, result rotation.PreflightResult, err error)) {
	const atOnce = 4
	var (
		g  errgroup.Group
		mu sync.Mutex
	)
	g.SetLimit(atOnce)
	for i, secret := range secrets {
		g.Go(func() error {
			result, err := preflight(ctx, name+"-preflight", rotation.Request{
				SecretID: secret, Trigger: rotation.Trigger{Source: rotation.SourceManual}, OutsideWindow: rotation.OutsideRotate,
			})
			mu.Lock()
			defer mu.Unlock()
			tell(i, result, err)
			return nil
		})
	}
	_ = g.Wait() // errors were passed to tell
}
