package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// namesPattern does not begin with a wildcard, so that nobody allows everything by accident.
var namesPattern = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-][A-Za-z0-9/_+=.@!*?-]{0,511}$`)

// Covers reports whether a pattern of an IAM policy covers a name.
func Covers(pattern, name string) bool {
	expression := "^"
	for _, r := range pattern {
		switch r {
		case '*':
			expression += ".*"
		case '?':
			expression += "."
		default:
			expression += regexp.QuoteMeta(string(r))
		}
	}
	return regexp.MustCompile(expression + "$").MatchString(name)
}

// Patterns returns the patterns that cover at least one of the secrets, or nil if the
// secrets are to be named one by one.
func Patterns(patterns, secrets []string) []string {
	var used []string
	for _, pattern := range patterns {
		covers := coverer(pattern)
		if slices.ContainsFunc(secrets, func(s string) bool { return covers(SecretName(s)) }) {
			used = append(used, pattern)
		}
	}
	return used
}

// coverer returns Covers for one pattern and many names.
func coverer(pattern string) func(name string) bool {
	if fixed, ok := strings.CutSuffix(pattern, "*"); ok && !strings.ContainsAny(fixed, "*?") {
		return func(name string) bool { return strings.HasPrefix(name, fixed) }
	}
	return func(name string) bool { return Covers(pattern, name) }
}

func (c *checker) permissions(cfg *Config) {
	var secrets, superusers []string
	for _, r := range cfg.Rotations {
		secrets = append(secrets, SecretName(r.Secret))
		if r.SuperuserSecret != "" {
			superusers = append(superusers, SecretName(r.SuperuserSecret))
		}
	}
	c.cover("permissions.secrets", cfg.Permissions.Secrets, secrets)
	c.cover("permissions.superusers", cfg.Permissions.Superusers, superusers)
}

// cover refuses patterns that do not cover every secret, and patterns that cover none.
func (c *checker) cover(field string, patterns, names []string) {
	if len(patterns) == 0 {
		return
	}
	covered := make([]bool, len(names))
	for i, pattern := range patterns {
		at := fmt.Sprintf("%s[%d]", field, i)
		if c.match(at, pattern, namesPattern, "write the beginning of a name, and * or ? for what differs, such as prod/team-*"); !namesPattern.MatchString(pattern) {
			continue
		}
		covers, any := coverer(pattern), false
		for j, name := range names {
			if covers(name) {
				covered[j], any = true, true
			}
		}
		if !any {
			c.problem(at, fmt.Sprintf("%q covers no secret of this file", pattern), "remove it: it would allow what nobody needs")
		}
	}
	if i := slices.Index(covered, false); i >= 0 {
		c.problem(field, fmt.Sprintf("no pattern covers %q", names[i]), "add a pattern for it; without this field each secret is named by itself")
	}
	c.checkDuplicates(field, patterns)
}
