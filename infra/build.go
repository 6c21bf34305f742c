package main

import (
	"os/exec"
	"strings"
)

// describeSource is the tag or commit that the functions are built from, or "" outside
// a git repository.
func describeSource() string {
	out, err := exec.Command("git", "describe", "--tags", "--always", "--dirty").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
