package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// completeSecrets offers the names that the deployment rotates. A shell waits for it, so
// that it gives up soon, and quietly.
func completeSecrets(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	const patience = 3 * time.Second
	ctx, cancel := context.WithTimeout(cmd.Context(), patience)
	defer cancel()
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	name := defaultName
	if f := cmd.Flags().Lookup("name"); f != nil {
		name = f.Value.String()
	}
	entries, _ := configuredIn(ctx, name) // without the right to look, none
	for _, e := range entries {
		names = append(names, e.SecretID)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
