package config

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// mostAuthorities is the maximum size of all files together, in bytes: the functions read
// them at each cold start.
const mostAuthorities = 256 << 10

// authorities reads the files. It refuses everything except certificates of authorities, so
// that a private key is not deployed by mistake.
func (c *checker) authorities(files []string) (bundle []byte) {
	const field = "certificateAuthorities"
	c.checkDuplicates(field, files)
	for i, name := range files {
		at := fmt.Sprintf("%s[%d]", field, i)
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(c.file), name)
		}
		text, err := readFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.problem(at, fmt.Sprintf("there is no file %q", path), "correct it; the path is relative to the configuration")
			continue
		case err != nil:
			c.problem(at, fmt.Sprintf("%q cannot be read", path), "name a file of certificates in PEM form that can be read")
			continue
		}
		certificates, what := readAuthorities(text)
		if what != "" {
			c.problem(at, fmt.Sprintf("%q %s", name, what), "name a file of certificates in PEM form, and nothing else in it")
			continue
		}
		bundle = append(bundle, certificates...)
	}
	if len(bundle) > mostAuthorities {
		c.problem(field, fmt.Sprintf("the certificates have %d bytes", len(bundle)), "name the authorities that sign your databases' certificates, and not a whole system's")
	}
	return bundle
}

// readFile reads a regular file.
func readFile(path string) ([]byte, error) {
	switch info, err := os.Stat(path); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > 4*mostAuthorities:
		return nil, errors.New("not a file of certificates")
	}
	return os.ReadFile(path)
}

// readAuthorities returns the certificates alone, or what is wrong.
func readAuthorities(text []byte) (bundle []byte, wrong string) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, "has something beside certificates in it"
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return nil, "has a certificate in it that cannot be read"
		case !certificate.IsCA && !bytes.Equal(certificate.RawSubject, certificate.RawIssuer): // a self-signed certificate of a server may be trusted, too
			return nil, fmt.Sprintf("has the certificate of a server in it, %q, and not of an authority", certificate.Subject)
		}
		bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})...)
	}
	if bundle == nil {
		return nil, "has no certificate in it"
	}
	return bundle, ""
}
