package rotation

import (
	"context"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// versions reads the versions of one secret.
type versions struct {
	secrets   ValueReader
	secretARN string
}

// read returns a version, which has to be about the account.
func (v versions) read(ctx context.Context, version Version, account secretdoc.Document) (secretdoc.Document, error) {
	value, _, err := v.secrets.Value(ctx, v.secretARN, version)
	if err != nil {
		return secretdoc.Document{}, err
	}
	doc, err := secretdoc.Parse(value)
	if err != nil {
		return secretdoc.Document{}, err
	}
	label := version.Label
	if label == "" {
		label = version.ID
	}
	return doc, sameAccount(doc, account, label)
}

// connectOlder logs in with AWSPREVIOUS, or else with what an earlier run of
// Tumbler had written: a change that was given up, and has reached the database
// all the same. It says which. A version that is gone, unreadable or of another
// account is as good as refused: these are last resorts.
func (v versions) connectOlder(ctx context.Context, database engine.Engine, plan Planned, account secretdoc.Document) (engine.Session, string, error) {
	err := error(fault.New(fault.LoginRefused, "there is no older version to log in with", ""))
	for _, version := range []Version{{ID: plan.PreviousVersionID, Label: Previous}, {ID: plan.LastVersionID, Label: Own}} {
		if version.ID == "" || version.ID == plan.VersionID || version.ID == plan.CurrentVersionID {
			continue
		}
		var session engine.Session
		if session, err = v.connect(ctx, database, version.ID, account); err == nil {
			return session, version.Label, nil
		}
		if !fault.Is(err, fault.LoginRefused) {
			return nil, "", err
		}
	}
	return nil, "", err
}

func (v versions) connect(ctx context.Context, database engine.Engine, versionID string, account secretdoc.Document) (engine.Session, error) {
	doc, err := v.read(ctx, Version{ID: versionID}, account)
	if fault.Is(err, fault.VersionNotReady, fault.InvalidSecret) {
		return nil, fault.Wrap(err, fault.LoginRefused, "version "+versionID+" cannot be used", "")
	}
	if err != nil {
		return nil, err
	}
	return database.Connect(ctx, doc)
}
