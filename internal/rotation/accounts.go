package rotation

import (
	"context"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// setPassword gives a single user the password of doc, over a session that has logged
// in with another one. Where a name may be several accounts, of which the user itself
// sees one, the superuser changes all that have its password, if the configuration
// lets it.
func (a attempt) setPassword(ctx context.Context, session engine.Session, doc secretdoc.Document) error {
	own, ok := session.(engine.PasswordChanger)
	if !ok {
		return session.SetPassword(commit(ctx), doc.Username, doc.Password)
	}
	change := engine.PasswordChange{User: doc.Username, Password: doc.Password}
	if a.plan.RecoverPassword {
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
	change.Own, change.Known = own, []redact.String{a.current.Password}
	if !a.pending.Password.IsEmpty() {
		change.Known = append(change.Known, a.pending.Password)
	}
	return admin.(engine.PasswordChanger).ChangePassword(commit(ctx), change)
}
