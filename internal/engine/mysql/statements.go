package mysql

import (
	"fmt"
	"strings"
)

// Statements without parameters.
const (
	probeSQL = "SELECT 1"

	// identitySQL asks for the version and the account.
	identitySQL = "SELECT VERSION(), CURRENT_USER()"
)

// prepareSQL makes quoting the same on every server: in strings only the quote is
// special, backticks quote identifiers, and the server quotes all identifiers that it
// shows. MySQL from 8.0.17 on shows hashes in hexadecimal; other versions ignore that
// comment. It also limits how long a statement may wait for locks, and removes a limit of
// rows that may be set by the server's defaults: with such a limit, a list of accounts
// could be cut short.
func (d dialect) prepareSQL() string {
	sql := fmt.Sprintf("SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES', sql_quote_show_create = 1, sql_select_limit = 18446744073709551615, lock_wait_timeout = %d, innodb_lock_wait_timeout = %[1]d", lockTimeout)
	if d.mariadb {
		return sql + fmt.Sprintf(", max_statement_time = %d", statementTimeout)
	}
	return sql + " /*!80017 , print_identified_with_as_hex = 1 */"
}

// turn.go explains prepareTurnSQL and the next three.
func (d dialect) prepareTurnSQL() string {
	return d.prepareSQL() + fmt.Sprintf(", wait_timeout = %d", turnIdle)
}

// takeTurnSQL prepares the session and takes a free turn, in one statement. When another
// session has the turn, the sum exceeds a BIGINT's range, which is an error under every
// sql_mode.
func (d dialect) takeTurnSQL(name string) string {
	return d.prepareTurnSQL() + ", @tumbler = 9223372036854775807 + IF(GET_LOCK(" + text(name) + ", 0) = 1, 0, 1)"
}

// awaitTurnSQL waits for a turn. Its result is 1 when the session has got it.
func (d dialect) awaitTurnSQL(name string) string {
	sql := fmt.Sprintf("SELECT GET_LOCK(%s, %d)", text(name), turnWait)
	if d.mariadb {
		return "SET STATEMENT max_statement_time = 0 FOR " + sql
	}
	return sql
}

func endTurnSQL(name string) string {
	return "SET SESSION wait_timeout = DEFAULT, @tumbler = RELEASE_LOCK(" + text(name) + ")"
}

// quietSQL keeps the session out of the general log. It needs a privilege that a master
// user of RDS does not have.
const quietSQL = "SET SESSION sql_log_off = 1"

// readOnlySQL asks whether the server takes changes. Aurora's readers have
// innodb_read_only set; accounts with certain privileges are exempt from read_only.
const readOnlySQL = "SELECT @@global.read_only, @@global.innodb_read_only"

// effectiveSQL lists the session's own rights and those of its active roles.
const effectiveSQL = "SHOW GRANTS"

// text quotes a string for a session prepared by prepareSQL.
func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// identifier quotes a name.
func identifier(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// account is a user name and a host pattern.
type account struct{ user, host string }

func (a account) sql() string { return text(a.user) + "@" + text(a.host) }

// String formats the account for messages.
func (a account) String() string { return fmt.Sprintf("%q@%q", a.user, a.host) }

// parseAccount parses the result of CURRENT_USER(), which quotes nothing.
func parseAccount(s string) account {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return account{user: s}
	}
	return account{user: s[:at], host: s[at+1:]}
}

// ownHashSQL sets the password of the session's account from a hash.
func ownHashSQL(hash string) string { return "SET PASSWORD = " + text(hash) }

// ownPlainOldSQL sets the password of the session's account on MariaDB, in clear.
func ownPlainOldSQL(password string) string { return "SET PASSWORD = PASSWORD(" + text(password) + ")" }

// ownPlainSQL sets the password of the session's account on MySQL 5.7.6 and later.
// replace is the current password, for accounts that require it. With retain, the server
// also accepts the current password afterwards.
func ownPlainSQL(password, replace string, retain bool) string {
	sql := "ALTER USER CURRENT_USER() IDENTIFIED BY " + text(password)
	if replace != "" {
		sql += " REPLACE " + text(replace)
	}
	if retain {
		sql += " RETAIN CURRENT PASSWORD"
	}
	return sql
}

// factor is one way to log in to an account: a plugin and what it stores.
type factor struct{ plugin, hash string }

