// Package netfault classifies, for every engine, failures to reach a server, to verify its
// certificate, and to get an answer.
//
// Errors that the server itself reports are classified by the engine's own package. All
// messages are written for people who operate AWS.
package netfault

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/rdsroots"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Hints that engines' own faults share.
const (
	HintSilence = "Check that the function's security group may send to the database's port (databasePorts in rotations.yaml, unless it is the engine's usual one), that the database's security group " +
		"admits the function's, that network ACLs and route tables of both subnets let the traffic pass, and that the database is running"
	HintBusy = "Usually over by itself: the server is starting, failing over or out of connections or memory. " +
		"If it lasts, look at the events of the instance or cluster and at DatabaseConnections in CloudWatch"
	hintLost = "Usually over by itself: look at the events of the instance or cluster for a failover or a restart"
)

// Target is the server of a session.
type Target struct {
	Host string
	Port int
	User string

	Server  string // the kind of server, such as "a PostgreSQL server"
	TLSHint string // where the server's TLS versions are set: "RDS: tls_version of the parameter group"
}

// Address is host and port.
func (t Target) Address() string { return net.JoinHostPort(t.Host, strconv.Itoa(t.Port)) }

// String is the address and the user.
func (t Target) String() string { return fmt.Sprintf("%s as %q", t.Address(), t.User) }

// Reach implements [engine.Engine] for every engine: it opens a TCP connection, and loads
// the certificate authorities for roots and the host.
func Reach(ctx context.Context, roots *x509.CertPool, doc secretdoc.Document) error {
	if doc.SSL == nil || *doc.SSL {
		rdsroots.TLS(roots, doc.Host)
	}
	ctx, cancel := context.WithTimeout(ctx, engine.ConnectTimeout)
	defer cancel()
	conn, err := Target{Host: doc.Host, Port: doc.Port, User: doc.Username}.Dial(ctx)
	if err != nil {
		return err
	}
	_ = conn.Close() // nothing was sent
	return nil
}

// Dial opens a TCP connection.
func (t Target) Dial(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.Address())
	if err != nil {
		return nil, t.DialFault(err)
	}
	return conn, nil
}

// DialFault classifies a failure before there was a TCP connection.
func (t Target) DialFault(err error) error {
	op := "connecting to " + t.Address() + ": "
	unreachable := func(what, hint string) error {
		return fault.Wrap(err, fault.DatabaseUnreachable, op+what, hint)
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, context.Canceled):
		return unreachable("cancelled", "")
	case isDNS && dns.IsNotFound:
		return unreachable("the host name does not exist",
			`Check "host" in the secret, and that the database was not deleted or renamed; a private zone has to be associated with the function's VPC`)
	case isDNS:
		return unreachable("the host name could not be looked up",
			"Check that DNS resolution is enabled in the function's VPC and that its DNS servers answer")
	case isTimeout(err):
		return unreachable("no answer within "+limit(), HintSilence)
	case errors.Is(err, syscall.ECONNREFUSED):
		return unreachable("the host refuses connections on this port",
			`Check "port" in the secret, and that the database is running`)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return unreachable("there is no route to the host",
			"Check the route tables of the function's subnets: a private address needs the same VPC, a peering or a transit gateway")
	}
	return unreachable("the connection could not be made", HintSilence)
}

// limit is how long a server has to let us in.
func limit() string { return engine.ConnectTimeout.Round(time.Second).String() }
