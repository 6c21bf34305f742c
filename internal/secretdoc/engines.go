package secretdoc

import (
	"maps"
	"slices"
)

// Traits are the facts about an engine that do not need a connection.
// Source: AWS Secrets Manager user guide, "JSON structure of AWS Secrets
// Manager database credential secrets" and the published rotation templates.
type Traits struct {
	Family            string // the engine package that serves it; "" when only a rotation function can
	DefaultPort       int
	DefaultDBName     string
	DBNameRequired    bool
	OwnDatabase       bool   // a superuser connects to its own default database, not to the user's
	UsernameLimit     int    // characters, including "_clone"
	PasswordLength    int    // characters of a generated password
	ExcludeCharacters string // never in a generated password
	AlwaysTLS         bool   // every AWS-managed server of this engine has TLS on its only port
	SecondExpires     bool   // a password that is accepted beside the new one is so for a time only
}

// The characters that the rotation templates leave out of passwords because they have a
// meaning in connection strings and shells.
const (
	excludeDefault   = "/@\"'\\"
	excludeColon     = ":" + excludeDefault
	excludeSemicolon = ";" + excludeDefault
)

var (
	postgres = Traits{
		Family: "postgres", DefaultPort: 5432, DefaultDBName: "postgres", OwnDatabase: true,
		UsernameLimit: 63, PasswordLength: 32, ExcludeCharacters: excludeColon,
		AlwaysTLS: true,
	}
	redshift = Traits{
		Family: "redshift", DefaultPort: 5439, DefaultDBName: "dev",
		UsernameLimit: 127, PasswordLength: 32, ExcludeCharacters: excludeColon,
		AlwaysTLS: true,
	}
	mysql = Traits{
		// 16 before MySQL 5.7.8; the server says so itself.
		Family: "mysql", DefaultPort: 3306,
		UsernameLimit: 32, PasswordLength: 32, ExcludeCharacters: excludeDefault,
		AlwaysTLS: true,
	}
	mariadb = Traits{
		Family: "mysql", DefaultPort: 3306,
		UsernameLimit: 80, PasswordLength: 32, ExcludeCharacters: excludeDefault,
		AlwaysTLS: true,
	}
	sqlserver = Traits{
		Family: "sqlserver", DefaultPort: 1433, DefaultDBName: "master",
		UsernameLimit: 128, PasswordLength: 32, ExcludeCharacters: excludeDefault,
		AlwaysTLS: true,
	}
	oracle = Traits{
		Family: "oracle", DefaultPort: 1521, DBNameRequired: true, SecondExpires: true,
		UsernameLimit: 30, PasswordLength: 30, ExcludeCharacters: excludeDefault,
	}
	db2 = Traits{
		DefaultPort: 50000, DBNameRequired: true,
		UsernameLimit: 16, PasswordLength: 32, ExcludeCharacters: excludeSemicolon,
	}
	mongodb = Traits{
		Family: "mongodb", DefaultPort: 27017, DefaultDBName: "admin",
		UsernameLimit: 128, PasswordLength: 32, ExcludeCharacters: excludeDefault,
		AlwaysTLS: true,
	}
)

// Engines maps the values of a secret's "engine" key to their facts.
var Engines = map[string]Traits{
	"aurora-mysql":      mysql,
	"aurora-postgresql": postgres,
	"db2":               db2,
	"db2-ae":            db2,
	"db2-se":            db2,
	"mariadb":           mariadb,
	"mongo":             mongodb,
	"mysql":             mysql,
	"oracle":            oracle,
	"oracle-ee":         oracle,
	"oracle-ee-cdb":     oracle,
	"oracle-se":         oracle,
	"oracle-se1":        oracle,
	"oracle-se2":        oracle,
	"oracle-se2-cdb":    oracle,
	"postgres":          postgres,
	"redshift":          redshift,
	"sqlserver":         sqlserver,
	"sqlserver-ee":      sqlserver,
	"sqlserver-ex":      sqlserver,
	"sqlserver-se":      sqlserver,
	"sqlserver-web":     sqlserver,
}

// EngineNames lists the keys of [Engines] in order.
func EngineNames() []string { return slices.Sorted(maps.Keys(Engines)) }
