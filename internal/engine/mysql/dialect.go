package mysql

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/pattern"
)

// dialect is the product and version of a server.
type dialect struct {
	mariadb bool
	version [3]int
}

var versionPattern = pattern.New(`^(\d+)\.(\d+)\.(\d+)`)

// parseVersion reads the result of VERSION(), such as "8.0.36",
// "10.11.14-MariaDB-log" or "5.5.5-10.6.12-MariaDB".
func parseVersion(text string) (dialect, error) {
	d := dialect{mariadb: strings.Contains(strings.ToLower(text), "mariadb")}
	if d.mariadb {
		text = strings.TrimPrefix(text, "5.5.5-") // a prefix for replicas that know only MySQL
	}
	m := versionPattern().FindStringSubmatch(text)
	if m == nil {
		return dialect{}, errAnswer
	}
	for i := range d.version {
		d.version[i], _ = strconv.Atoi(m[i+1]) // the pattern admits digits only
	}
	return d, nil
}

func (d dialect) String() string {
	product := "MySQL"
	if d.mariadb {
		product = "MariaDB"
	}
	return fmt.Sprintf("%s %d.%d.%d", product, d.version[0], d.version[1], d.version[2])
}

// mysqlFrom reports whether the server is a MySQL of this version or later.
func (d dialect) mysqlFrom(major, minor, patch int) bool {
	return !d.mariadb && d.from(major, minor, patch)
}

func (d dialect) from(major, minor, patch int) bool {
	want := [3]int{major, minor, patch}
	for i, v := range d.version {
		if v != want[i] {
			return v > want[i]
		}
	}
	return true
}

// ownByAlter reports whether an account changes its own password by ALTER USER with the
// password in clear, which the server keeps out of its logs. Otherwise it uses SET
// PASSWORD with a hash. Source: MySQL 5.7 reference manual, "SET PASSWORD Statement";
// MariaDB refuses ALTER USER without CREATE USER.
func (d dialect) ownByAlter() bool { return d.mysqlFrom(5, 7, 6) }

// showsCreateUser reports whether the server has SHOW CREATE USER and ALTER USER with
// options.
func (d dialect) showsCreateUser() bool {
	if d.mariadb {
		return d.from(10, 2, 0)
	}
	return d.from(5, 7, 6)
}

// marks reports whether accounts have attributes, which can hold a mark.
func (d dialect) marks() bool { return d.mysqlFrom(8, 0, 21) }

// keepsTwo reports whether an account can have a second password. Source: MySQL reference
// manual, "Password Management", "Dual Password Support".
func (d dialect) keepsTwo() bool { return d.mysqlFrom(8, 0, 14) }

// replaces reports whether ALTER USER supports REPLACE 'current password'.
func (d dialect) replaces() bool { return d.mysqlFrom(8, 0, 13) }

// expires reports whether accounts have a maximum password age.
func (d dialect) expires() bool {
	if d.mariadb {
		return d.from(10, 4, 3)
	}
	return d.from(5, 7, 6)
}

// locksOut reports whether accounts have their own limit on failed logins.
func (d dialect) locksOut() bool { return d.mysqlFrom(8, 0, 19) }
