package postgres

import (
	"cmp"
	"slices"

	"github.com/tumbler-rotation/tumbler/internal/engine/postgres/pgwire"
)

// defaultPrivilege is what a grantee gets on objects that somebody makes in future.
type defaultPrivilege struct {
	Kind, Schema, Grantee, Privilege string // no grantee: PUBLIC; no schema: in all of them
	Grantable                        bool
}

// defaults are those of one role, by kind and schema. An entry may be empty: then
// what the server gives by itself has been taken away.
type defaults map[[2]string][]defaultPrivilege

// parseDefaults sorts the rows of defaultsSQL by the role whose objects they are
// about.
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

// byItself is what the server gives everybody on future objects when nobody has said
// otherwise. Source: PostgreSQL documentation, "Privileges".
func byItself(kind, schema string) []defaultPrivilege {
	privilege := map[string]string{"FUNCTIONS": "EXECUTE", "TYPES": "USAGE"}[kind]
	if privilege == "" || schema != "" {
		return nil
	}
	return []defaultPrivilege{{Kind: kind, Privilege: privilege}}
}

// passDefaults gives the original's default privileges what the clone's have, who
// made objects in its own name until now. The original's own stay.
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
