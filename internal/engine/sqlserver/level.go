package sqlserver

import (
	"maps"
	"slices"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
)

// step is one statement that brings a clone's rights closer to the original's.
type step struct {
	order int
	text  string
}

// The order of the steps. A DENY comes before the grant that it restricts. Rights are
// taken away only after all others were granted, because applications may be using the
// clone.
const (
	orderDeny = iota
	orderGrant
	orderTake
)

// leveling builds the statements for the server or for one database.
type leveling struct {
	server          bool
	original, clone string // names on the server or in the database
}

// steps lists the statements, and the classes of rights that cannot be copied. The clone
// keeps what it owns, and the original is granted CONTROL of it.
func (l leveling) steps(original, clone rights) (steps []step, missing []string) {
	keys := map[string]bool{}
	for key := range original {
		keys[key] = true
	}
	for key := range clone {
		keys[key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		want, wanted := original[key]
		have, had := clone[key]
		if wanted && had && want.plain() == have.plain() {
			continue
		}
		if wanted && !had && clone.owns(want) {
			continue
		}
		subject := want
		if !wanted {
			subject = have
		}
		if !subject.copyable() || had && !have.copyable() {
			missing = append(missing, subject.class)
			continue
		}
		steps = append(steps, l.step(want, wanted, have, had))
	}
	slices.SortStableFunc(steps, func(a, b step) int { return a.order - b.order })
	return steps, missing
}

func (l leveling) step(want right, wanted bool, have right, had bool) step {
	switch {
	case wanted && want.state == tsql.Member:
		return step{orderGrant, tsql.Membership(l.server, true, want.on.Name, l.clone)}
	case had && have.state == tsql.Member:
		return step{orderTake, tsql.Membership(l.server, false, have.on.Name, l.clone)}
	case had && have.state == tsql.Owner:
		return step{orderGrant, tsql.Permission(control, l.on(have, l.original), want.state, tsql.Grant, l.original)}
	}
	from := tsql.State("")
	if had {
		from = have.state
	}
	if !wanted {
		return step{orderTake, tsql.Permission(have.permission, l.on(have, l.clone), from, "", l.clone)}
	}
	text := tsql.Permission(want.permission, l.on(want, l.clone), from, want.plain(), l.clone)
	switch {
	case want.plain() == tsql.Deny:
		return step{orderDeny, text}
	case from == tsql.GrantWithOption:
		return step{orderTake, text}
	}
	return step{orderGrant, text}
}

// owns reports whether the account owns the securable of a right. The server grants an
// owner no further rights on it.
func (rs rights) owns(r right) bool {
	c, ok := rs[right{class: r.class, id: r.id, permission: control}.key()]
	return ok && !r.everywhere() && c.state == tsql.Owner && r.plain() != tsql.Deny
}

// on returns the securable of a right. For a right on the account itself that is the
// given account.
func (l leveling) on(r right, account string) tsql.Securable {
	if r.self {
		r.on.Name = account
	}
	return r.on
}
