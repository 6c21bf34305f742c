// Package secretdoc reads and writes the JSON document of a database secret.
//
// The keys are those of the AWS Secrets Manager user guide, "JSON structure of
// AWS Secrets Manager database credential secrets". Other keys are kept byte for byte, in
// their order.
package secretdoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/aws/awshost"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// The documented keys. They are case-sensitive.
const (
	keyEngine    = "engine"
	keyHost      = "host"
	keyPort      = "port"
	keyUsername  = "username"
	keyPassword  = "password"
	keyDBName    = "dbname"
	keySSL       = "ssl"
	keyMasterARN = "masterarn"
)

// Document is a parsed secret. Copies are independent of each other.
type Document struct {
	Engine    string // as written, one of [Engines]; Required.
	Host      string // Required.
	Port      int    // 1-65535; the engine's default when the key is absent
	Username  string // Required.
	Password  redact.String
	DBName    string // the engine's default when the key is absent
	SSL       *bool  // nil when the key is absent
	MasterARN string // ARN of the superuser's secret. Optional.

	members []member
}

type member struct {
	key string
	raw json.RawMessage
}

// Parse reads and validates a secret of one database user. Its errors have the code
// InvalidSecret and name the key and the kind of its value. They quote no value, since any
// key may hold a password.
//
// An optional key that is null or "" counts as absent: templates write both. A byte order
// mark before the object is skipped, and Encode does not write it.
func Parse(secret redact.String) (Document, error) {
	d, err := parse(secret)
	if err != nil {
		return Document{}, err
	}
	if err := d.require(keyEngine, keyHost, keyUsername, keyPassword); err != nil {
		return Document{}, err
	}
	return d.complete()
}

// ParseSuperuser reads the secret of a superuser of current's server. A secret that RDS
// manages holds only a username and a password; managed is then true, and engine and
// database are taken from current. So is ssl, but only if it is true: somebody who may
// write current can require TLS for the superuser, but not turn it off. See
// [Document.Managed]. Source: Amazon RDS user guide, "Password management with Amazon RDS
// and AWS Secrets Manager".
func ParseSuperuser(secret redact.String, current Document) (d Document, managed bool, err error) {
	d, err = parse(secret)
	if err != nil {
		return Document{}, false, err
	}
	if err := d.require(keyUsername, keyPassword); err != nil {
		return Document{}, false, err
	}
	if d.Host == "" && d.Engine == "" {
		d.Engine, d.Host, d.Port, d.DBName, d.SSL = current.Engine, current.Host, current.Port, current.DBName, nil
		if current.SSL != nil && *current.SSL {
			d.SSL = new(true)
		}
		return d, true, nil
	}
	if err := d.require(keyEngine, keyHost); err != nil {
		return Document{}, false, err
	}
	d, err = d.complete()
	return d, false, err
}

func (d Document) require(keys ...string) error {
	values := map[string]string{
		keyEngine: d.Engine, keyHost: d.Host, keyUsername: d.Username, keyPassword: d.Password.Reveal(),
	}
	for _, key := range keys {
		if values[key] == "" {
			return invalid(fmt.Sprintf("key %q is missing or empty", key),
				fmt.Sprintf("Add %q to the secret's JSON with a value that is not null; the keys are case-sensitive%s", key, d.lookAlike(key)))
		}
	}
	return nil
}

// complete fills in the engine's defaults.
func (d Document) complete() (Document, error) {
	traits, known := Engines[d.Engine]
	if !known {
		return Document{}, invalid(fmt.Sprintf("key %q is none that Tumbler knows", keyEngine),
			"Use one of "+strings.Join(EngineNames(), ", ")+", in small letters")
	}
	if err := checkHost(d.Host); err != nil {
		return Document{}, err
	}
	if d.Port == 0 {
		d.Port = traits.DefaultPort
	}
	if d.DBName == "" {
		if traits.DBNameRequired {
			return Document{}, invalid(fmt.Sprintf("key %q is missing or empty", keyDBName),
				fmt.Sprintf("Add %q to the secret's JSON: engine %s has no default database", keyDBName, d.Engine))
		}
		d.DBName = traits.DefaultDBName
	}
	return d, nil
}

// parse reads the object and checks the types of its keys.
func parse(secret redact.String) (Document, error) {
	members, err := readObject(secret.Reveal())
	if err != nil {
		return Document{}, err
	}
	d := Document{members: members}
	for _, m := range members {
		if m.isAbsent() {
			continue
		}
		switch m.key {
		case keyEngine:
			d.Engine, err = m.text()
		case keyHost:
			d.Host, err = m.text()
		case keyUsername:
			d.Username, err = m.text()
		case keyDBName:
			d.DBName, err = m.text()
		case keyMasterARN:
			d.MasterARN, err = m.text()
		case keyPassword:
			var password string
			password, err = m.text()
			d.Password = redact.New(password)
		case keyPort:
			d.Port, err = m.port()
		case keySSL:
			d.SSL, err = m.flag()
		}
		if err != nil {
			return Document{}, err
		}
	}
	return d, nil
}

// isAbsent reports whether the value is null or "".
func (m member) isAbsent() bool {
	raw := string(m.raw)
	return raw == "null" || raw == `""`
}

