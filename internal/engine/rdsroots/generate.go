//go:build ignore

// Generate writes bundle.pem from its argument: a file or an https address that
// holds certificates in PEM, as such or as string literals of JavaScript.
package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const output = "bundle.pem"

func main() {
	log.SetFlags(0)
	log.SetPrefix("rdsroots: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: go run generate.go FILE|URL")
	}
	n, err := generate(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("wrote %d certificates to %s", n, output)
}

func generate(source string) (int, error) {
	text, err := read(source)
	if err != nil {
		return 0, err
	}
	if strings.HasSuffix(source, ".js") {
		text = literals(text)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Made by generate.go from %s: do not edit.\n", provenance(source))
	seen := map[string]bool{}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return 0, err
		}
		if !certificate.IsCA {
			return 0, fmt.Errorf("%s is not an authority", certificate.Subject)
		}
		if seen[string(block.Bytes)] {
			continue
		}
		seen[string(block.Bytes)] = true
		fmt.Fprintf(&out, "\n# %s, until %s\n", certificate.Subject.CommonName, certificate.NotAfter.Format(time.DateOnly))
		if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes}); err != nil {
			return 0, err
		}
	}
	if len(seen) == 0 {
		return 0, errors.New("no certificates in " + source)
	}
	return len(seen), os.WriteFile(output, out.Bytes(), 0o644)
}

func read(source string) ([]byte, error) {
	if !strings.HasPrefix(source, "https://") {
		return os.ReadFile(source)
	}
	response, err := http.Get(source)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(source + ": " + response.Status)
	}
	return io.ReadAll(response.Body)
}

// literals joins the string literals of a JavaScript file.
func literals(js []byte) []byte {
	var out bytes.Buffer
	for _, m := range regexp.MustCompile(`'([^'\n]*)'`).FindAllSubmatch(js, -1) {
		out.Write(bytes.ReplaceAll(m[1], []byte(`\n`), []byte("\n")))
	}
	return out.Bytes()
}

// provenance names the source without this machine's directories.
func provenance(source string) string {
	if strings.HasPrefix(source, "https://") {
		return source
	}
	if _, pkg, ok := strings.Cut(filepath.ToSlash(source), "node_modules/"); ok {
		return "the npm package file " + pkg
	}
	return filepath.Base(source)
}
