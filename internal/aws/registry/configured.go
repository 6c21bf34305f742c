package registry

import (
	"context"
	"slices"
)

// Configured returns a test whether a secret has a configuration. It asks for
// the names of the schedules once, and not for what they start, so that it is
// good for thousands of secrets: Plan looks up each one again and refuses what
// only seemed to be configured.
//
// Codes: those of [Client.List].
func (c *Client) Configured(ctx context.Context) (func(secretARN, secretName string) bool, error) {
	names, err := c.names(ctx)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	return func(secretARN, secretName string) bool {
		for _, id := range identifiers(secretARN, secretName) {
			if slices.ContainsFunc(scheduleNames(id), func(name string) bool { return known[name] }) {
				return true
			}
		}
		return false
	}, nil
}
