package rotation

import (
	"context"
	"fmt"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Servers asks AWS about database servers. Codes: SuperuserInvalid, InvalidSecret and those
// of awsfault.
type Servers interface {
	// ManagedBy returns host and port of the database whose superuser's secret is managed
	// by RDS or Redshift. The secret's tags name it.
	ManagedBy(ctx context.Context, tags map[string]string) (host string, port int, err error)

	// SameServerOrPrimary returns an error unless the superuser's host is the user's own
	// server, or the primary if the user's host is a replica.
	SameServerOrPrimary(ctx context.Context, userHost, superuserHost string) error

	// Alternates returns an error when the host is a proxy that does not serve both users
	// of an alternating secret.
	Alternates(ctx context.Context, host, secretARN string) error
}

// superusers reads superusers' secrets.
type superusers struct {
	secrets interface {
		Describer
		ValueReader
	}
	servers Servers
}

// credentials returns the superuser's document for current's server. Codes:
// SuperuserInvalid and those of awsfault.
func (s superusers) credentials(ctx context.Context, plan Planned, current secretdoc.Document) (secretdoc.Document, error) {
	id, err := superuserSecret(plan, current)
	if err != nil {
		return secretdoc.Document{}, err
	}
	value, _, err := s.secrets.Value(ctx, id, Version{Label: Current})
	if fault.Is(err, fault.SecretNotFound, fault.VersionNotReady, fault.SecretDeleted) {
		return secretdoc.Document{}, fault.Wrap(err, fault.SuperuserInvalid, "the superuser's secret "+id+" is not there",
			"Correct superuserSecret in the configuration, or masterarn in the secret")
	}
	if err != nil {
		return secretdoc.Document{}, err
	}
	superuser, managed, err := secretdoc.ParseSuperuser(value, current)
	if err != nil {
		return secretdoc.Document{}, fault.Wrap(err, fault.SuperuserInvalid,
			"the superuser's secret "+id+": "+fault.From(err).Op, fault.From(err).Hint)
	}
	if managed {
		host, port, err := s.managedBy(ctx, id)
		if err != nil {
			return secretdoc.Document{}, err
		}
		superuser = superuser.Managed(host, port)
	}
	if err := s.checkServer(ctx, id, superuser, current); err != nil {
		return secretdoc.Document{}, err
	}
	if plan.Strategy == AlternatingUsers {
		users, err := pairOf(current)
		if err == nil {
			err = users.notOneOfThem(superuser)
		}
		if err != nil {
			return secretdoc.Document{}, err
		}
	}
	switch {
	case !current.Traits().OwnDatabase:
		superuser.DBName = current.DBName // whose privileges are to be changed
	case managed: // a managed secret names no host
		superuser.DBName = current.Traits().DefaultDBName
	}
	return superuser, nil
}

// superuserSecret names the superuser's secret.
func superuserSecret(plan Planned, current secretdoc.Document) (string, error) {
	switch {
	case plan.SuperuserSecretID != "":
		return plan.SuperuserSecretID, nil
	case current.MasterARN != "":
		return current.MasterARN, nil
	}
	return "", fault.New(fault.SuperuserInvalid, "no superuser's secret is named",
		"Alternating users need one: set superuserSecret in the configuration, or masterarn in the secret")
}

// managedBy asks AWS where the database of an RDS-managed secret is.
func (s superusers) managedBy(ctx context.Context, id string) (string, int, error) {
	secret, err := s.secrets.Describe(ctx, id)
	if err != nil {
		return "", 0, err
	}
	return s.servers.ManagedBy(ctx, secret.Tags)
}

// checkServer guards against a confused deputy: a superuser is used only on its own server,
// and never to change itself.
func (s superusers) checkServer(ctx context.Context, id string, superuser, current secretdoc.Document) error {
	const hint = "Name the secret of a superuser of the same server in superuserSecret or masterarn"
	if superuser.Traits().Family != current.Traits().Family {
		return fault.New(fault.SuperuserInvalid,
			fmt.Sprintf("the superuser's secret %s is of engine %s and the secret of %s", id, superuser.Engine, current.Engine), hint)
	}
	if superuser.Host != current.Host {
		if err := s.servers.SameServerOrPrimary(ctx, current.Host, superuser.Host); err != nil {
			return err
		}
	} else if superuser.Port != current.Port {
		return fault.New(fault.SuperuserInvalid,
			fmt.Sprintf("the superuser's secret %s has port %d and the secret %d", id, superuser.Port, current.Port), hint)
	}
	if superuser.Username == current.Username {
		return fault.New(fault.SuperuserInvalid,
			fmt.Sprintf("the superuser's secret %s is of user %q, as the secret itself", id, current.Username),
			"A superuser does not change itself: rotate its secret with the strategy single-user and without a superuser")
	}
	return nil
}
