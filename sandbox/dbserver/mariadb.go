package dbserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// ErrNoMariaDB says that there is no MariaDB to start, and how to get one.
var ErrNoMariaDB = errors.New("no MariaDB server found: run scripts/fetch-mariadb in Tumbler's checkout (Debian, Ubuntu; needs no root), " +
	"or install MariaDB so that mariadbd is on PATH (Debian, Ubuntu: apt install mariadb-server; Fedora: dnf install mariadb-server; macOS: brew install mariadb)")

// StartMariaDB starts a MariaDB server and returns when it accepts logins. ctx
// bounds the start only. The error is [ErrNoMariaDB] when there is none on this
// machine, and holds the end of the server's log when it does not come up.
func StartMariaDB(ctx context.Context, cfg MySQL) (*MySQLServer, error) {
	return startMySQL(ctx, mariaDB, cfg)
}

var mariaDBSizes = []string{
	"--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M",
	"--innodb-data-file-path=ibdata1:4M:autoextend", "--innodb-autoextend-increment=1",
}

var mariaDB = flavour{
	product:    "MariaDB",
	find:       findMariaDB,
	initialise: installMariaDB,
	sizes:      mariaDBSizes,
	noTLS:      []string{"--skip-ssl"}, // from 11.4 on a server makes a certificate of its own
	firstLogin: func(password redact.String) []string {
		return []string{
			"CREATE USER IF NOT EXISTS 'admin'@'%'",
			"ALTER USER 'admin'@'%' IDENTIFIED BY PASSWORD '" + nativeHash(password) + "'",
			"GRANT ALL PRIVILEGES ON *.* TO 'admin'@'%' WITH GRANT OPTION",
			// Nobody may grant this but by hand.
			"REPLACE INTO mysql.proxies_priv (Host, User, Proxied_host, Proxied_user, With_grant, Grantor) VALUES ('%', 'admin', '', '', 1, '')",
			"FLUSH PRIVILEGES",
		}
	},
}

// findMariaDB looks for the server that scripts/fetch-mariadb unpacked and then
// for an installed one.
func findMariaDB(as *account) (program, error) {
	if root := findAbove(filepath.Join("build", "mariadb"), has("usr", "sbin", "mariadbd")); root != "" {
		return unpackedMariaDB(as, root)
	}
	candidates := []string{
		"/usr/sbin/mariadbd", "/usr/local/sbin/mariadbd", "/usr/libexec/mariadbd",
		"/opt/homebrew/opt/mariadb/bin/mariadbd", "/usr/local/opt/mariadb/bin/mariadbd",
	}
	if path, err := exec.LookPath("mariadbd"); err == nil {
		candidates = append([]string{path}, candidates...)
	}
	for _, path := range candidates {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return program{command: []string{path}, home: filepath.Dir(filepath.Dir(path))}, nil
		}
	}
	return program{}, ErrNoMariaDB
}

// unpackedMariaDB runs the server of an unpacked package.
func unpackedMariaDB(as *account, root string) (program, error) {
	root, err := enterable(as, "mariadb", root, filepath.Join("usr", "sbin", "mariadbd"))
	if err != nil {
		return program{}, err
	}
	libraries, err := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-gnu"))
	if err != nil {
		return program{}, err
	}
	home := filepath.Join(root, "usr")
	return program{
		command: append(withLibraries(libraries...), filepath.Join(home, "sbin", "mariadbd")),
		home:    home,
	}, nil
}

// withLibraries is the beginning of a command that looks for its libraries in
// the directories first.
func withLibraries(dirs ...string) []string {
	return []string{"/usr/bin/env", "LD_LIBRARY_PATH=" + strings.Join(dirs, ":")}
}

// installMariaDB makes a data directory with the script that comes with the
// server.
func installMariaDB(as *account, p program, data string) error {
	script := filepath.Join(p.home, "bin", "mariadb-install-db")
	if _, err := os.Stat(script); err != nil {
		if script, err = exec.LookPath("mariadb-install-db"); err != nil {
			return fmt.Errorf("%s has no mariadb-install-db beside it: %w", p.home, ErrNoMariaDB)
		}
	}
	command := append([]string{}, p.command[:len(p.command)-1]...) // the library path
	command = append(command, script, "--no-defaults", "--basedir="+p.home, "--datadir="+data,
		"--auth-root-authentication-method=socket", "--skip-test-db", "--skip-name-resolve", "--force")
	command = append(command, mariaDBSizes...)
	if out, err := run(as, data, command[0], command[1:]...); err != nil {
		return fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	return nil
}
