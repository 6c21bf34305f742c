package sqlserver

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// account is a login or a user of a contained database.
type account struct {
	name     string
	database string // of a contained user; empty: a login
}

// master is the ID of the database that holds the logins.
const master = 1

// authContained is the authentication type of a user whose password is stored in the
// database (sys.database_principals).
const authContained = 2

// find looks an account up and returns nil if there is none. The same name may belong to
// a login and to contained users of several databases. For the session's own name, it
// returns the account that logged in. For another name it prefers, as the server does,
// the account that a login to the current database would use.
func (s *session) find(ctx context.Context, user string) (*account, error) {
	var id int64
	var sees sql.NullInt64
	var home, current sql.NullString
	err := s.query(ctx, "asking who is logged in", func(rows *sql.Rows) error {
		return rows.Scan(&id, &home, &current, &sees)
	}, tsql.Self)
	if err != nil {
		return nil, err
	}
	s.seesLogins = sees.Int64 == 1
	if user == s.target.User {
		if id == master {
			return &account{name: user}, nil
		}
		return &account{name: user, database: home.String}, nil
	}
	databases, err := s.databases(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range databases {
		if d.contained && d.name == current.String {
			if found, err := s.contained(ctx, d.name, user); found != nil || err != nil {
				return found, err
			}
		}
	}
	if login, err := s.login(ctx, user); err != nil || login != nil {
		return &account{name: user}, err
	}
	return s.findContained(ctx, databases, user)
}

// findContained looks for the user in all contained databases.
func (s *session) findContained(ctx context.Context, databases []database, user string) (*account, error) {
	var found *account
	for _, d := range databases {
		if !d.contained {
			continue
		}
		a, err := s.contained(ctx, d.name, user)
		if err != nil {
			return nil, err
		}
		if a != nil && found != nil {
			return nil, fault.New(fault.DatabaseError,
				fmt.Sprintf("user %q is in the contained databases %q and %q, and which is meant cannot be told", user, found.database, a.database),
				"Name the user's database as dbname in the superuser's secret")
		}
		if a != nil {
			found = a
		}
	}
	return found, nil
}

// contained looks for a user with a password in one database, and makes that database the
// current one.
func (s *session) contained(ctx context.Context, database, name string) (*account, error) {
	if err := s.use(ctx, database); err != nil {
		return nil, err
	}
	users, err := s.users(ctx, nil, nil, name, name)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if u.authentication == authContained {
			return &account{name: u.name, database: database}, nil
		}
	}
	return nil, nil
}

type database struct {
	name      string
	contained bool
}

func (s *session) databases(ctx context.Context) ([]database, error) {
	var list []database
	err := s.query(ctx, "listing the databases", func(rows *sql.Rows) error {
		var d database
		var containment int
		err := rows.Scan(&d.name, &containment)
		d.contained = containment != 0
		list = append(list, d)
		return err
	}, tsql.Databases)
	return list, err
}

// closed lists the databases that the session cannot open. An account's rights in these
// can be neither compared nor brought level.
func (s *session) closed(ctx context.Context) (notes []string, err error) {
	err = s.query(ctx, "listing the databases", func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		notes = append(notes, fmt.Sprintf("did not look into database %q: it is not open to %q, or offline", name, s.target.User))
		return err
	}, tsql.Closed)
	return notes, err
}

// login is a server principal.
type login struct {
	id       int64
	sid      []byte
	password bool // a login with a password, not a Windows account or a role
	disabled bool
	settings tsql.LoginSettings
}

// login reads a server principal and returns nil if there is none.
func (s *session) login(ctx context.Context, name string) (*login, error) {
	var found *login
	err := s.query(ctx, fmt.Sprintf("looking up login %q", name), func(rows *sql.Rows) error {
		var l login
		var kind string
		var db, language sql.NullString
		var policy, expiration sql.NullBool
		err := rows.Scan(&l.id, &l.sid, &kind, &l.disabled, &db, &language, &policy, &expiration)
		l.password = kind == "S"
		l.settings = tsql.LoginSettings{
			Database: db.String, Language: language.String,
			CheckPolicy: policy.Bool, CheckExpiration: expiration.Bool,
		}
		found = &l
		return err
	}, tsql.Login, name)
	return found, err
}

// user is a user of the current database.
type user struct {
	id             int64
	name           string
	sid            []byte
	authentication int
	schema         string
	language       string
	mark           string
}

// isOwner reports whether the user is dbo, the database's owner.
func (u *user) isOwner() bool { return u.id == 1 }

// users reads the users of the current database that have one of the security identifiers
// or names.
func (s *session) users(ctx context.Context, sid, otherSID []byte, name, otherName string) ([]*user, error) {
	if sid == nil {
		sid, otherSID = []byte{}, []byte{} // matches no user
	}
	var list []*user
	err := s.query(ctx, "looking up database users", func(rows *sql.Rows) error {
		var u user
		var schema, language, mark sql.NullString
		err := rows.Scan(&u.id, &u.name, &u.sid, &u.authentication, &schema, &language, &mark)
		u.schema, u.language, u.mark = schema.String, language.String, mark.String
		if u.schema == "" {
			u.schema = "dbo" // the server's default
		}
		list = append(list, &u)
		return err
	}, tsql.Users, sid, otherSID, name, otherName)
	return list, err
}
