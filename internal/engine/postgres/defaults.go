package postgres

import (
	"cmp"
	"slices"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
)

// defaultPrivilege is a privilege that a grantee gets on objects created in future.
type defaultPrivilege struct {
	Kind, Schema, Grantee, Privilege string // empty grantee: PUBLIC; empty schema: all schemas
	Grantable                        bool
}

// defaults are one role's default privileges, by kind and schema. An empty entry means
// that the built-in default has been revoked.
type defaults map[[2]string][]defaultPrivilege

// parseDefaults groups the rows of defaultsSQL by the role that creates the objects.
func parseDefaults(rows [][]string) map[string]defaults {
	found := map[string]defaults{}
	for _, row := range rows {
		owner, at := row[0], [2]string{row[1], row[2]}
		if found[owner] == nil {
			found[owner] = defaults{}
		}
		if found[owner][at] == nil {
			found[owner][at] = []defaultPrivilege{}
		}
		if row[3] != owner {
			found[owner][at] = append(found[owner][at], defaultPrivilege{Kind: row[1], Schema: row[2], Grantee: row[3], Privilege: row[4], Grantable: row[5] == "t"})
		}
	}
	return found
}

// byItself returns the built-in default privileges on new objects. Source: PostgreSQL
// documentation, "Privileges".
func byItself(kind, schema string) []defaultPrivilege {
	privilege := map[string]string{"FUNCTIONS": "EXECUTE", "TYPES": "USAGE"}[kind]
	if privilege == "" || schema != "" {
		return nil
	}
	return []defaultPrivilege{{Kind: kind, Privilege: privilege}}
}

// passDefaults copies the clone's default privileges to the original, because the clone
// has created objects in its own name so far. The original's own default privileges are
// kept.
func (l *leveling) passDefaults(found map[string]defaults, database string) []pgwire.Step {
	var steps []pgwire.Step
	originals := found[l.original]
	for at, wanted := range found[l.clone] {
		have, has := originals[at]
		if !has {
			have = byItself(at[0], at[1])
			for _, d := range have {
				if !slices.Contains(wanted, d) {
					steps = append(steps, pgwire.Step{SQL: takeDefaultSQL(l.original, d), Kind: pgwire.Levelling})
				}
			}
		}
		for _, d := range wanted {
			if !slices.Contains(have, d) && d.Grantee != l.original {
				steps = append(steps, pgwire.Step{SQL: giveDefaultSQL(l.original, d), Kind: pgwire.Levelling})
			}
		}
	}
	slices.SortFunc(steps, func(a, b pgwire.Step) int { return cmp.Compare(a.SQL, b.SQL) })
	if len(steps) > 0 {
		steps[0].Done = "gave the clone's default privileges in database " + pgwire.Identifier(database) + " to the original"
	}
	hint := "The superuser of this secret has to be a superuser, or a member of the original"
	for i := range steps {
		steps[i].Hint = hint
	}
	return steps
}
