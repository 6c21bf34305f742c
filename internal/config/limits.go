package config

import (
	"cmp"
	"fmt"
	"strings"
)

// AWS's limits. Sources: IAM user guide, "IAM and AWS STS quotas" (characters
// without white space); CloudFormation user guide, "Understand CloudFormation
// quotas"; Lambda developer guide, "Lambda quotas".
const (
	LongestInlinePolicy  = 10_240 // characters, all inline policies of a role together
	LongestManagedPolicy = 6_144
	MostManagedPolicies  = 10 // of a role
	LongestEndpoint      = 20_480
	MostResources        = 500
	LargestTemplate      = 1_000_000
	longestEnvironment   = 4_096
	longestPattern       = 2_048 // EventBridge user guide, "Quotas"
)

// SchedulesInTemplate is the number of rotations up to which the template has their schedules.
const SchedulesInTemplate = 150

// MostRotations is the maximum number of rotations in a deployment: the hourly audit has
// five minutes, and Secrets Manager lists the versions of 50 secrets a second (user guide,
// "Quotas").
const MostRotations = 10_000

// Limit is a limit of AWS and the deployment's estimated value.
type Limit struct {
	What      string
	Got, Most int
	Remedy    string

	policies   bool // a limit of the roles' policies
	ofPolicies bool // a limit that is exceeded because of long policies
}

// Over reports whether AWS would refuse it.
func (l Limit) Over() bool { return l.Got > l.Most }

func (l Limit) String() string { return fmt.Sprintf("%s: %d of at most %d", l.What, l.Got, l.Most) }

// Limits estimates the deployment's values. They are upper bounds.
func (cfg *Config) Limits() []Limit {
	limits := []Limit{
		{What: "rotations", Got: len(cfg.Rotations), Most: MostRotations, Remedy: "divide the file into deployments with names of their own"},
		{What: "resources of the template", Got: cfg.resources(), Most: MostResources, ofPolicies: true, Remedy: "have fewer rotations with nativeBackstop or rotateImmediately, or divide the file into deployments with names of their own"},
		{What: "characters of the template", Got: cfg.templateSize(), Most: LargestTemplate, ofPolicies: true, Remedy: "divide the file into deployments with names of their own"},
	}
	for _, set := range cfg.Sets() {
		name := strings.TrimSuffix(cfg.Name+"-"+set.Name, "-")
		limits = append(limits,
			Limit{
				What: "characters of the longest role's policies in " + name, Got: cfg.policySize(set),
				Most: LongestInlinePolicy + MostManagedPolicies*(LongestManagedPolicy-spare), Remedy: cfg.permissionsRemedy(set), policies: true,
			},
			Limit{What: "characters of rotation functions in " + name, Got: functionsSize(set), Most: longestEnvironment - 1024, Remedy: "divide the file into deployments with names of their own: a function's environment lists them"})
	}
	if size := cfg.eventPattern(); size > 0 {
		limits = append(limits, Limit{What: "characters of the event pattern for rotate-now", Got: size, Most: longestPattern, Remedy: "write rotateNow: {enabled: false}, or divide the file into deployments: with several networks the rules tell the secrets apart by their names"})
	}
	return limits
}

// eventPattern is the length of the longest event pattern. That of the main network lists
// the secrets of the other networks; each of the others lists its own.
func (cfg *Config) eventPattern() (longest int) {
	sets := cfg.Sets()
	if len(sets) == 1 || !cfg.RotateNow.Enabled {
		return 0
	}
	others := 0
	for _, set := range sets[1:] {
		own := 0
		for _, r := range set.Rotations {
			own += 2*len(SecretName(r.Secret)) + len(`{"wildcard":""},{"wildcard":"arn:*:secret:-*"},`)
		}
		others += own
		longest = max(longest, own)
	}
	return 120 + max(longest, others)
}

// spare is the space in a managed policy that stays unused or that repeats parts of a
// divided statement, in characters.
const spare = 500

// longestARN is the length of a secret's ARN without the name, with quotes and a comma.
const longestARN = len(`"arn:aws-us-gov:secretsmanager:us-gov-west-1:111122223333:secret:-??????",`)

// policySize is the size of the largest role's policies, in characters: that role may read
// all secrets, those of the superusers, and use their keys.
func (cfg *Config) policySize(set Set) int {
	size := 3_000 // statements that do not depend on the secrets
	own, superusers := newSizes(cfg.Permissions.Secrets), newSizes(cfg.Permissions.Superusers)
	keys := map[string]bool{}
	for _, r := range set.Rotations {
		own.add(r.Secret, r.KMSKey)
		key := cmp.Or(r.SuperuserKMSKey, r.KMSKey)
		superusers.add(r.SuperuserSecret, key)
		keys[r.KMSKey], keys[key] = true, true
	}
	names, _ := own.sum()
	more, _ := superusers.sum()
	return size + names + more + 400*len(keys)
}

