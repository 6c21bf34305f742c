package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What the values look like. Sources: the API references of Secrets Manager
// (CreateSecret, RotationRulesType), EC2, KMS and CloudWatch Logs
// (PutRetentionPolicy).
var (
	namePattern     = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	emailPattern    = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)
	schedulePattern = regexp.MustCompile(`^(rate|cron)\([0-9A-Za-z#?*\-/, ]+\)$`)
	durationPattern = regexp.MustCompile(`^([0-9]{1,2})h$`)
	vpcPattern      = regexp.MustCompile(`^vpc-[0-9a-f]{8,17}$`)
	subnetPattern   = regexp.MustCompile(`^subnet-[0-9a-f]{8,17}$`)
	groupPattern    = regexp.MustCompile(`^sg-[0-9a-f]{8,17}$`)
	keyPattern      = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9A-Za-z-]+$`)

	logRetentionDays = []int{
		1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731,
		1096, 1827, 2192, 2557, 2922, 3288, 3653,
	}
)

// checker finds values that are well-formed YAML and yet cannot be meant.
type checker struct{ *decoder }

func (c *checker) config(cfg *Config) {
	c.match("name", cfg.Name, namePattern, "use 1-32 small letters, digits and hyphens, a letter first")
	c.oneOf("architecture", string(cfg.Architecture), string(ARM64), string(X8664))
	c.retention(cfg.LogRetentionDays)
	for i, email := range cfg.Alerts.Emails {
		field := fmt.Sprintf("alerts.emails[%d]", i)
		c.match(field, email, emailPattern, "write an e-mail address such as oncall@example.com")
		if slices.Contains(cfg.Alerts.Emails[:i], email) {
			c.problem(field, fmt.Sprintf("%q is listed twice", email), "remove one of the two")
		}
	}
	if len(cfg.Rotations) == 0 {
		c.problem("rotations", "there is nothing to rotate", exampleRemedy)
	}
	for i := range cfg.Rotations {
		c.rotation(fmt.Sprintf("rotations[%d]", i), &cfg.Rotations[i])
	}
	c.distinct(cfg.Rotations)
	c.oneNetwork(cfg.Rotations)
}

func (c *checker) rotation(field string, r *Rotation) {
	if r.Secret == "" {
		c.problem(field, "field secret is missing", `add "secret:" with the name or ARN of the secret`)
	} else {
		c.secret(field+".secret", r.Secret)
	}
	c.oneOf(field+".strategy", string(r.Strategy), string(SingleUser), string(AlternatingUsers))
	c.superuser(field, r)
	c.schedule(field, r)
	if n := r.Network; n != nil {
		c.network(field+".network", n)
	}
	if c.given(field + ".kmsKey") {
		c.match(field+".kmsKey", r.KMSKey, keyPattern, "write the key's ARN (arn:aws:kms:REGION:ACCOUNT:key/ID); an alias cannot stand in an IAM policy")
	}
}

func (c *checker) superuser(field string, r *Rotation) {
	if !c.given(field + ".superuserSecret") {
		if r.Strategy == AlternatingUsers {
			c.problem(field, "strategy alternating-users needs a superuserSecret",
				"add superuserSecret with the name or ARN of the secret of a user who may create users, or use strategy single-user")
		}
		return
	}
	c.secret(field+".superuserSecret", r.SuperuserSecret)
	if r.SuperuserSecret == r.Secret {
		c.problem(field+".superuserSecret", fmt.Sprintf("%q is the secret that is rotated", r.Secret), "name the secret of another user")
	}
}

// schedule checks the outer shape; the grammar inside is checked at deployment.
func (c *checker) schedule(field string, r *Rotation) {
	at := field + ".schedule"
	if c.given(at) && (len(r.Schedule) > 256 || !schedulePattern.MatchString(r.Schedule)) {
		c.problem(at, fmt.Sprintf("%q is not a schedule", r.Schedule), "write rate(10 days) or cron(0 2 ? * SUN *), in UTC")
	}
	at = field + ".duration"
	if !c.given(at) {
		return
	}
	m := durationPattern.FindStringSubmatch(r.Duration)
	if m == nil {
		c.problem(at, fmt.Sprintf("%q is not a duration", r.Duration), "write whole hours, such as 3h")
		return
	}
	if hours, _ := strconv.Atoi(m[1]); hours < 1 || hours > 24 {
		c.problem(at, fmt.Sprintf("%s is no length for a rotation window", r.Duration), "use 1h to 24h: a window stays within one UTC day")
	}
	if !c.given(field + ".schedule") {
		c.problem(at, "a window needs a schedule that opens it", "add a schedule, or remove duration")
	}
}

func (c *checker) network(field string, n *Network) {
	if n.VPC == "" {
		c.problem(field, "field vpc is missing", "add the id of the database's VPC, such as vpc-0a1b2c3d4e5f60718")
	} else {
		c.match(field+".vpc", n.VPC, vpcPattern, "write the id of a VPC, such as vpc-0a1b2c3d4e5f60718")
	}
	if len(n.Subnets) == 0 {
		c.problem(field, "there are no subnets", "add the ids of subnets from which the database can be reached, best in two Availability Zones")
	}
	for i, id := range n.Subnets {
		c.match(fmt.Sprintf("%s.subnets[%d]", field, i), id, subnetPattern, "write the id of a subnet, such as subnet-0a1b2c3d4e5f60718")
	}
	for i, id := range n.SecurityGroups {
		c.match(fmt.Sprintf("%s.securityGroups[%d]", field, i), id, groupPattern, "write the id of a security group, such as sg-0a1b2c3d4e5f60718")
	}
}

// oneNetwork holds because a deployment has one set of functions, and a Lambda
// function is in one VPC.
func (c *checker) oneNetwork(rotations []Rotation) {
	for i := range rotations {
		if reflect.DeepEqual(rotations[i].Network, rotations[0].Network) {
			continue
		}
		field, what := fmt.Sprintf("rotations[%d].network", i), "differs from the network of rotations[0]"
		if !c.given(field) {
			field, what = fmt.Sprintf("rotations[%d]", i), "has no network, and rotations[0] has one"
		}
		c.problem(field, what,
			"give all rotations of this file the same network (&name and *name save repeating it), or put this one in a file of its own with another name")
	}
}

func (c *checker) retention(days int) {
	if slices.Contains(logRetentionDays, days) {
		return
	}
	next := logRetentionDays[len(logRetentionDays)-1]
	if i, _ := slices.BinarySearch(logRetentionDays, days); i < len(logRetentionDays) {
		next = logRetentionDays[i]
	}
	c.problem("logRetentionDays", fmt.Sprintf("CloudWatch Logs cannot keep logs for %d days", days), fmt.Sprintf("use %d", next))
}

func (c *checker) match(field, value string, pattern *regexp.Regexp, remedy string) {
	if !pattern.MatchString(value) {
		c.problem(field, fmt.Sprintf("%q is not valid here", value), remedy)
	}
}

func (c *checker) oneOf(field, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	remedy := suggest(value, allowed)
	if !strings.HasPrefix(remedy, "use") {
		remedy += " Use one of " + strings.Join(allowed, ", ")
	}
	c.problem(field, fmt.Sprintf("%q is not known", value), remedy)
}

// given reports whether the field stands in the file.
func (c *checker) given(field string) bool {
	_, ok := c.at[field]
	return ok
}
