package rdsroots

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// count changes only when bundle.pem is made anew: look at what came and went
// before correcting it.
const count = 115

func certificates(t *testing.T) []*x509.Certificate {
	var list []*x509.Certificate
	for rest := bundle; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return list
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, certificate)
	}
}

func TestCount(t *testing.T) {
	if got := len(certificates(t)); got != count {
		t.Errorf("the bundle has %d certificates, want %d", got, count)
	}
}

// Authorities come and go over the years. Those that are about to go are listed
// (go test -v); the test fails when the whole bundle is out of date.
func TestExpiry(t *testing.T) {
	usable := 0
	for _, c := range certificates(t) {
		left := time.Until(c.NotAfter)
		if left > 180*24*time.Hour {
			usable++
		}
		switch {
		case left < 0:
			t.Logf("expired on %s: %s", c.NotAfter.Format(time.DateOnly), c.Subject.CommonName)
		case left < 365*24*time.Hour:
			t.Logf("expires on %s: %s", c.NotAfter.Format(time.DateOnly), c.Subject.CommonName)
		}
	}
	t.Logf("%d of %d authorities are valid for half a year or more", usable, count)
	if usable == 0 {
		t.Error("no authority is valid for another 180 days: refresh the bundle, see rdsroots.go")
	}
}

func TestPoolTrustsEachAuthority(t *testing.T) {
	for _, c := range certificates(t) {
		// At a time when it was valid: this is about trust, not about age.
		_, err := c.Verify(x509.VerifyOptions{
			Roots: aws(), CurrentTime: c.NotBefore.Add(time.Hour),
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if err != nil {
			t.Errorf("%s: %v", c.Subject.CommonName, err)
		}
	}
}

// TestWhoIsTrustedWhere: with real servers, and a test's own authorities in the
// places of RDS's, the system's and a private one.
func TestWhoIsTrustedWhere(t *testing.T) {
	rds, public, private := certs.New("Amazon RDS test Root CA"), certs.New("a public authority"), certs.New("a private authority")
	realBundle, realSystem, realAWS := bundle, system, aws
	t.Cleanup(func() { bundle, system, aws = realBundle, realSystem, realAWS })
	bundle = rds.PEM()
	system = func() *x509.CertPool { return public.Pool() }
	aws = func() *x509.CertPool {
		p := system().Clone()
		p.AppendCertsFromPEM(bundle)
		return p
	}
	configured, ok := Private(private.PEM())
	if !ok {
		t.Fatal("no certificate")
	}
	const (
		instance  = "orders.c9akciq32rb2.eu-central-1.rds.amazonaws.com"
		china     = "orders.c9akciq32rb2.rds.cn-north-1.amazonaws.com.cn"
		docs      = "docs.cluster-c9akciq32rb2.eu-west-1.docdb.amazonaws.com"
		redshift  = "dw.c9akciq32rb2.eu-west-1.redshift.amazonaws.com"
		other     = "db.example.com"
		lookalike = "orders.c9akciq32rb2.eu-central-1.rds.amazonaws.com.example.com"
	)
	for _, tc := range []struct {
		host   string
		signer *certs.Authority
		roots  *x509.CertPool
		want   bool
	}{
		{instance, rds, nil, true},
		{instance, rds, configured, true},
		{instance + ".", rds, nil, true},
		{china, rds, nil, true},
		{docs, rds, nil, true},
		{instance, public, nil, true}, // RDS Proxy
		{instance, private, configured, false},
		{redshift, public, configured, true},
		{redshift, rds, nil, false},
		{redshift, private, configured, false},
		{other, public, nil, true},
		{other, public, configured, true},
		{other, private, configured, true},
		{other, private, nil, false},
		{other, rds, nil, false},
		{other, rds, configured, false},
		{lookalike, rds, nil, false},
		{"127.0.0.1", rds, nil, false},
		{"127.0.0.1", private, configured, true},
		{"::1", private, configured, true},
	} {
		err := handshake(t, tc.signer.Server(strings.TrimSuffix(tc.host, ".")), TLS(tc.roots, tc.host))
		if (err == nil) != tc.want {
			t.Errorf("%s, signed by %s, private authority configured: %t: %v", tc.host, tc.signer.Name(), tc.roots != nil, err)
		}
		if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); err != nil && !unknown {
			t.Errorf("%s: refused for another reason: %v", tc.host, err)
		}
		if err := handshake(t, tc.signer.Server("another.example.com"), TLS(tc.roots, tc.host)); err == nil {
			t.Errorf("%s: a certificate for another host is accepted", tc.host)
		}
	}
}

// handshake calls a server that has the certificate.
func handshake(t *testing.T, pair *certs.Pair, cfg *tls.Config) error {
	t.Helper()
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_ = conn.(*tls.Conn).Handshake()
		_ = conn.Close()
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), cfg)
	if err == nil {
		_ = conn.Close()
	}
	return err
}

func TestPrivateNeedsACertificate(t *testing.T) {
	if _, ok := Private([]byte("none")); ok {
		t.Error("a text without a certificate is accepted")
	}
}
