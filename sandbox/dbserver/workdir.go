package dbserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

// workDir makes the directory of a server and returns what to do when the
// server has ended. keep, if not empty, is the directory to use and to leave
// where it is; name is for a temporary one. The watchdog does the same cleaning should this process die.
func workDir(as *account, name, keep string) (dir string, cleanup func(), dog *watchdog, err error) {
	remove := ""
	if keep == "" {
		if dir, err = scratchDir(as, name); err != nil {
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
func scratchDir(as *account, name string) (string, error) {
	parents := []string{os.TempDir(), "/tmp"}
	if os.Getenv("TMPDIR") == "" && roomyMemory(memoryDir) {
		parents = append([]string{memoryDir}, parents...)
	}
	var problems []error
	for _, parent := range parents {
		if !as.canEnter(parent) {
			continue
		}
		dir, err := os.MkdirTemp(parent, "tumbler-"+name+"-")
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

// fillData makes a data directory of a template's. Under another name first: a
// copy that was cut short must not pass for a data directory at the next start.
func fillData(template, data string) error {
	part := data + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := copyTree(filepath.Join(template, dataName), part, func(string) bool { return true }); err != nil {
		return err
	}
	return os.Rename(part, data)
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
