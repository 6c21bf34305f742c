package config

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	// "!" is in the names that AWS services give the secrets they manage: rds!db-...,
	// rds!cluster-..., redshift!....
	secretNamePattern = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]{1,512}$`)
	secretARNPattern  = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:([A-Za-z0-9/_+=.@!-]{1,512})-[A-Za-z0-9]{6}$`)
)

// IsARN reports whether a secret is given by ARN rather than by name.
func IsARN(secret string) bool { return strings.HasPrefix(secret, "arn:") }

// SecretName is the name of a secret given by name or ARN.
func SecretName(secret string) string {
	if m := secretARNPattern.FindStringSubmatch(secret); m != nil {
		return m[1]
	}
	return secret
}

func (c *checker) secret(field, value string) {
	switch {
	case c.notToken(field, value, "give the secret a name of its own (SecretName) and write that, or hand over the secret itself (FromSecret, FromSuperuserSecret)"):
	case IsARN(value):
		c.match(field, value, secretARNPattern,
			"write the complete ARN, which ends in a hyphen and six characters, or the name alone")
	default:
		c.match(field, value, secretNamePattern,
			"write the secret's name (letters, digits and /_+=.@!-) or its complete ARN")
	}
}

// notManaged refuses to rotate what another service manages: Secrets Manager lets
// only that service write it.
func (c *checker) notManaged(field, value string) {
	if service, _, managed := strings.Cut(SecretName(value), "!"); managed && !isToken(value) {
		c.problem(field, fmt.Sprintf("%q is managed by %s, which rotates it itself", value, service),
			"name it as superuserSecret of the users it may change, and leave its own rotation to "+service)
	}
}

// distinct refuses a secret that is listed twice: two schedules of one secret
// would overtake each other.
func (c *checker) distinct(rotations []Rotation) {
	// Two ARNs of one name are of two secrets, of which one is gone.
	seen, named, byName := map[string]int{}, map[string]int{}, map[string]int{}
	for i, r := range rotations {
		name := SecretName(r.Secret)
		if r.Secret == "" {
			continue
		}
		j, twice := seen[r.Secret]
		if !twice && IsARN(r.Secret) {
			j, twice = named[name]
		} else if !twice {
			j, twice = byName[name]
		}
		if twice {
			c.problem(fmt.Sprintf("rotations[%d].secret", i), fmt.Sprintf("%q is already rotated by rotations[%d]", r.Secret, j), "remove one of the two")
			continue
		}
		if seen[r.Secret] = i; IsARN(r.Secret) {
			byName[name] = i
		} else {
			named[name] = i
		}
	}
}

// Place is where the secrets are that are named by ARN, and the field that says
// so; empty when all are named by name.
func (cfg *Config) Place() (region, account, field string) {
	for i, r := range cfg.Rotations {
		for name, arn := range map[string]string{"secret": r.Secret, "superuserSecret": r.SuperuserSecret} {
			if parts := strings.Split(arn, ":"); IsARN(arn) && len(parts) > 5 && !isToken(arn) {
				return parts[3], parts[4], fmt.Sprintf("rotations[%d].%s", i, name)
			}
		}
	}
	return "", "", ""
}

// onePlace refuses ARNs of several accounts or Regions: a deployment is a stack
// in one, and Secrets Manager is asked where the stack is.
func (c *checker) onePlace(cfg *Config) {
	var first, at string
	check := func(field, arn string, account bool) {
		parts := strings.Split(arn, ":")
		if len(parts) < 6 || isToken(arn) {
			return
		}
		place := strings.Join(parts[3:5], " ")
		if first == "" && account {
			first, at = place, field
		}
		region, _, _ := strings.Cut(first, " ")
		if first == "" || place == first || !account && parts[3] == region {
			return
		}
		c.problem(field, fmt.Sprintf("is in %s, and %s is in %s", place, at, first), "put the secrets of another account or Region into a file of their own, and deploy that there")
	}
	for i, r := range cfg.Rotations {
		field := fmt.Sprintf("rotations[%d]", i)
		check(field+".secret", r.Secret, true)
		check(field+".superuserSecret", r.SuperuserSecret, true)
		check(field+".rotationFunction", r.RotationFunction, false)
		check(field+".kmsKey", r.KMSKey, false)
		check(field+".superuserKmsKey", r.SuperuserKMSKey, false)
	}
	check("alerts.topic", cfg.Alerts.Topic, false)
	check("logKmsKey", cfg.LogKMSKey, false)
}
