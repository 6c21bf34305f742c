package rotation

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// checkNetwork makes the single connection that this check and the next two use, since
// every refused login counts towards an account lockout.
func (f *inspection) checkNetwork(ctx context.Context) (finding, error) {
	if f.database == nil {
		return skip("not checked: only the rotation function knows its way to the database")
	}
	f.session, f.refusal = f.database.Connect(ctx, f.current)
	f.tried = true
	if f.refusal != nil {
		f.session = nil // instead of an interface that holds a nil pointer
	}
	switch fault.CodeOf(f.refusal) {
	case "", fault.CertificateRejected, fault.TLSUnavailable,
		fault.LoginRefused, fault.DatabaseUnavailable, fault.PrivilegeMissing, fault.DatabaseError:
		return found("%s has an address, and port %d answers", f.current.Host, f.current.Port)
	}
	return finding{}, f.refusal
}

func (f *inspection) checkTLS(context.Context) (finding, error) {
	switch {
	case f.database == nil:
		return skip("not checked: the rotation function sees to it")
	case fault.Is(f.refusal, fault.CertificateRejected, fault.TLSUnavailable):
		return finding{}, f.refusal
	case fault.Is(f.refusal, fault.DatabaseUnavailable, fault.DatabaseError):
		return skip("not checked: the server ended the connection, perhaps before it came to that")
	case f.current.SSL == nil:
		return finding{message: f.tlsUsed(), hint: strings.Join(AdviceOnTLS(f.current, f.session), "")}, nil
	case *f.current.SSL:
		return found("used, and the certificate is right")
	}
	return finding{
		message: "off, as the secret says",
		hint:    `Remove "ssl" from the secret, or set it to true: a password that is set now would cross the network in clear, or as a hash`,
	}, nil
}

func (f *inspection) tlsUsed() string {
	session, tells := f.session.(engine.Encrypted)
	switch {
	case !tells:
		return "used and verified where the server has it"
	case session.Encrypted():
		return "used, and the certificate is right"
	}
	return "not used: the server says that it has none"
}

func (f *inspection) checkLogin(ctx context.Context) (finding, error) {
	switch {
	case f.database == nil:
		return skip("not checked: only the rotation function logs in")
	case f.refusal == nil:
		if err := f.session.Probe(ctx); err != nil {
			return finding{}, err
		}
		return found("AWSCURRENT logs in")
	case !fault.Is(f.refusal, fault.LoginRefused):
		return finding{}, f.refusal
	case f.plan.Strategy == AlternatingUsers:
		return f.loginOfThePair(ctx)
	}
	return f.loginOtherwise(ctx)
}

// loginOfThePair tries to log in as the other user of a pair. A success would prove to the
// rotation that the superuser may repair AWSCURRENT's user.
func (f *inspection) loginOfThePair(ctx context.Context) (finding, error) {
	session, with, err := f.logInOlder(ctx, f.current.WithUsername(f.users.target))
	if err != nil {
		return finding{}, f.refusal
	}
	session.Close()
	return finding{
		fmt.Sprintf("AWSCURRENT is refused, and %s logs in as %q", with, f.users.target),
		"Applications that read AWSCURRENT cannot log in now. The rotation lets the superuser repair its user first", false,
	}, nil
}

// loginOtherwise tries the versions that the rotation would try after AWSCURRENT.
func (f *inspection) loginOtherwise(ctx context.Context) (finding, error) {
	const now = "Applications that read AWSCURRENT cannot log in now. Rotating repairs the secret"
	if !f.left.IsEmpty() {
		session, err := f.database.Connect(ctx, f.current.WithPassword(f.left))
		if err == nil {
			f.session = session
			return finding{"AWSCURRENT is refused, and AWSPENDING of a dead rotation logs in", now, false}, nil
		}
		if !fault.Is(err, fault.LoginRefused) {
			return finding{}, err
		}
	}
	session, with, err := f.logInOlder(ctx, f.current)
	switch {
	case err == nil:
		f.session = session
		return finding{"AWSCURRENT is refused, and " + with + " logs in", now, false}, nil
	case !fault.Is(err, fault.LoginRefused):
		return finding{}, err
	case !f.plan.RecoverPassword:
		return finding{}, noneAccepted(f.refusal, f.current)
	}
	if err := f.provenByVersions(ctx); err != nil {
		return finding{}, err
	}
	return finding{"no password that the secret knows logs in: the superuser would reset it", now, false}, nil
}

