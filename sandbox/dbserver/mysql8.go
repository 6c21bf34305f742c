package dbserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// MySQLVariable names the environment variable that holds the path of the
// mysqld that [StartMySQL] starts.
const MySQLVariable = "TUMBLER_MYSQLD"

// ErrNoMySQL says that there is no MySQL to start, and how to get one.
var ErrNoMySQL = errors.New("no current MySQL server found: run scripts/fetch-mysql in Tumbler's checkout (Debian, Ubuntu; needs no root), or set " +
	MySQLVariable + " to the path of the mysqld of MySQL 8.0 or later")

// StartMySQL starts the MySQL server, 8.0 or later, that TUMBLER_MYSQLD names, or
// that scripts/fetch-mysql unpacked, and returns when it accepts logins. ctx bounds
// the start only. The error is [ErrNoMySQL] when there is neither.
func StartMySQL(ctx context.Context, cfg MySQL) (*MySQLServer, error) {
	return startMySQL(ctx, mysql8, cfg)
}

var mysql8 = flavour{
	product:    "MySQL",
	find:       findMySQL8,
	sizes:      mysql8Sizes,
	arguments:  []string{"--mysqlx=OFF", "--disable-log-bin"},
	noTLS:      []string{"--tls-version="}, // by default it makes a certificate of its own
	initialise: initialiseMySQL8,
	firstLogin: func(password redact.String) []string {
		return []string{
			// The server itself keeps the password out of its logs.
			"CREATE USER IF NOT EXISTS 'admin'@'%'",
			"ALTER USER 'admin'@'%' IDENTIFIED BY '" + password.Reveal() + "'",
			"GRANT ALL PRIVILEGES ON *.* TO 'admin'@'%' WITH GRANT OPTION",
			"GRANT PROXY ON ''@'' TO 'admin'@'%' WITH GRANT OPTION",
			"DROP USER IF EXISTS 'root'@'localhost'",
		}
	},
}

func findMySQL8(as *account) (program, error) {
	path := os.Getenv(MySQLVariable)
	if path == "" {
		root := findAbove(filepath.Join("build", "mysql"), has("usr", "bin", "mysqld"))
		if root == "" {
			return program{}, ErrNoMySQL
		}
		root, err := enterable(as, "mysql", root, filepath.Join("usr", "sbin", "mysqld"))
		if err != nil {
			return program{}, err
		}
		path = filepath.Join(root, "usr", "bin", "mysqld")
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return program{}, fmt.Errorf("%s=%s is not a program", MySQLVariable, path)
	}
	return program{command: []string{path}, home: filepath.Dir(filepath.Dir(path))}, nil
}

var mysql8Sizes = []string{
	"--innodb-buffer-pool-size=16M", "--innodb-data-file-path=ibdata1:5M:autoextend", "--innodb-autoextend-increment=1",
	"--innodb-redo-log-capacity=8M", "--innodb-doublewrite=OFF",
}

func initialiseMySQL8(as *account, p program, data string) error {
	args := append([]string{"--no-defaults", "--initialize-insecure", "--basedir=" + p.home, "--datadir=" + data}, mysql8Sizes...)
	if out, err := p.run(as, data, args...); err != nil {
		return fmt.Errorf("mysqld --initialize-insecure: %w: %s", err, out)
	}
	return nil
}
