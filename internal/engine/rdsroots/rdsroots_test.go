package rdsroots

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"
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
			Roots: Pool(), CurrentTime: c.NotBefore.Add(time.Hour),
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if err != nil {
			t.Errorf("%s: %v", c.Subject.CommonName, err)
		}
	}
}

func TestPoolsAreIndependent(t *testing.T) {
	a, b := Pool(), Pool()
	a.AddCert(&x509.Certificate{Raw: []byte{1}, RawSubject: []byte{1}})
	if a.Equal(b) {
		t.Error("adding to one pool changed another")
	}
}
