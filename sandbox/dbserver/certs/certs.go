// Package certs makes certificate authorities and server certificates in
// memory, good ones and bad ones, for database servers under test.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// Pair is a server's certificate and its key, both in PEM.
type Pair struct {
	Certificate []byte
	Key         []byte
}

// Authority signs certificates.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// New makes an authority that is valid for a day.
func New(name string) *Authority {
	key := newKey()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return &Authority{certificate: sign(template, template, key, key), key: key}
}

// Pool returns a pool that trusts this authority only.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// Name is what the authority was made with.
func (a *Authority) Name() string { return a.certificate.Subject.CommonName }

// PEM returns the authority's certificate.
func (a *Authority) PEM() []byte { return encode("CERTIFICATE", a.certificate.Raw) }

// Server signs a certificate that is valid now, for the hosts: names or IP
// addresses. A certificate for another host than the one that a client calls is
// how to get one with the wrong name.
func (a *Authority) Server(hosts ...string) *Pair {
	return a.issue(time.Now().Add(-time.Hour), time.Now().Add(12*time.Hour), hosts)
}

// Expired signs a certificate that was valid until an hour ago.
func (a *Authority) Expired(hosts ...string) *Pair {
	return a.issue(time.Now().Add(-24*time.Hour), time.Now().Add(-time.Hour), hosts)
}

func (a *Authority) issue(from, to time.Time, hosts []string) *Pair {
	key := newKey()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "database under test"},
		NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	certificate := sign(template, a.certificate, key, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	return &Pair{Certificate: encode("CERTIFICATE", certificate.Raw), Key: encode("PRIVATE KEY", der)}
}

func sign(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	must(err)
	certificate, err := x509.ParseCertificate(der)
	must(err)
	return certificate
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	must(err)
	return n
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// must panics: with fixed templates nothing here fails but for a defect.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