// byteOrderMark is written by some editors and shells before a text in UTF-8.
const byteOrderMark = "\ufeff"

// readObject splits a JSON object into its members, in order.
func readObject(text string) ([]member, error) {
	text = strings.TrimPrefix(text, byteOrderMark)
	if strings.TrimSpace(text) == "" {
		return nil, invalid("the secret has no text value", "Store a JSON object with engine, host, username and password")
	}
	const remedy = `Store one JSON object such as {"engine":"postgres","host":"...","username":"...","password":"..."}`
	dec := json.NewDecoder(strings.NewReader(text))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, invalid("the secret is not a JSON object", remedy)
	}
	var members []member
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, notJSON(dec, remedy)
		}
		m := member{key: key.(string)} // the decoder accepts no other kind of key
		if err := dec.Decode(&m.raw); err != nil {
			return nil, notJSON(dec, remedy)
		}
		if seen[m.key] {
			return nil, invalid(fmt.Sprintf("key %q stands twice in the secret", m.key), "Keep one of them")
		}
		seen[m.key] = true
		members = append(members, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, notJSON(dec, remedy)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, invalid("the secret has text after its JSON object", remedy)
	}
	return members, nil
}

// notJSON is the error for invalid JSON, with its position but without quoting it.
func notJSON(dec *json.Decoder, remedy string) error {
	return invalid(fmt.Sprintf("the secret is not valid JSON at byte %d", dec.InputOffset()), remedy)
}

func (m member) text() (string, error) {
	var s string
	if m.raw[0] != '"' || json.Unmarshal(m.raw, &s) != nil {
		return "", invalid(fmt.Sprintf("key %q is %s, want a string", m.key, kind(m.raw)), "Put its value in double quotes")
	}
	if strings.ContainsRune(s, 0) {
		return "", invalid(fmt.Sprintf("key %q contains a NUL character", m.key), "No database accepts one: remove it")
	}
	return s, nil
}

// port accepts a number or a string of digits, as AWS's own rotation functions do. The
// console writes a number.
func (m member) port() (int, error) {
	text := strings.Trim(string(m.raw), `"`)
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 65535 {
		return 0, invalid(fmt.Sprintf("key %q is %s that is no port, want a number from 1 to 65535", m.key, kind(m.raw)),
			"Correct the port or leave the key out for the engine's default")
	}
	return n, nil
}

// flag accepts true and false, as a boolean or as a string in any case, as AWS's own
// rotation functions do.
func (m member) flag() (*bool, error) {
	switch strings.ToLower(strings.Trim(string(m.raw), `"`)) {
	case "true":
		return new(true), nil
	case "false":
		return new(false), nil
	}
	return nil, invalid(fmt.Sprintf("key %q is %s that says neither true nor false", m.key, kind(m.raw)),
		"Use true (TLS required and verified), false (no TLS) or leave the key out")
}

// WithPassword returns a copy with another password.
func (d Document) WithPassword(password redact.String) Document {
	d.Password = password
	return d.with(keyPassword, password.Reveal())
}

// WithUsername returns a copy with another user.
func (d Document) WithUsername(username string) Document {
	d.Username = username
	return d.with(keyUsername, username)
}

// At returns a copy for connecting to another address. Encode still returns the original
// host and port.
func (d Document) At(host string, port int) Document {
	d.Host, d.Port = host, port
	return d
}

// Managed returns a copy for connecting to the server whose superuser's secret AWS manages.
// It requires TLS if every AWS-managed server of the engine has it.
func (d Document) Managed(host string, port int) Document {
	d.Host, d.Port = host, port
	if d.Traits().AlwaysTLS && awshost.IsDatabase(host) {
		d.SSL = new(true)
	}
	return d
}

// with returns a copy in which key has the value.
func (d Document) with(key, value string) Document {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(value) // a string always encodes
	members := make([]member, 0, len(d.members)+1)
	replaced := false
	for _, m := range d.members {
		if m.key == key {
			m.raw, replaced = bytes.TrimSpace(raw.Bytes()), true
		}
		members = append(members, m)
	}
	if !replaced {
		members = append(members, member{key: key, raw: bytes.TrimSpace(raw.Bytes())})
	}
	d.members = members
	return d
}

// Encode returns the document as the text to store.
func (d Document) Encode() redact.String {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, m := range d.members {
		if i > 0 {
			out.WriteByte(',')
		}
		key, _ := json.Marshal(m.key) // a string always encodes
		out.Write(key)
		out.WriteByte(':')
		out.Write(m.raw)
	}
	out.WriteByte('}')
	return redact.New(out.String())
}

// Traits returns the facts about the document's engine.
func (d Document) Traits() Traits { return Engines[d.Engine] }

// lookAlike mentions a key that differs only in case, if there is one.
func (d Document) lookAlike(key string) string {
	for _, m := range d.members {
		if m.key != key && strings.EqualFold(m.key, key) {
			return fmt.Sprintf(" (there is a %q)", m.key)
		}
	}
	return ""
}

// kind names the JSON type of raw without quoting it.
func kind(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

func invalid(op, hint string) error { return fault.New(fault.InvalidSecret, op, hint) }
