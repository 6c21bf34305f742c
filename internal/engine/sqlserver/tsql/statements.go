package tsql

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// Each statement names its page in Microsoft's SQL Server documentation (Transact-SQL
// reference), because no server was available.

// Probe is a harmless query. Source: "SELECT".
const Probe = "SELECT 1"

// LockTimeoutMillis is how long a change may wait for each lock. It does not limit the
// whole statement, so it is short enough for four waits to stay below engine.LateBound.
const LockTimeoutMillis = 2500

// LockTimeout limits the lock waits of the session's statements, which are otherwise
// unlimited. Source: "SET LOCK_TIMEOUT".
var LockTimeout = fmt.Sprintf("SET LOCK_TIMEOUT %d", LockTimeoutMillis)

// Master is the only database in which the server accepts grants of server permissions.
const Master = "master"

// Use makes a database the session's current one. Source: "USE", which requires that the
// login has a user in that database, or that guest is enabled.
func Use(database string) string { return "USE " + Name(database) }

// LoginPassword changes a login's password. A login that changes its own password must
// give the old one unless it has ALTER ANY LOGIN; for others, old is empty. Source:
// "ALTER LOGIN".
func LoginPassword(login string, password, old redact.String) redact.String {
	return redact.New("ALTER LOGIN " + Name(login) + " WITH PASSWORD = " + Text(password.Reveal()) + oldPassword(old))
}

// UserPassword is LoginPassword for a user of a contained database, which must be the
// current one. Source: "ALTER USER".
func UserPassword(user string, password, old redact.String) redact.String {
	return redact.New("ALTER USER " + Name(user) + " WITH PASSWORD = " + Text(password.Reveal()) + oldPassword(old))
}

func oldPassword(old redact.String) string {
	if old.IsEmpty() {
		return ""
	}
	return " OLD_PASSWORD = " + Text(old.Reveal())
}

// LoginSettings are the settings of CREATE LOGIN and ALTER LOGIN other than the password.
type LoginSettings struct {
	Database        string // default database
	Language        string // default language
	CheckPolicy     bool
	CheckExpiration bool
}

func (s LoginSettings) options() string {
	return "DEFAULT_DATABASE = " + Name(s.Database) + ", DEFAULT_LANGUAGE = " + Name(s.Language) +
		", CHECK_POLICY = " + onOff(s.CheckPolicy) + ", CHECK_EXPIRATION = " + onOff(s.CheckExpiration)
}

func onOff(b bool) string {
	if b {
		return "ON"
	}
	return "OFF"
}

// CreateLogin creates a login with a given security identifier. Source: "CREATE LOGIN",
// where SID is for SQL Server logins only.
func CreateLogin(login string, password redact.String, sid []byte, settings LoginSettings) redact.String {
	return redact.New(LoginCreated(login) + " WITH PASSWORD = " + Text(password.Reveal()) +
		", SID = 0x" + strings.ToUpper(hex.EncodeToString(sid)) + ", " + settings.options())
}

// LoginCreated describes CreateLogin without its secret and its settings. Source: "CREATE
// LOGIN".
func LoginCreated(login string) string { return "CREATE LOGIN " + Name(login) }

// UserCreated describes the creation of a user in the same way. Source: "CREATE USER".
func UserCreated(user string) string { return "CREATE USER " + Name(user) }

// AlterLogin changes a login's settings. Source: "ALTER LOGIN".
func AlterLogin(login string, settings LoginSettings) string {
	return "ALTER LOGIN " + Name(login) + " WITH " + settings.options()
}

// EnableLogin lets a disabled login in again. Source: "ALTER LOGIN".
func EnableLogin(login string) string { return "ALTER LOGIN " + Name(login) + " ENABLE" }

// CreateUser makes a login's user in the current database. Source: "CREATE USER".
func CreateUser(user, login, schema string) string {
	return UserCreated(user) + " FOR LOGIN " + Name(login) + " WITH DEFAULT_SCHEMA = " + Name(schema)
}

// MarkName is the extended property of a contained user that holds its clone's mark.
const MarkName = "tumbler:secret"

