package netfault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/fault"
)

// tlsFault returns nil if err is not about TLS.
func (t Target) tlsFault(err error) error {
	rejected := func(what, hint string) error {
		return fault.Wrap(err, fault.CertificateRejected, "the certificate of "+t.Address()+" "+what, hint)
	}
	const renew = "Rotate the server's certificate (RDS and DocumentDB: modify the instance's certificate authority)"
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return rejected("is signed by an authority that is not trusted",
			"For a database of AWS update Tumbler, which brings their authorities. Other servers need a certificate from a public authority. "+
				"Should this have worked before, find out who answers at this address")
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return rejected("is for another host name",
			`Put the endpoint that AWS shows into "host" of the secret: certificates are not issued for aliases and IP addresses`)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return rejected("has expired or is not valid yet", renew)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return rejected("does not verify", renew)
	}
	if aboutTLS(err) {
		return t.OldTLSFault(err)
	}
	return nil
}

// OldTLSFault is for a server with which there is no TLS in common.
func (t Target) OldTLSFault(err error) error {
	return fault.Wrap(err, fault.TLSUnavailable, "negotiating TLS with "+t.Address()+": the server offers TLS, but none that we may use",
		"It has to offer TLS 1.2 or later, and not to ask for a client's certificate ("+t.TLSHint+")")
}

// NoTLSFault is for a server that itself says that it has no TLS where the
// secret demands it. remedy is how to change the server.
func (t Target) NoTLSFault(err error, remedy string) error {
	return fault.Wrap(err, fault.TLSUnavailable, t.Address()+` has no TLS, and the secret says "ssl": true`,
		remedy+`, or set it to false if you trust the network`)
}

// ReadableFault is for a server that says that it has no TLS, which whoever takes
// its place says as well, and wants something that can then be read. Where "ssl" is
// absent it does not get it.
func (t Target) ReadableFault(err error, what string) error {
	return fault.Wrap(err, fault.TLSUnavailable, t.Address()+" says that it has no TLS, and "+what+" would cross the network so that others can read it",
		`Find out who answers at this address. Then switch TLS on in the server, or say "ssl": false in the secret if you trust the network`)
}

// aboutTLS reports whether the two sides, which do hear each other, do not agree
// on TLS. An alert of the other side is no tls.AlertError but a network error
// with an operation of its own (package crypto/tls, Conn.readRecordOrCCS), and
// most of what our side objects to is only text.
func aboutTLS(err error) bool {
	if isTimeout(err) || errors.Is(err, context.Canceled) {
		return false
	}
	if network, ok := errors.AsType[*net.OpError](err); ok {
		return network.Op == "remote error" || network.Op == "local error"
	}
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return record || strings.HasPrefix(innermost(err).Error(), "tls: ")
}

// innermost follows the last of joined errors.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) > 0 {
			inner = joined.Unwrap()[len(joined.Unwrap())-1]
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}
