package secretdoc

import (
	"maps"
	"slices"
)

// Traits are the facts about an engine that do not need a connection.
// Source: AWS Secrets Manager user guide, "JSON structure of AWS Secrets
// Manager database credential secrets" and the published rotation templates.
type Traits struct {
	Family            string // the engine package that serves it
	DefaultPort       int
	DefaultDBName     string
	DBNameRequired    bool
	UsernameLimit     int    // characters, including "_clone"
	PasswordLength    int    // characters of a generated password
	ExcludeCharacters string // never in a generated password
}

// The characters that the rotation templates leave out of passwords because
// connection strings and shells trip over them.
const (
	excludeDefault = "/@\"'\\"
	excludeColon   = ":" + excludeDefault
)

var postgres = Traits{
	Family: "postgres", DefaultPort: 5432, DefaultDBName: "postgres",
	UsernameLimit: 63, PasswordLength: 32, ExcludeCharacters: excludeColon,
}

// Engines maps the values of a secret's "engine" key to their facts.
var Engines = map[string]Traits{
	"postgres":          postgres,
	"aurora-postgresql": postgres,
}

// EngineNames lists the keys of [Engines] in order.
func EngineNames() []string { return slices.Sorted(maps.Keys(Engines)) }
