package rotation

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// attempt holds what one attempt of a step works on: the secret, the account whose
// password the rotation changes, and the account's database.
type attempt struct {
	plan     Planned
	secrets  SecretReader
	servers  Servers
	database engine.Engine
	now      func() time.Time

	noted bool // the execution's state records that the superuser may have reset a password

	current   secretdoc.Document
	currentID string             // version id of current
	account   secretdoc.Document // AWSCURRENT for the user whose password changes; current itself with a single user
	pending   secretdoc.Document // what this execution has stored
}

// candidate is a version whose password the database may accept.
type candidate struct {
	label     string // for people
	versionID string
}

// older lists the versions to try when AWSCURRENT and AWSPENDING are refused: AWSPREVIOUS
// and the versions that earlier rotations left, by the labels as they are now.
func (a attempt) older(ctx context.Context) ([]candidate, error) {
	secret, err := a.secrets.Describe(ctx, a.plan.SecretARN)
	if err != nil {
		return nil, err
	}
	var list []candidate
	add := func(label string) {
		id := secret.Labels[label]
		known := slices.ContainsFunc(list, func(c candidate) bool { return c.versionID == id })
		if id != "" && id != a.plan.VersionID && id != secret.Labels[Current] && !known {
			list = append(list, candidate{label, id})
		}
	}
	add(Previous)
	left := unfinished(secret.Labels, a.plan.VersionID)
	for _, label := range slices.Backward(slices.Sorted(maps.Keys(left))) { // GivenUp, the least likely, sorts first
		add(label)
	}
	add(Pending)
	return list, nil
}

// logInOlder logs in to the account with an older version, and returns its label. A
// version that is gone, unreadable or of another account counts as refused. If none logs
// in, the error is LoginRefused.
func (a attempt) logInOlder(ctx context.Context, account secretdoc.Document) (engine.Session, string, error) {
	list, err := a.older(ctx)
	if err != nil {
		return nil, "", err
	}
	refused := error(fault.New(fault.LoginRefused, "there is no older version to log in with", ""))
	for _, c := range list {
		doc, err := a.version(ctx, Version{ID: c.versionID}, account)
		if fault.Is(err, fault.VersionNotReady, fault.InvalidSecret) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		session, err := a.database.Connect(ctx, doc)
		if err == nil {
			return session, c.label, nil
		}
		if refused = err; !fault.Is(err, fault.LoginRefused) {
			return nil, "", err
		}
	}
	return nil, "", refused
}

// version reads a version of the secret, which must be of the account.
func (a attempt) version(ctx context.Context, v Version, account secretdoc.Document) (secretdoc.Document, error) {
	doc, err := ReadDocument(ctx, a.secrets, a.plan.SecretARN, v)
	if err != nil {
		return secretdoc.Document{}, err
	}
	label := v.Label
	if label == "" {
		label = v.ID
	}
	return doc, sameAccount(doc, account, label)
}

// accepts reports whether the database accepts these credentials.
func (a attempt) accepts(ctx context.Context, doc secretdoc.Document) (bool, error) {
	session, err := a.database.Connect(ctx, doc)
	if fault.Is(err, fault.LoginRefused) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	session.Close()
	return true, nil
}
