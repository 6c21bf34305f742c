package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// The patterns of the values. Sources: the API references of Secrets Manager
// (CreateSecret, RotationRulesType), EC2, KMS, Lambda, SNS, IAM and CloudWatch
// Logs (PutRetentionPolicy). docs/rotations.schema.json has the same patterns.
var (
	namePattern     = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	emailPattern    = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)
	pagePattern     = regexp.MustCompile(`^https?://[^\s#]+$`)
	topicPattern    = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$`)
	keyPattern      = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$`)
	policyPattern   = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[!-~]{1,512}$`)
	functionPattern = regexp.MustCompile(`^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9_$-]{1,128})?$`)

	accountPattern   = regexp.MustCompile(`^[0-9]{12}$`)
	principalPattern = regexp.MustCompile(`^([0-9]{12}|arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/[!-)+->@-~]{1,512}))$`) // without * and ?

	logRetentionDays = []int{
		1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731,
		1096, 1827, 2192, 2557, 2922, 3288, 3653,
	}
)

const keyRemedy = "write the key's ARN (arn:aws:kms:REGION:ACCOUNT:key/ID); an alias cannot stand in an IAM policy"

// checker finds values that are valid YAML but invalid configuration.
type checker struct {
	*decoder
	roots map[string][]string // fields by rotation, see below
	gaps  map[string]int      // days by schedule, see longestGap
}

func (c *checker) config(cfg *Config) {
	c.notToken("name", cfg.Name, "write it as plain text")
	c.match("name", cfg.Name, namePattern, "use 1-32 small letters, digits and hyphens, a letter first")
	c.oneOf("architecture", string(cfg.Architecture), string(ARM64), string(X8664))
	c.retention(cfg.LogRetentionDays)
	c.oneOf("removalPolicy", string(cfg.RemovalPolicy), string(Destroy), string(Retain))
	c.matchGiven("logKmsKey", cfg.LogKMSKey, keyPattern, keyRemedy)
	c.matchGiven("permissionsBoundary", cfg.PermissionsBoundary, policyPattern, "write the ARN of an IAM policy (arn:aws:iam::ACCOUNT:policy/NAME)")
	c.tags("tags", cfg.Tags)
	c.alerts(&cfg.Alerts)
	c.rotateNow(&cfg.RotateNow)
	for _, name := range sortedKeys(cfg.Networks) {
		c.namedNetwork(name, cfg.Networks[name])
	}
	if len(cfg.Rotations) == 0 {
		c.problem("rotations", "there is nothing to rotate", exampleRemedy)
	}
	for i := range cfg.Rotations {
		c.rotation(fmt.Sprintf("rotations[%d]", i), &cfg.Rotations[i])
	}
	c.distinct(cfg.Rotations)
	c.permissions(cfg)
	c.checkLocation(cfg)
	c.networksHaveNames(cfg)
	c.checkMainNetwork(cfg)
	c.checkDistinguishable(cfg)
	if len(c.problems) > 0 || len(cfg.Rotations) == 0 {
		return // the limits would be computed from the wrong values
	}
	limits := cfg.Limits()
	tooLong := slices.ContainsFunc(limits, func(l Limit) bool { return l.Over() && l.policies })
	for _, l := range limits {
		if l.Over() && (!tooLong || !l.ofPolicies) { // consequences of long policies are not reported again
			c.problem("rotations", l.String(), l.Remedy)
		}
	}
}

func (c *checker) alerts(a *Alerts) {
	c.matchGiven("alerts.topic", a.Topic, topicPattern, "write the ARN of a standard topic (arn:aws:sns:REGION:ACCOUNT:NAME)")
	c.matchGiven("alerts.topicKmsKey", a.TopicKMSKey, keyPattern, keyRemedy)
	if c.given("alerts.topicKmsKey") && a.Topic == "" {
		c.problem("alerts.topicKmsKey", "is the key of a topic that exists, and none is named", "add topic, or remove topicKmsKey: a topic that is created has a key of its own")
	}
	for i, email := range a.Emails {
		c.match(fmt.Sprintf("alerts.emails[%d]", i), email, emailPattern, "write an e-mail address such as oncall@example.com")
	}
	c.checkDuplicates("alerts.emails", a.Emails)
	c.matchGiven("alerts.runbook", a.Runbook, pagePattern, "write the https:// address of a page, without a # in it")
	if !c.given("alerts.severity") {
		return
	}
	c.oneOf("alerts.severity", string(a.Severity), "info", "warning", "critical")
	if len(a.Emails) == 0 {
		c.problem("alerts.severity", "limits what is sent to emails, and there are none", "add emails, or remove severity and filter the subscriptions of your topic by the attribute severity")
	}
}

func (c *checker) rotateNow(r *RotateNow) {
	for i, principal := range r.Allow {
		c.match(fmt.Sprintf("rotateNow.allow[%d]", i), principal, principalPattern, "write an account's number, or the ARN of a role or user (arn:aws:iam::ACCOUNT:role/NAME)")
	}
	c.checkDuplicates("rotateNow.allow", r.Allow)
	if !flexiblePattern.MatchString(r.MinimumInterval) {
		c.problem("rotateNow.minimumInterval", fmt.Sprintf("%q is not a length of time", r.MinimumInterval), "write minutes or hours, such as 30m or 2h")
	}
	if r.Enabled {
		return
	}
	for _, name := range []string{"allow", "minimumInterval"} {
		if c.given("rotateNow." + name) {
			c.problem("rotateNow."+name, "is about events, and they are turned off", "remove it, or enabled: false")
		}
	}
}

// Accounts are the account ids in Allow.
func (r RotateNow) Accounts() (accounts []string) {
	for _, principal := range r.Allow {
		if number, root := strings.CutSuffix(principal, ":root"); root {
			principal = number[strings.LastIndexByte(number, ':')+1:]
		}
		if accountPattern.MatchString(principal) {
			accounts = append(accounts, principal)
		}
	}
	return accounts
}

// Principals are the ARNs of roles and users in Allow.
func (r RotateNow) Principals() (arns []string) {
	for _, principal := range r.Allow {
		if !accountPattern.MatchString(principal) && !strings.HasSuffix(principal, ":root") {
			arns = append(arns, principal)
		}
	}
	return arns
}

// alsoUpdate refuses the documented keys, which are either rotated anyway or never.
func (c *checker) alsoUpdate(field string, keys []string) {
	for i, key := range keys {
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case key == "" || len(key) > 256:
			c.problem(at, fmt.Sprintf("%q is no key", key), "write the key of the secret's JSON under which the connection string stands, such as url")
		case slices.Contains(secretdoc.Keys, key):
			c.problem(at, fmt.Sprintf("%q is one of the keys that every secret has", key), "remove it: username and password are rotated anyway, and the others stay")
		}
	}
	c.checkDuplicates(field, keys)
}

func (c *checker) rotation(field string, r *Rotation) {
	if r.Secret == "" {
		c.problem(field, "field secret is missing", `add "secret:" with the name or ARN of the secret`)
	} else {
		c.secret(field+".secret", r.Secret)
		c.notManaged(field+".secret", r.Secret)
	}
	c.oneOf(field+".strategy", string(r.Strategy), string(SingleUser), string(AlternatingUsers))
	c.superuser(field, r)
	c.schedule(field, r)
	c.backstop(field, r)
	if n := r.Network; n != nil && n.Name == "" && !c.inherited(field+".network") {
		c.checkNetwork(field+".network", n)
	}
	c.matchGiven(field+".rotationFunction", r.RotationFunction, functionPattern, "write the function's ARN (arn:aws:lambda:REGION:ACCOUNT:function:NAME)")
	c.alsoUpdate(field+".alsoUpdate", r.AlsoUpdate)
	c.password(field+".password", r.Password)
	c.matchGiven(field+".kmsKey", r.KMSKey, keyPattern, keyRemedy)
	c.matchGiven(field+".superuserKmsKey", r.SuperuserKMSKey, keyPattern, keyRemedy)
}

func (c *checker) superuser(field string, r *Rotation) {
	at := field + ".superuserSecret"
	if r.RecoverPassword && r.Strategy == AlternatingUsers {
		c.problem(field+".recoverPassword", "is about the strategy single-user", "remove it: with alternating-users the superuser sets the password anyway")
	}
	if r.KeepPrevious && r.Strategy == AlternatingUsers {
		c.problem(field+".keepPrevious", "is about the strategy single-user", "remove it: with alternating-users both users' passwords stay valid anyway")
	}
	if r.SeparateOwnership && r.Strategy != AlternatingUsers {
		c.problem(field+".separateOwnership", "is about the strategy alternating-users", "remove it: a single user has no clone")
	}
	if c.given(at) {
		c.secret(at, r.SuperuserSecret)
		if r.SuperuserSecret == r.Secret {
			c.problem(at, fmt.Sprintf("%q is the secret that is rotated", r.SuperuserSecret), "name the secret of another user")
		}
		return
	}
	switch {
	case r.Strategy == AlternatingUsers && r.RotationFunction == "":
		c.problem(field, "strategy alternating-users needs a superuserSecret",
			"add superuserSecret with the name or ARN of the secret of a user who may create users, or use strategy single-user")
	case r.RecoverPassword:
		c.problem(field+".recoverPassword", "needs a superuserSecret", "add superuserSecret with the secret of a user who may change others' passwords, or remove recoverPassword")
	case c.given(field + ".superuserKmsKey"):
		c.problem(field+".superuserKmsKey", "there is no superuserSecret", "add superuserSecret, or remove superuserKmsKey")
	}
}

// The bounds of a password's length; the same as in a rotation request.
const (
	shortestPassword = 8
	longestPassword  = 128
)

func (c *checker) password(field string, p *Password) {
	if p == nil {
		return
	}
	if c.given(field+".length") && (p.Length < shortestPassword || p.Length > longestPassword) {
		c.problem(field+".length", fmt.Sprintf("%d is no length for a password", p.Length),
			fmt.Sprintf("use %d to %d, within what the database allows", shortestPassword, longestPassword))
	}
	if p.ExcludeNumbers && p.ExcludePunctuation && p.ExcludeUppercase && p.ExcludeLowercase {
		c.problem(field, "excludes every class of characters", "leave at least one class in")
	}
	if s := p.ExcludeCharacters; s != nil && len(*s) > 4096 {
		c.problem(field+".excludeCharacters", fmt.Sprintf("has %d characters", len(*s)), "write each character once; GetRandomPassword takes 4096")
	}
}

func (c *checker) tags(field string, tags map[string]string) {
	for _, key := range sortedKeys(tags) {
		at := field + "." + key
		switch {
		case key == "" || len(key) > 128 || strings.HasPrefix(key, "aws:"):
			c.problem(at, fmt.Sprintf("%q is no key for a tag", key), "use 1-128 characters that do not begin with aws:")
		case len(tags[key]) > 256:
			c.problem(at, fmt.Sprintf("the value has %d characters", len(tags[key])), "use at most 256")
		}
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

// isToken reports whether the value is a CDK token, which is known only at deployment.
// Tokens come from users of the construct, not from files.
func isToken(value string) bool { return strings.Contains(value, "${Token[") }

// notToken refuses tokens for values that must be known at synthesis, because names and
// policies are derived from them.
func (c *checker) notToken(field, value, remedy string) bool {
	if isToken(value) {
		c.problem(field, "is known at deployment only, and what is deployed is named after it", remedy)
	}
	return isToken(value)
}

func (c *checker) match(field, value string, pattern *regexp.Regexp, remedy string) {
	if !pattern.MatchString(value) && !isToken(value) {
		c.problem(field, fmt.Sprintf("%q is not valid here", value), remedy)
	}
}

// matchGiven is match for a field that may be left out, but not be empty.
func (c *checker) matchGiven(field, value string, pattern *regexp.Regexp, remedy string) {
	if c.given(field) {
		c.match(field, value, pattern, remedy)
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

// checkDuplicates refuses values that are listed twice.
func (c *checker) checkDuplicates(field string, values []string) {
	for i, value := range values {
		if slices.Contains(values[:i], value) {
			c.problem(fmt.Sprintf("%s[%d]", field, i), fmt.Sprintf("%q is listed twice", value), "remove one of the two")
		}
	}
}

// given reports whether the file has the field.
func (c *checker) given(field string) bool {
	_, ok := c.at[field]
	return ok
}
