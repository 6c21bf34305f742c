package tsql

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// Each statement names its page of Microsoft's SQL Server documentation (Transact-SQL
// reference): no server has been at hand.

// Probe is a harmless query. Source: "SELECT".
const Probe = "SELECT 1"

// LockTimeoutMillis is how long a change may wait for one lock. It is no bound for
// the statement as a whole, so four waits stay below engine.LateBound.
const LockTimeoutMillis = 2500

// LockTimeout bounds the waits of the session's statements; without it they have
// no end. Source: "SET LOCK_TIMEOUT".
var LockTimeout = fmt.Sprintf("SET LOCK_TIMEOUT %d", LockTimeoutMillis)

// Master is the database in which permissions on the server are granted; the
// server refuses to do it elsewhere.
const Master = "master"

// Use makes a database the session's current one. Source: "USE", which demands a user
// of the login in that database, or guest's.
func Use(database string) string { return "USE " + Name(database) }

// LoginPassword changes a login's password. Old is empty for a superuser; a
// login that changes its own has to give the one it has, unless it has ALTER ANY LOGIN.
// Source: "ALTER LOGIN".
func LoginPassword(login string, password, old redact.String) redact.String {
	return redact.New("ALTER LOGIN " + Name(login) + " WITH PASSWORD = " + Text(password.Reveal()) + oldPassword(old))
}

// UserPassword is LoginPassword for a user of a contained database, which has
// to be the current one. Source: "ALTER USER".
func UserPassword(user string, password, old redact.String) redact.String {
	return redact.New("ALTER USER " + Name(user) + " WITH PASSWORD = " + Text(password.Reveal()) + oldPassword(old))
}

func oldPassword(old redact.String) string {
	if old.IsEmpty() {
		return ""
	}
	return " OLD_PASSWORD = " + Text(old.Reveal())
}

// LoginSettings are what CREATE and ALTER LOGIN set beside the password.
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

// CreateLogin makes a login with a security identifier of the caller's choice.
// Source: "CREATE LOGIN", of which SID is for SQL Server logins only.
func CreateLogin(login string, password redact.String, sid []byte, settings LoginSettings) redact.String {
	return redact.New(LoginCreated(login) + " WITH PASSWORD = " + Text(password.Reveal()) +
		", SID = 0x" + strings.ToUpper(hex.EncodeToString(sid)) + ", " + settings.options())
}

// LoginCreated is as much of CreateLogin as people are told, and UserCreated of the
// statements that make users. Sources: theirs.
func LoginCreated(login string) string { return "CREATE LOGIN " + Name(login) }

// UserCreated is explained at LoginCreated. Source: "CREATE USER".
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

// MarkName is the extended property by which a contained user says whose clone
// it is.
const MarkName = "tumbler:secret"

// CreateContainedUser makes a user with a password, and its mark with it or not
// at all. An empty language is the database's default. Sources: "CREATE USER",
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

// DropUser removes a user from the current database. Source: "DROP USER", which refuses
// one that owns schemas.
func DropUser(user string) string { return "DROP USER " + Name(user) }

// Membership adds a member to a role or drops it. Sources: "ALTER ROLE", "ALTER SERVER
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

// State is how a permission stands, in sys.database_permissions' own words.
type State string

// The states.
const (
	Grant           State = "GRANT"
	GrantWithOption State = "GRANT_WITH_GRANT_OPTION"
	Deny            State = "DENY"
	Revoke          State = "REVOKE" // a column left out of a grant on its table
	Owner           State = "OWNER"  // not a permission, but as good as CONTROL
	Member          State = "MEMBER" // not a permission: of a role
)

// Securable is what a permission is on.
type Securable struct {
	Kind   string // "OBJECT", "SCHEMA", ...; empty: the server or the database itself
	Schema string // of kinds that live in one
	Name   string
	Column string // of an OBJECT
}

// On is the ON clause with a space before it, or nothing.
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

// Permission is one statement of GRANT, DENY or REVOKE. Sources: "GRANT", "DENY",
// "REVOKE".
//
// From is how the permission stands now, to how it shall stand; "" is not at
// all. CASCADE goes with taking a grant option away because the server insists
// on it: what the account has granted onward falls with it.
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
