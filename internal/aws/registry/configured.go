package registry

import (
	"context"
	"slices"
)

// Configured returns a predicate for whether a secret is configured. It lists the names of
// the schedules once and does not read them, so it is fast for thousands of secrets. It may
// report false positives: Plan looks up each secret again.
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
