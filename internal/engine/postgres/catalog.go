package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pggrant"
)

// catalog is the server's catalog of some roles and every role that they are members of,
// directly or indirectly. One statement reads it, from views that every role may read.
// Source: PostgreSQL documentation, "System Catalogs".
type catalog struct {
	Version     int             `json:"version"` // such as 150018
	Encryption  string          `json:"encryption"`
	Iterations  string          `json:"iterations"` // null before 16, which leaves it empty
	Session     string          `json:"session"`    // the role that statements are run as
	Actor       string          `json:"actor"`      // another one that the session's may act as, and has to
	Roles       []role          `json:"roles"`
	Memberships []membership    `json:"memberships"`
	Settings    []configuration `json:"settings"`
	Database    string          `json:"database"` // the session's
	Owns        []ownership     `json:"owns"`

	grants map[string]pggrant.Rights // with SeparateOwnership only
}

// role is a row of pg_roles.
type role struct {
	Name            string `json:"rolname"`
	Superuser       bool   `json:"rolsuper"`
	Inherit         bool   `json:"rolinherit"`
	CreateRole      bool   `json:"rolcreaterole"`
	CreateDB        bool   `json:"rolcreatedb"`
	Login           bool   `json:"rolcanlogin"`
	Replication     bool   `json:"rolreplication"`
	BypassRLS       bool   `json:"rolbypassrls"`
	ConnectionLimit int    `json:"rolconnlimit"`
	ValidUntil      string `json:"valid"` // in UTC; empty: for ever
	Expired         bool   `json:"expired"`
	Comment         string `json:"comment"`
	Administered    bool   `json:"administered"` // the session has ADMIN OPTION on it, or is a superuser
	Usable          bool   `json:"usable"`       // the session has its rights
}

// membership is a row of pg_auth_members. From PostgreSQL 16 on there may be one
// from each grantor.
type membership struct {
	Role    string `json:"role"`
	Member  string `json:"member"`
	Grantor string `json:"grantor"`
	Admin   bool   `json:"admin"`
	Inherit bool   `json:"inherit"`
	Set     bool   `json:"set"`
}

// configuration is a row of pg_db_role_setting.
type configuration struct {
	Database string   `json:"database"` // empty: in all of them
	Role     string   `json:"role"`     // empty: of all of them
	Config   []string `json:"config"`   // name=value
}

// ownership means that one of the roles owns something.
type ownership struct {
	Role     string `json:"role"`
	Database string `json:"database"` // empty: something of the whole server, such as a database
	Defaults bool   `json:"defaults"` // default privileges, which nobody can be given
}

// catalog reads what concerns the roles. Those that do not exist are not in it.
func (s *session) catalog(ctx context.Context, roles ...string) (*catalog, error) {
	results, err := s.Read(ctx, s.catalogSQL(roles...)...)
	if err != nil {
		return nil, err
	}
	c, err := s.parseCatalog(results)
	if err != nil || c.Actor == "" || s.As != "" || slices.Contains(roles, c.Session) {
		return c, err
	}
	s.As = c.Actor
	return s.catalog(ctx, roles...)
}

// catalogSQL is the statements whose results parseCatalog reads.
func (s *session) catalogSQL(roles ...string) []string {
	if s.engine.SeparateOwnership {
		return []string{pggrant.PostgresSQL(roles...), catalogSQL(roles...)}
	}
	return []string{catalogSQL(roles...)}
}

func (s *session) parseCatalog(results [][][]string) (*catalog, error) {
	const strange = "what the server says about its roles was not understood"
	last := len(results) - 1
	if last < 0 || len(results[last]) != 1 || len(results[last][0]) != 1 {
		return nil, errors.New(strange)
	}
	c := &catalog{}
	if err := json.Unmarshal([]byte(results[last][0][0]), c); err != nil {
		return nil, errors.New(strange)
	}
	if s.engine.SeparateOwnership && last > 0 {
		var err error
		if c.grants, err = pggrant.Parse(results[last-1]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// inheritPerGrant reports whether the server keeps the options INHERIT and SET
// with each membership. Source: PostgreSQL 16 release notes.
func (c *catalog) inheritPerGrant() bool { return c.Version >= 160000 }

// role returns a role, nil if there is none.
func (c *catalog) role(name string) *role {
	for i := range c.Roles {
		if c.Roles[i].Name == name {
			return &c.Roles[i]
		}
	}
	return nil
}

// memberships returns the role's direct memberships, by role. Options granted by several
// grantors are combined.
func (c *catalog) memberships(member string) map[string]membership {
	sum := map[string]membership{}
	for _, m := range c.Memberships {
		if m.Member != member {
			continue
		}
		had := sum[m.Role]
		sum[m.Role] = membership{
			Role: m.Role, Member: member,
			Admin: had.Admin || m.Admin, Inherit: had.Inherit || m.Inherit, Set: had.Set || m.Set,
		}
	}
	return sum
}

// ownsIn returns the databases in which the role owns something: true if that can be
// reassigned, false if it has only default privileges there. The empty name is the whole
// server.
func (c *catalog) ownsIn(role string) map[string]bool {
	found := map[string]bool{}
	for _, o := range c.Owns {
		if o.Role == role {
			found[o.Database] = found[o.Database] || !o.Defaults
		}
	}
	return found
}

// settings returns the role's own settings, of one database or (with an empty
// name) of all, by name. The setting "role" is left out; see [catalog.runsAs].
func (c *catalog) settings(database, role string) map[string]string {
	found := map[string]string{}
	for _, s := range c.Settings {
		if s.Database != database || s.Role != role {
			continue
		}
		for _, item := range s.Config {
			if name, value, ok := strings.Cut(item, "="); ok && name != settingRole {
				found[name] = value
			}
		}
	}
	return found
}

// settingRole is the setting by which a role's sessions act as another role.
const settingRole = "role"

// ownRole returns the setting "role", empty if there is none.
func (c *catalog) ownRole(database, role string) string {
	for _, s := range c.Settings {
		if s.Database != database || s.Role != role {
			continue
		}
		for _, item := range s.Config {
			if name, value, _ := strings.Cut(item, "="); name == settingRole {
				return value
			}
		}
	}
	return ""
}

// runsAs returns the role that a session acts as after its login. Of the
// settings that apply the first wins. Source: PostgreSQL documentation,
// "ALTER ROLE", and process_settings() in its postinit.c.
func (c *catalog) runsAs(database, role string) string {
	for _, at := range [][2]string{{database, role}, {"", role}, {database, ""}, {"", ""}} {
		switch as := c.ownRole(at[0], at[1]); as {
		case "":
		case "none":
			return role
		default:
			return as
		}
	}
	return role
}

// databases lists those that have settings of one of the roles, or, with an
// empty name, of all roles.
func (c *catalog) databases(roles ...string) []string {
	found := map[string]bool{}
	for _, s := range c.Settings {
		for _, role := range roles {
			if s.Database != "" && s.Role == role {
				found[s.Database] = true
			}
		}
	}
	return sortedKeys(found)
}
