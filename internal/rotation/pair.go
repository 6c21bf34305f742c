package rotation

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// pair holds the two users of the alternating strategy. The clone's name is the original's
// with _clone appended, as with AWS's own functions, so that a secret that those have
// rotated keeps its two users. Source: AWS Secrets Manager user guide, "Alternating users".
type pair struct {
	original, clone string
	target          string // the one whose password this rotation changes
}

// pairOf names the pair of a secret and checks that the engine allows the
// clone's name.
func pairOf(current secretdoc.Document) (pair, error) {
	suffix := "_clone"
	if current.Traits().Family == "oracle" {
		suffix = "_CLONE" // unquoted names are upper case
	}
	name, end := current.Username, ""
	if inner, quoted := strings.CutSuffix(name, `"`); quoted && current.Traits().Family == "oracle" {
		name, end = inner, `"` // a quoted name keeps its case, and the suffix goes inside the quotes
	}
	if original, isClone := strings.CutSuffix(name, suffix); isClone && strings.Trim(original, `"`) != "" {
		return pair{original: original + end, clone: current.Username, target: original + end}, nil
	}
	p := pair{original: current.Username, clone: name + suffix + end}
	p.target = p.clone
	if n, limit := utf8.RuneCountInString(p.clone)-2*len(end), current.Traits().UsernameLimit; n > limit {
		return pair{}, fault.New(fault.InvalidSecret,
			fmt.Sprintf("key \"username\" is %q: with %s its clone's name has %d characters, and %s allows %d", current.Username, suffix, n, current.Engine, limit),
			"Use a shorter user name, or the strategy single-user")
	}
	return p, nil
}

// notOneOfThem refuses a superuser that is one of the pair and would change itself.
func (p pair) notOneOfThem(superuser secretdoc.Document) error {
	if superuser.Username != p.original && superuser.Username != p.clone {
		return nil
	}
	return fault.New(fault.SuperuserInvalid,
		fmt.Sprintf("the superuser %q is one of the two users it is to change", superuser.Username),
		"Name the secret of another superuser in superuserSecret or masterarn")
}

// target returns the document of the account whose password the rotation
// changes, still with AWSCURRENT's password.
func target(plan Planned, current secretdoc.Document) (secretdoc.Document, error) {
	if plan.Strategy != AlternatingUsers {
		return current, nil
	}
	p, err := pairOf(current)
	if err != nil {
		return secretdoc.Document{}, err
	}
	return current.WithUsername(p.target), nil
}
