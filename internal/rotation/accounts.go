package rotation

import (
	"context"
	"fmt"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// setPassword changes a single user's password to that of doc, over a session that has
// logged in with another one. Where a name may be several accounts, of which the user
// sees only its own, the superuser changes all that have its password, if the
// configuration allows that. With keepPrevious the database keeps accepting the previous
// password.
func (a attempt) setPassword(ctx context.Context, session engine.Session, doc secretdoc.Document, keepPrevious bool) error {
	own, ok := session.(engine.PasswordChanger)
	if !ok {
		if keepPrevious {
			return keepsOne(doc)
		}
		return session.SetPassword(commit(ctx), doc.Username, doc.Password)
	}
	change := engine.PasswordChange{User: doc.Username, Password: doc.Password, KeepPrevious: keepPrevious}
	if a.plan.RecoverPassword && own.Namesakes() {
		accounts, err := a.setPasswords(ctx, session, change)
		if err != nil || accounts > 0 {
			return err
		}
	}
	_, err := own.ChangePassword(commit(ctx), change)
	return err
}

func (a attempt) setPasswords(ctx context.Context, own engine.Session, change engine.PasswordChange) (accounts int, err error) {
	admin, err := a.superuser(ctx)
	if err != nil {
		return 0, err
	}
	defer admin.Close()
	change.OwnSession, change.Known = own, []redact.String{a.current.Password}
	if !a.pending.Password.IsEmpty() {
		change.Known = append(change.Known, a.pending.Password)
	}
	return admin.(engine.PasswordChanger).ChangePassword(commit(ctx), change)
}

func keepsOne(doc secretdoc.Document) error {
	return fault.New(fault.InvalidRequest, fmt.Sprintf("keepPrevious is true, and of a user of %s Tumbler can keep one password", doc.Engine),
		"Leave keepPrevious out. With alternating users no login is refused on any engine")
}

// databaseOf finds the engine for a secret, with the options of the configuration.
func (p Planned) databaseOf(databases Databases, doc secretdoc.Document) (engine.Engine, error) {
	database, err := databases.For(doc)
	if err != nil || !p.SeparateOwnership {
		return database, err
	}
	database, ok := engine.Separate(database)
	if !ok {
		return nil, fault.New(fault.InvalidRequest, fmt.Sprintf("separateOwnership is true, and on %s there is nothing to choose", doc.Engine),
			"Leave separateOwnership out: it is about PostgreSQL")
	}
	return database, nil
}