// namesSize is the total length of the names in a set's policies.
func (cfg *Config) namesSize(set Set) int {
	own, superusers := newSizes(cfg.Permissions.Secrets), newSizes(cfg.Permissions.Superusers)
	for _, r := range set.Rotations {
		own.add(r.Secret, r.KMSKey)
		superusers.add(r.SuperuserSecret, cmp.Or(r.SuperuserKMSKey, r.KMSKey))
	}
	_, a := own.sum()
	_, b := superusers.sum()
	return a + b
}

// sizes sums the ARNs that a policy lists.
type sizes struct {
	patterns []string
	covers   []func(string) bool
	seen     map[[2]string]int // by key and what is listed
}

func newSizes(patterns []string) sizes {
	s := sizes{patterns: patterns, seen: map[[2]string]int{}}
	for _, p := range patterns {
		s.covers = append(s.covers, coverer(p))
	}
	return s
}

func (s sizes) add(secret, key string) {
	if secret == "" {
		return
	}
	listed := secret
	if len(s.patterns) > 0 {
		for i, covers := range s.covers {
			if covers(SecretName(secret)) {
				listed = s.patterns[i]
				s.seen[[2]string{"", listed}] = len(listed) + longestARN
				if key != "" {
					s.seen[[2]string{key, listed}] = len(listed) + longestARN
				}
			}
		}
		return
	}
	size := len(listed) + longestARN
	if IsARN(listed) {
		size = len(listed) + len(`"",`)
	}
	s.seen[[2]string{"", listed}] = size
	if key != "" {
		s.seen[[2]string{key, listed}] = size
	}
}

// sum is the size in the policy and in the template, in characters.
func (s sizes) sum() (policy, template int) {
	for of, size := range s.seen {
		policy += size
		template += len(of[1]) + len("${B}-??????,")
	}
	return policy, template
}

func (cfg *Config) permissionsRemedy(set Set) string {
	var names []string
	for _, r := range set.Rotations {
		names = append(names, SecretName(r.Secret))
	}
	pattern := commonBeginning(names) + "*"
	return fmt.Sprintf("name the secrets by patterns (permissions: {secrets: [%q]}), which allows every secret that they cover, or divide the file into deployments with names of their own", pattern)
}

func commonBeginning(names []string) string {
	common := names[0]
	for _, name := range names {
		for !strings.HasPrefix(name, common) {
			common = common[:len(common)-1]
		}
	}
	return common
}

func functionsSize(set Set) (size int) {
	seen := map[string]bool{}
	for _, r := range set.Rotations {
		if f := r.RotationFunction; f != "" && !seen[f] {
			seen[f] = true
			size += len(f) + 1
		}
	}
	return size
}

// The number of resources of a set (functions with roles, logs and alarms, security group
// rules, endpoints) and of the stack.
const resourcesOfSet, resourcesOfStack = 95, 20

func (cfg *Config) resources() int {
	count := resourcesOfStack + len(cfg.Alerts.Emails)
	for _, set := range cfg.Sets() {
		count += resourcesOfSet
		if n := set.Network; n != nil {
			count += 2*max(1, len(n.DatabasePorts))*len(n.DatabaseSecurityGroups) + 2*len(n.EndpointSecurityGroups)
		}
		if pages := (cfg.policySize(set) - LongestInlinePolicy) / (LongestManagedPolicy - spare); pages > 0 {
			count += 12 * (pages + 1) // the functions that list secrets
		}
		for _, r := range set.Rotations {
			if r.BackstopDays() > 0 {
				count++
			}
			if r.RotateImmediately {
				count++
			}
		}
	}
	if len(cfg.Rotations) <= SchedulesInTemplate {
		count += len(cfg.Rotations)
	}
	return count
}

func (cfg *Config) templateSize() int {
	size := 10_000
	for _, set := range cfg.Sets() {
		size += 145_000 + 16*cfg.namesSize(set) // in as many roles and policies
	}
	if len(cfg.Rotations) <= SchedulesInTemplate {
		size += 2_500 * len(cfg.Rotations)
	}
	for _, r := range cfg.Rotations {
		if r.BackstopDays() > 0 || r.RotateImmediately {
			size += 1_500
		}
	}
	return size
}