// identified returns the clause that sets how an account logs in.
func (d dialect) identified(factors []factor) string {
	switch {
	case d.mariadb:
		ways := make([]string, len(factors))
		for i, f := range factors {
			ways[i] = identifier(f.plugin)
			if f.hash != "" {
				ways[i] += " USING " + text(f.hash)
			}
		}
		return "IDENTIFIED VIA " + strings.Join(ways, " OR ")
	case d.ownByAlter():
		// Hashes made by hashFor are printable, unlike the server's own.
		return "IDENTIFIED WITH " + text(factors[0].plugin) + " AS " + text(factors[0].hash)
	}
	return "IDENTIFIED BY PASSWORD " + text(factors[0].hash)
}

// createSQL creates an account without rights.
func (d dialect) createSQL(a account, factors []factor, mark string) string {
	sql := "CREATE USER " + a.sql() + " " + d.identified(factors)
	if d.marks() {
		sql += " ATTRIBUTE " + text(markJSON(mark))
	}
	return sql
}

// login is an account and how it logs in.
type login struct {
	account
	factors []factor
}

// passwordSQL changes the passwords of accounts other than the session's. Where the
// server supports it this is one statement, which MySQL carries out as a whole or not at
// all from 8.0 on.
func (d dialect) passwordSQL(logins ...login) []string {
	var each, all []string
	for _, l := range logins {
		each = append(each, "SET PASSWORD FOR "+l.sql()+" = "+text(l.factors[0].hash))
		all = append(all, l.sql()+" "+d.identified(l.factors))
	}
	if !d.mariadb && !d.ownByAlter() {
		return each
	}
	return []string{"ALTER USER " + strings.Join(all, ", ")}
}

// retainSQL changes the passwords of accounts and keeps the previous ones as second
// passwords, replacing any older second password.
func (d dialect) retainSQL(logins ...login) string {
	var all []string
	for _, l := range logins {
		all = append(all, l.sql()+" "+d.identified(l.factors)+" RETAIN CURRENT PASSWORD")
	}
	return "ALTER USER " + strings.Join(all, ", ")
}

// discardSQL discards second passwords.
func discardSQL(accounts ...account) string {
	var all []string
	for _, a := range accounts {
		all = append(all, a.sql()+" DISCARD OLD PASSWORD")
	}
	return "ALTER USER " + strings.Join(all, ", ")
}

const ownDiscardSQL = "ALTER USER CURRENT_USER() DISCARD OLD PASSWORD"

func markSQL(a account, mark string) string {
	return "ALTER USER " + a.sql() + " ATTRIBUTE " + text(markJSON(mark))
}

// accountsSQL lists the accounts of user names: user, host, plugin, the stored hash in
// hexadecimal, that of a second password, and the mark. In MariaDB roles are in the same
// table.
func (d dialect) accountsSQL(users ...string) string {
	hash, second, mark, where := "authentication_string", "''", "''", ""
	if d.keepsTwo() {
		second = "HEX(User_attributes->>'$.additional_password')"
	}
	switch {
	case d.mariadb:
		where = " AND is_role = 'N'"
	case !d.ownByAlter():
		hash = "IF(IFNULL(authentication_string, '') = '', Password, authentication_string)"
	case d.marks():
		mark = "User_attributes->>'$.metadata." + markKey + "'"
	}
	names := make([]string, len(users))
	for i, user := range users {
		names[i] = text(user)
	}
	return "SELECT User, Host, plugin, HEX(" + hash + "), " + second + ", " + mark +
		" FROM mysql.user WHERE User IN (" + strings.Join(names, ", ") + ")" + where + " ORDER BY Host"
}

func dropSQL(a account) string { return "DROP USER " + a.sql() }

// showGrantsSQL asks for the rights of an account. It names the account because for
// CURRENT_USER MySQL 8 would include the rights of active roles.
func showGrantsSQL(a account) string { return "SHOW GRANTS FOR " + a.sql() }

// columnsSQL lists the columns of a table, whose name is already quoted.
func columnsSQL(table string) string { return "SHOW COLUMNS FROM " + table }

// showAccountSQL asks for the options of an account. Nil means the session's own, which
// needs no privilege.
func showAccountSQL(a *account) string {
	if a == nil {
		return "SHOW CREATE USER CURRENT_USER()"
	}
	return "SHOW CREATE USER " + a.sql()
}
