package secretdoc

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// MaxBytes is the maximum length of a secret value. Source: API reference,
// "PutSecretValue".
const MaxBytes = 65536

// Keys are the documented keys, which alsoUpdate cannot name.
var Keys = []string{keyEngine, keyHost, keyPort, keyUsername, keyPassword, keyDBName, keySSL, keyMasterARN}

// WithCredentials returns a copy with another password, and another user if username
// differs. It also replaces user and password in the keys alsoUpdate: each must hold exactly
// those of d, in a URL or another connection string, or one of the two alone. Code:
// InvalidSecret.
func (d Document) WithCredentials(username string, password redact.String, alsoUpdate ...string) (Document, error) {
	next := d.WithPassword(password)
	if username != d.Username {
		next = next.WithUsername(username)
	}
	for _, key := range alsoUpdate {
		text, err := d.alsoUpdate(key)
		if err != nil {
			return Document{}, err
		}
		replaced, ok := credentials{d.Username, d.Password.Reveal()}.replace(text, credentials{username, password.Reveal()})
		if !ok {
			return Document{}, invalid(
				fmt.Sprintf("key %q, which alsoUpdate names, does not hold the user and the password that username and password hold", key),
				fmt.Sprintf("Correct %q so that both are in it once, as a URL (percent-encoded) or another connection string, or take it out of alsoUpdate", key))
		}
		next = next.with(key, replaced)
	}
	if len(next.Encode().Reveal()) > MaxBytes {
		return Document{}, invalid("the secret would have more than 65,536 bytes with its new password",
			"Secrets Manager stores no more: move what does not belong to the database's user into a secret of its own")
	}
	return next, nil
}

// alsoUpdate returns the text under a key that alsoUpdate names.
func (d Document) alsoUpdate(key string) (string, error) {
	const remedy = "Name a key of the secret that applications read a connection string from, or take it out of alsoUpdate"
	i := slices.IndexFunc(d.members, func(m member) bool { return m.key == key })
	switch {
	case slices.Contains(Keys, key):
		return "", invalid(fmt.Sprintf("alsoUpdate names %q, which is one of the keys that every secret has", key), remedy)
	case i < 0:
		return "", invalid(fmt.Sprintf("alsoUpdate names key %q, and the secret has none", key), remedy)
	}
	return d.members[i].text()
}

// Elsewhere lists the other keys, in the secret's order, that contain the password: alone,
// in a connection string, percent-encoded or in base64, at any depth. Unless alsoUpdate
// names such a key, it holds the old password after a rotation.
func (d Document) Elsewhere(alsoUpdate ...string) []string {
	var keys []string
	for _, m := range d.members {
		if slices.Contains(Keys, m.key) || slices.Contains(alsoUpdate, m.key) {
			continue
		}
		var value any
		if json.Unmarshal(m.raw, &value) == nil && d.credentials().stand(value) {
			keys = append(keys, m.key)
		}
	}
	return keys
}

func (d Document) credentials() credentials {
	return credentials{d.Username, d.Password.Reveal()}
}

// stand reports whether a JSON value contains the password.
func (c credentials) stand(value any) bool {
	switch v := value.(type) {
	case string:
		return c.in(v)
	case []any:
		return slices.ContainsFunc(v, c.stand)
	case map[string]any:
		for _, member := range v {
			if c.stand(member) {
				return true
			}
		}
	}
	return false
}

// telling is the minimum length of a password that other texts do not contain by chance, as
// they would "app".
const telling = 8

// in reports whether text contains the password.
func (c credentials) in(text string) bool {
	if c.password == "" {
		return false
	}
	if _, found := c.find(text); found || text == c.password {
		return true
	}
	if len(c.password) < telling {
		return false
	}
	basic := base64.RawStdEncoding.EncodeToString
	return strings.Contains(text, c.password) ||
		strings.Contains(unescapeLoosely(text), c.password) ||
		strings.Contains(unescapeLoosely(strings.ReplaceAll(text, "+", " ")), c.password) ||
		strings.Contains(text, basic([]byte(c.password))) ||
		strings.Contains(text, basic([]byte(c.username+":"+c.password)))
}

// unescapeLoosely decodes percent-encoding, and keeps malformed escapes.
func unescapeLoosely(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+3 <= len(text) {
			if decoded, err := url.PathUnescape(text[i : i+3]); err == nil {
				out.WriteString(decoded)
				i += 2
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}