// checkSuperuser reads the superuser's secret and logs in with it.
func (f *inspection) checkSuperuser(ctx context.Context) (finding, error) {
	switch {
	case f.database == nil:
		return skip("not checked: the rotation function finds its superuser")
	case f.plan.Strategy != AlternatingUsers && !f.plan.RecoverPassword:
		return found("none is needed")
	}
	message, err := f.openSuperuser(ctx)
	changer, always := f.session.(engine.PasswordChanger)
	always = always && changer.Namesakes()
	if err != nil && f.session != nil && !always && f.plan.Strategy != AlternatingUsers {
		why := fault.From(err)
		return finding{"not needed now, and useless if the password were lost: " + why.Op, why.Hint, false}, nil
	}
	return finding{message: message}, err
}

func (f *inspection) openSuperuser(ctx context.Context) (string, error) {
	superuser, err := superusers{secrets: f.Secrets, servers: f.Servers}.credentials(ctx, f.plan, f.current)
	if err != nil {
		return "", err
	}
	admin, err := f.connectSuperuser(ctx, superuser)
	if err != nil {
		return "", err
	}
	f.admin = admin
	return fmt.Sprintf("%q is on the same server and logs in", superuser.Username), nil
}

// checkPrivileges asks the database whether it would allow the rotation's changes.
func (f *inspection) checkPrivileges(ctx context.Context) (finding, error) {
	if f.database == nil {
		return skip("not checked: only the rotation function knows what it does")
	}
	session, request := f.session, engine.InspectRequest{SetPassword: f.current.Username, KeepPrevious: f.plan.KeepPrevious}
	if session == nil {
		session = f.admin // for a single user whose password is lost
	}
	if changer, ok := session.(engine.PasswordChanger); !ok && f.plan.KeepPrevious {
		return finding{}, keepsOne(f.current)
	} else if ok && changer.Namesakes() && f.session != nil && f.admin != nil { // as in setPassword
		session, request.OwnSession = f.admin, f.session
	}
	if f.plan.Strategy == AlternatingUsers {
		session, request = f.admin, f.cloneRequest()
	}
	inspector, ok := session.(engine.Inspector)
	if !ok {
		return skip("not checked: for %s Tumbler cannot tell without trying", f.current.Engine)
	}
	inspection, err := inspector.CanRotate(ctx, request)
	if fault.Is(err, fault.AccountNotOurs) && request.Clone != nil && f.provenByLogin(ctx) {
		request.Clone.Proven = true
		inspection, err = inspector.CanRotate(ctx, request)
	}
	if err != nil {
		return finding{}, err
	}
	f.result.Changes = append(f.result.Changes, inspection.Changes...)
	return finding{message: "sufficient for what would change", hint: strings.Join(inspection.Notes, ". ")}, nil
}

// cloneRequest is the request that SetSecret would make. Its password is not set anywhere.
// If a dead rotation left it, comparing it with the stored hash proves whose the clone is.
func (f *inspection) cloneRequest() engine.InspectRequest {
	clone := new(f.cloneOf(f.users))
	if f.users.target == f.users.original {
		return engine.InspectRequest{SetPassword: f.users.original, Clone: clone}
	}
	if clone.Password = f.left; f.left.IsEmpty() {
		clone.Password = redact.New(rand.Text())
	}
	return engine.InspectRequest{Clone: clone}
}

// provenByLogin reports whether the account accepts a password that only this secret's
// rotations can have set, as SetSecret would try.
func (f *inspection) provenByLogin(ctx context.Context) bool {
	f.account = f.current.WithUsername(f.users.target)
	f.pending = f.account.WithPassword(f.left)
	if f.left.IsEmpty() {
		session, _, err := f.logInOlder(ctx, f.account)
		if err == nil {
			session.Close()
		}
		return err == nil
	}
	return f.provenClone(ctx, errNotOurs) == nil
}

// errNotOurs takes the place of EnsureClone's error.
var errNotOurs = fault.New(fault.AccountNotOurs, "", "")

// checkProxy reports what an RDS proxy means for the rotation.
func (f *inspection) checkProxy(ctx context.Context) (finding, error) {
	if f.Proxies == nil {
		return skip("not checked")
	}
	proxy, err := f.Proxies.Proxy(ctx, f.current.Host, f.secret.ARN)
	if err != nil {
		return finding{}, err
	}
	if proxy == nil {
		return found("%s is no RDS proxy", f.current.Host)
	}
	if f.plan.Strategy == AlternatingUsers {
		if err := f.Servers.Alternates(ctx, f.current.Host, f.secret.ARN); err != nil {
			return finding{}, err
		}
	}
	result := finding{message: fmt.Sprintf("the host is the RDS proxy %s; Tumbler changes the password in %s behind it", proxy.Name, proxy.Database)}
	if !proxy.Registered {
		result.hint = "This secret is not registered with the proxy: applications that read it cannot log in through the proxy, before or after a rotation"
	}
	return result, nil
}