// CreateContainedUser creates a user with a password and its mark, in one transaction. An
// empty language is the database's default. Sources: "CREATE USER",
// "sp_addextendedproperty", "SET XACT_ABORT", "BEGIN TRANSACTION".
func CreateContainedUser(user string, password redact.String, schema, language, mark string) redact.String {
	return redact.New("SET XACT_ABORT ON; BEGIN TRANSACTION; " +
		UserCreated(user) + " WITH PASSWORD = " + Text(password.Reveal()) +
		", DEFAULT_SCHEMA = " + Name(schema) + ", DEFAULT_LANGUAGE = " + languageName(language) + "; " +
		"EXEC sys.sp_addextendedproperty @name = " + Text(MarkName) + ", @value = " + Text(mark) +
		", @level0type = N'USER', @level0name = " + Text(user) + "; " +
		"COMMIT TRANSACTION")
}

// AlterUserSchema changes a user's default schema. Source: "ALTER USER".
func AlterUserSchema(user, schema string) string {
	return "ALTER USER " + Name(user) + " WITH DEFAULT_SCHEMA = " + Name(schema)
}

// AlterUserLanguage changes a contained user's default language. Source: "ALTER USER".
func AlterUserLanguage(user, language string) string {
	return "ALTER USER " + Name(user) + " WITH DEFAULT_LANGUAGE = " + languageName(language)
}

func languageName(language string) string {
	if language == "" {
		return "NONE"
	}
	return Name(language)
}

// DropUser removes a user from the current database. Source: "DROP USER", which fails for
// a user that owns schemas.
func DropUser(user string) string { return "DROP USER " + Name(user) }

// Membership adds a member to a role or removes it. Sources: "ALTER ROLE", "ALTER SERVER
// ROLE".
func Membership(server, add bool, role, member string) string {
	s := "ALTER "
	if server {
		s += "SERVER "
	}
	s += "ROLE " + Name(role)
	if add {
		return s + " ADD MEMBER " + Name(member)
	}
	return s + " DROP MEMBER " + Name(member)
}

// State is the state of a permission, as in sys.database_permissions.
type State string

// The states.
const (
	Grant           State = "GRANT"
	GrantWithOption State = "GRANT_WITH_GRANT_OPTION"
	Deny            State = "DENY"
	Revoke          State = "REVOKE" // a column excluded from a grant on its table
	Owner           State = "OWNER"  // not a permission, but equivalent to CONTROL
	Member          State = "MEMBER" // membership of a role, not a permission
)

// Securable is the object of a permission.
type Securable struct {
	Kind   string // "OBJECT", "SCHEMA", ...; empty: the server or the database itself
	Schema string // for kinds that belong to a schema
	Name   string
	Column string // for a column of an OBJECT
}

// On is the ON clause with a leading space, or empty.
func (s Securable) On() string {
	if s.Kind == "" {
		return ""
	}
	on := " ON " + s.Kind + "::"
	if s.Schema != "" {
		on += Name(s.Schema) + "."
	}
	return on + Name(s.Name)
}

// Permission builds a GRANT, DENY or REVOKE. Sources: "GRANT", "DENY", "REVOKE".
//
// from is the permission's current state and to the intended one; "" means no permission.
// Revoking a grant option requires CASCADE, which also revokes what the account has
// granted to others.
func Permission(permission string, on Securable, from, to State, account string) string {
	what := permission
	if on.Column != "" {
		what += " (" + Name(on.Column) + ")"
	}
	what += on.On()
	cascade := ""
	if from == GrantWithOption {
		cascade = " CASCADE"
	}
	switch {
	case to == Grant && from == GrantWithOption:
		return "REVOKE GRANT OPTION FOR " + what + " FROM " + Name(account) + cascade
	case to == Grant:
		return "GRANT " + what + " TO " + Name(account)
	case to == GrantWithOption:
		return "GRANT " + what + " TO " + Name(account) + " WITH GRANT OPTION"
	case to == Deny:
		return "DENY " + what + " TO " + Name(account) + cascade
	}
	return "REVOKE " + what + " FROM " + Name(account) + cascade
}
