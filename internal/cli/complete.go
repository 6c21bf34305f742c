package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// completeSecrets offers the secrets of the deployment. It has a short timeout and reports
// no errors, since a shell waits for it.
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
