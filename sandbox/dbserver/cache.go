package dbserver

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// cacheDir is where unpacked servers and template data directories are kept.
// The account must be able to enter it, which rules out root's home.
func cacheDir(as *account) (string, error) {
	candidates := []string{}
	if as != nil {
		candidates = append(candidates, "/var/cache/tumbler")
	}
	if dir, err := os.UserCacheDir(); err == nil {
		candidates = append(candidates, filepath.Join(dir, "tumbler"))
	}
	for _, dir := range candidates {
		if os.MkdirAll(dir, 0o755) == nil && as.canEnter(dir) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no directory to cache database servers in: make %s writable, or set HOME", strings.Join(candidates, " or "))
}

// cached returns the cache's directory for the key, which build fills when it
// is not there. The directory appears complete or not at all. When several
// processes ask for it at once, one builds it and the others wait; where files
// cannot be locked, each builds its own and the first to be ready wins.
func cached(as *account, kind, key string, build func(dir string) error) (string, error) {
	root, err := cacheDir(as)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(key))
	final := filepath.Join(root, kind+"-"+hex.EncodeToString(sum[:8]))
	if isDir(final) {
		return final, nil
	}
	if unlock, err := lock(filepath.Join(root, ".lock-"+filepath.Base(final))); err == nil {
		defer unlock()
		if isDir(final) {
			return final, nil
		}
	}
	tmp, err := os.MkdirTemp(root, ".new-"+kind+"-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	if err := build(tmp); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, final); err != nil && !isDir(final) {
		return "", err
	}
	return final, nil
}

// enterable returns where the account can run an unpacked package: where it lies if
// the account may go there, otherwise a copy in the cache, which is another one
// when the file server is.
func enterable(as *account, kind, root, server string) (string, error) {
	if as.canEnter(root) {
		return root, nil
	}
	info, err := os.Stat(filepath.Join(root, server))
	if err != nil {
		return "", err
	}
	dir, err := cached(as, kind, fmt.Sprint(info.Size(), info.ModTime().UTC()), func(dir string) error {
		return copyTree(root, dir, func(name string) bool { return name != "doc" && name != "man" && name != "etc" })
	})
	if err != nil {
		return "", fmt.Errorf("copying %s to the cache: %w", kind, err)
	}
	return dir, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// copyTree copies directories, files and symbolic links that keep accepts,
// with their permissions. to may exist.
func copyTree(from, to string, keep func(name string) bool) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !keep(d.Name()) {
			return nil
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			if err := os.MkdirAll(target, 0o700); err != nil {
				return err
			}
			return os.Chmod(target, info.Mode().Perm())
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		default:
			return copyFile(path, target, info.Mode().Perm())
		}
	})
}

func copyFile(from, to string, perm fs.FileMode) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		return err
	}
	return dst.Close()
}
