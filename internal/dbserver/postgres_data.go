package dbserver

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/dbserver/certs"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// initdbOptions make the template small and the same on every machine.
var initdbOptions = []string{"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--wal-segsize=1"}

// workDir makes the directory of a server and returns what to do when the
// server has ended. keep, if not empty, is the directory to use and to leave
// where it is. The watchdog does the same cleaning should this process die.
func workDir(as *account, keep string) (dir string, cleanup func(), dog *watchdog, err error) {
	remove := ""
	if keep == "" {
		if dir, err = scratchDir(as); err != nil {
			return "", nil, nil, err
		}
		remove = dir
	} else {
		if dir, err = filepath.Abs(keep); err != nil {
			return "", nil, nil, err
		}
		if err = os.MkdirAll(dir, 0o711); err != nil {
			return "", nil, nil, err
		}
		if !as.canEnter(dir) {
			return "", nil, nil, fmt.Errorf("the user that the server runs as (uid %d) cannot enter %s: choose a directory that everybody may enter, or do not run as root", as.uid, dir)
		}
	}
	dog, err = startWatchdog(remove)
	cleanup = func() {
		if dog != nil {
			dog.stop()
		}
		if remove != "" {
			_ = os.RemoveAll(remove)
		}
	}
	if err != nil {
		cleanup()
	}
	return dir, cleanup, dog, err
}

// scratchDir makes a temporary directory that the account can enter: in memory
// where there is plenty, since a data directory is a thousand small files, which
// some file systems take most of a second to create.
func scratchDir(as *account) (string, error) {
	parents := []string{os.TempDir(), "/tmp"}
	if os.Getenv("TMPDIR") == "" && roomyMemory(memoryDir) {
		parents = append([]string{memoryDir}, parents...)
	}
	var problems []error
	for _, parent := range parents {
		if !as.canEnter(parent) {
			continue
		}
		dir, err := os.MkdirTemp(parent, "tumbler-postgres-")
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if as == nil {
			return dir, nil
		}
		return dir, os.Chmod(dir, 0o711)
	}
	return "", fmt.Errorf("no directory for temporary files: set TMPDIR to one that every user may enter: %w", errors.Join(problems...))
}

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
		// Under another name first: a copy that was cut short must not pass
		// for a data directory at the next start.
		part := data + ".part"
		if err := os.RemoveAll(part); err != nil {
			return redact.String{}, err
		}
		if err := copyTree(filepath.Join(template, dataName), part, func(string) bool { return true }); err != nil {
			return redact.String{}, err
		}
		if err := os.Rename(part, data); err != nil {
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

func writeCertificate(as *account, dir string, pair *certs.Pair) error {
	if pair == nil {
		return nil
	}
	for name, text := range map[string][]byte{"server.crt": pair.Certificate, "server.key": pair.Key} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
		if err := as.own(path); err != nil {
			return err
		}
	}
	return nil
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
