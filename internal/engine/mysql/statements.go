package mysql

import (
	"fmt"
	"strings"
)

// The statements that are always the same.
const (
	probeSQL = "SELECT 1"

	// identitySQL asks for the version and the account.
	identitySQL = "SELECT VERSION(), CURRENT_USER()"
)

// prepareSQL makes quoting the same everywhere: in strings only the quote
// itself is special, backticks quote identifiers, and the server quotes all
// identifiers that it shows. MySQL from 8.0.17 on shows hashes in hexadecimal;
// others skip that comment. It also bounds how long a statement may wait, and takes
// off a limit of rows that a server may begin its sessions with: of several accounts it
// would show one.
func (d dialect) prepareSQL() string {
	sql := fmt.Sprintf("SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES', sql_quote_show_create = 1, sql_select_limit = 18446744073709551615, lock_wait_timeout = %d, innodb_lock_wait_timeout = %[1]d", lockTimeout)
	if d.mariadb {
		return sql + fmt.Sprintf(", max_statement_time = %d", statementTimeout)
	}
	return sql + " /*!80017 , print_identified_with_as_hex = 1 */"
}

// prepareTurnSQL and the next three are explained in turn.go.
func (d dialect) prepareTurnSQL() string {
	return d.prepareSQL() + fmt.Sprintf(", wait_timeout = %d", turnIdle)
}

// takeTurnSQL prepares the session and takes a turn that is free, in one statement.
// When somebody has it the sum is out of a BIGINT's range, an error under every sql_mode.
func (d dialect) takeTurnSQL(name string) string {
	return d.prepareTurnSQL() + ", @tumbler = 9223372036854775807 + IF(GET_LOCK(" + text(name) + ", 0) = 1, 0, 1)"
}

// awaitTurnSQL waits for a turn. It is 1 when the session has it.
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

// quiet keeps the session out of the general log. It needs a privilege that a
// master user of RDS does not have.
const quietSQL = "SET SESSION sql_log_off = 1"

// readOnlySQL asks whether the server takes changes. Aurora's readers have the
// second on; accounts with certain privileges may change things in spite of the
// first.
const readOnlySQL = "SELECT @@global.read_only, @@global.innodb_read_only"

// effectiveSQL lists the session's own rights with those of its active roles.
const effectiveSQL = "SHOW GRANTS"

// text quotes a string for a session that prepareSQL has prepared.
func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// identifier quotes a name.
func identifier(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// account is a user name and a host pattern.
type account struct{ user, host string }

func (a account) sql() string { return text(a.user) + "@" + text(a.host) }

// String is for messages.
func (a account) String() string { return fmt.Sprintf("%q@%q", a.user, a.host) }

// parseAccount reads the result of CURRENT_USER(), in which nothing is quoted.
func parseAccount(s string) account {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return account{user: s}
	}
	return account{user: s[:at], host: s[at+1:]}
}

// ownHashSQL sets the session's own password from a hash.
func ownHashSQL(hash string) string { return "SET PASSWORD = " + text(hash) }

// ownPlainOldSQL sets the session's own password on MariaDB, in clear.
func ownPlainOldSQL(password string) string { return "SET PASSWORD = PASSWORD(" + text(password) + ")" }

// ownPlainSQL sets the session's own password on MySQL 5.7.6 and later. replace
// is the present password, for accounts that demand it. With retain the server
// accepts the present one as well.
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

// identified is the clause that sets how accounts log in.
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
		// Hashes that hashFor made are printable, unlike the server's own.
		return "IDENTIFIED WITH " + text(factors[0].plugin) + " AS " + text(factors[0].hash)
	}
	return "IDENTIFIED BY PASSWORD " + text(factors[0].hash)
}

// createSQL creates an account without any right.
func (d dialect) createSQL(a account, factors []factor, mark string) string {
	sql := "CREATE USER " + a.sql() + " " + d.identified(factors)
	if d.marks() {
		sql += " ATTRIBUTE " + text(markJSON(mark))
	}
	return sql
}

// login is an account and how one logs in to it.
type login struct {
	account
	factors []factor
}

// passwordSQL changes the passwords of accounts other than the session's: by one
// statement, which MySQL from 8.0 on carries out as a whole or not at all, where
// the server has one.
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

// retainSQL changes the passwords of accounts and lets the server accept the ones
// before as well, instead of any older one.
func (d dialect) retainSQL(logins ...login) string {
	var all []string
	for _, l := range logins {
		all = append(all, l.sql()+" "+d.identified(l.factors)+" RETAIN CURRENT PASSWORD")
	}
	return "ALTER USER " + strings.Join(all, ", ")
}

// discardSQL takes away second passwords.
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

// accountsSQL lists the accounts of user names: user, host, plugin, what it stores in
// hexadecimal, for a second password too, and the mark. In MariaDB roles are in the
// same table.
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

// showGrantsSQL asks for the rights of an account. For CURRENT_USER MySQL 8 mixes
// in those of the active roles, hence the name.
func showGrantsSQL(a account) string { return "SHOW GRANTS FOR " + a.sql() }

// columnsSQL lists the columns of a table that is quoted.
func columnsSQL(table string) string { return "SHOW COLUMNS FROM " + table }

// showAccountSQL asks for the options of an account; of the session's own if it
// is nil, since everybody may ask for that.
func showAccountSQL(a *account) string {
	if a == nil {
		return "SHOW CREATE USER CURRENT_USER()"
	}
	return "SHOW CREATE USER " + a.sql()
}
