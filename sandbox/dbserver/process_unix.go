//go:build unix

package dbserver

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the unprivileged user a server runs as when we are root:
// PostgreSQL refuses to run as root.
type account struct{ uid, gid int }

// serverAccount returns nil unless this process is root.
func serverAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, errors.New(`database servers do not run as root, and there is no user "nobody" to run them as: run as an ordinary user`)
	}
	uid, err := strconv.Atoi(nobody.Uid)
	if err != nil {
		return nil, fmt.Errorf("reading the id of user nobody: %w", err)
	}
	gid, err := strconv.Atoi(nobody.Gid)
	if err != nil {
		return nil, fmt.Errorf("reading the group of user nobody: %w", err)
	}
	return &account{uid: uid, gid: gid}, nil
}

// own gives the tree at path to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return filepath.WalkDir(path, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, a.uid, a.gid)
	})
}

// canEnter reports whether the account may pass through dir and all above it.
func (a *account) canEnter(dir string) bool {
	if a == nil {
		return true
	}
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

// serverAttributes runs a server as the account, in a process group of its
// own: Ctrl-C is for us, and we stop our servers in order.
func serverAttributes(a *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	dieWithParent(attr)
	return attr
}

// interrupt asks a server to end now, rolling back what is under way.
func interrupt(p *os.Process) error { return p.Signal(syscall.SIGINT) }

// lock waits until no other process, and nobody else in this one, has the file
// locked. A lock ends with its process.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
