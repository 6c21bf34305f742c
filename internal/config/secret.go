package config

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	// AWS services use "!" in the names of the secrets that they manage: rds!db-...,
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

// notManaged refuses secrets that another service manages, because only that service may
// write them.
func (c *checker) notManaged(field, value string) {
	if service, _, managed := strings.Cut(SecretName(value), "!"); managed && !isToken(value) {
		c.problem(field, fmt.Sprintf("%q is managed by %s, which rotates it itself", value, service),
			"name it as superuserSecret of the users it may change, and leave its own rotation to "+service)
	}
}

// distinct refuses a secret that is listed twice, because it would have two schedules.
func (c *checker) distinct(rotations []Rotation) {
	// Two ARNs with the same name belong to two secrets, of which one was deleted.
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

// Location is the Region and account of the secrets that are given by ARN, and the field
// with the first such ARN; empty if all are given by name.
func (cfg *Config) Location() (region, account, field string) {
	for i, r := range cfg.Rotations {
		for name, arn := range map[string]string{"secret": r.Secret, "superuserSecret": r.SuperuserSecret} {
			if parts := strings.Split(arn, ":"); IsARN(arn) && len(parts) > 5 && !isToken(arn) {
				return parts[3], parts[4], fmt.Sprintf("rotations[%d].%s", i, name)
			}
		}
	}
	return "", "", ""
}

// checkLocation refuses ARNs of several accounts or Regions: a deployment is a stack in one
// of them, and uses Secrets Manager there.
func (c *checker) checkLocation(cfg *Config) {
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
