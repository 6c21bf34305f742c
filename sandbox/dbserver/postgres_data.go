package dbserver

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// initdbOptions make the template small and the same on every machine.
var initdbOptions = []string{"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--wal-segsize=1"}

// prepareData makes the data directory, unless dir already has one, and its
// configuration files. It returns the superuser's password.
func prepareData(as *account, bin, dir string, cfg Postgres) (redact.String, error) {
	data, passwordFile := filepath.Join(dir, dataName), filepath.Join(dir, passwordName)
	if !isDir(data) {
		template, err := templateData(as, bin, cfg.Superuser)
		if err != nil {
			return redact.String{}, err
		}
		if err := copyFile(filepath.Join(template, passwordName), passwordFile, 0o600); err != nil {
			return redact.String{}, err
		}
		if err := fillData(template, data); err != nil {
			return redact.String{}, err
		}
	}
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		return redact.String{}, err
	}
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(cfg.hba()), 0o600); err != nil {
		return redact.String{}, err
	}
	if err := writeCertificate(as, dir, cfg.TLS); err != nil {
		return redact.String{}, err
	}
	return redact.New(string(password)), as.own(data)
}

// hba lets everybody in from loopback, with a password.
func (cfg Postgres) hba() string {
	method := cfg.PasswordEncryption // "md5" admits users with a SCRAM verifier too
	lines := append([]string{}, cfg.HBA...)
	return strings.Join(append(lines, "host all all "+loopback+"/32 "+method, ""), "\n")
}

// templateData returns a directory with a data directory as initdb makes it and
// the superuser's password. Making one takes most of a second, copying it a
// tenth of that. The password is random, one per user of this machine.
func templateData(as *account, bin, superuser string) (string, error) {
	version, err := run(nil, "/", filepath.Join(bin, "postgres"), "--version")
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w: %s", bin, err, version)
	}
	key := strings.Join(append([]string{version, superuser}, initdbOptions...), "\x00")
	return cached(as, "pgdata", key, func(dir string) error {
		password := filepath.Join(dir, passwordName)
		if err := os.WriteFile(password, []byte(rand.Text()), 0o600); err != nil {
			return err
		}
		data := filepath.Join(dir, dataName)
		if err := os.Mkdir(data, 0o700); err != nil {
			return err
		}
		if err := errors.Join(as.own(data), as.own(password)); err != nil {
			return err
		}
		args := append([]string{"--pgdata=" + data, "--username=" + superuser, "--pwfile=" + password}, initdbOptions...)
		if out, err := run(as, dir, filepath.Join(bin, "initdb"), args...); err != nil {
			return fmt.Errorf("initdb: %w: %s", err, out)
		}
		if as == nil {
			return nil
		}
		return os.Chown(password, os.Geteuid(), os.Getegid())
	})
}
