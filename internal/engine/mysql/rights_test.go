package mysql

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// Lines as servers show them.
func TestParseGrant(t *testing.T) {
	u := account{"u", "%"}
	odd := account{"a'b`c\\d", "10.%"}
	for _, tc := range []struct {
		line string
		a    account
		want []string
	}{
		{"GRANT USAGE ON *.* TO 'u'@'%' IDENTIFIED BY PASSWORD '*0D3CED9BEC10A777AEC23CCC353A8C08A633045E' REQUIRE SSL WITH GRANT OPTION MAX_USER_CONNECTIONS 5", u, []string{"GRANT OPTION ON *.*"}},
		{"GRANT USAGE ON *.* TO 'u'@'%' IDENTIFIED BY PASSWORD WITH MAX_USER_CONNECTIONS 5", u, nil},
		{"GRANT USAGE ON *.* TO 'u'@'%' IDENTIFIED BY PASSWORD <secret>", u, nil},
		{"GRANT SELECT (d,e, a, b c), INSERT ON `shop`.`t` TO 'u'@'%' WITH GRANT OPTION", u, []string{
			"GRANT OPTION ON `shop`.`t`", "INSERT ON `shop`.`t`", "SELECT (`a`) ON `shop`.`t`", "SELECT (`b c`) ON `shop`.`t`", "SELECT (`d,e`) ON `shop`.`t`",
		}},
		{"GRANT SELECT (`x``y`, `a`), INSERT ON `sh' TO ``x``@\"%`.`t ON y` TO `u`@`%`", u, []string{
			"INSERT ON `sh' TO ``x``@\"%`.`t ON y`", "SELECT (`a`) ON `sh' TO ``x``@\"%`.`t ON y`", "SELECT (`x``y`) ON `sh' TO ``x``@\"%`.`t ON y`",
		}},
		{"GRANT ALL PRIVILEGES ON `wild\\_card%`.* TO 'a'b`c\\d'@'10.%'", odd, []string{"ALL PRIVILEGES ON `wild\\_card%`.*"}},
		{"GRANT ALL PRIVILEGES ON *.* TO `a'b``c\\d`@`10.%` IDENTIFIED VIA ed25519 USING 'x' OR unix_socket WITH GRANT OPTION", odd, []string{"ALL PRIVILEGES ON *.*", "GRANT OPTION ON *.*"}},
		{"GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE `s`.`p(` TO `u`@`%`", u, []string{"ALTER ROUTINE ON PROCEDURE `s`.`p(`", "EXECUTE ON PROCEDURE `s`.`p(`"}},
		{"GRANT EXECUTE ON PACKAGE BODY `s`.`p` TO `u`@`%`", u, []string{"EXECUTE ON PACKAGE BODY `s`.`p`"}},
		{"GRANT BACKUP_ADMIN,ROLE_ADMIN ON *.* TO `u`@`%` WITH GRANT OPTION", u, []string{"BACKUP_ADMIN ON *.* WITH GRANT OPTION", "ROLE_ADMIN ON *.* WITH GRANT OPTION"}},
		{"REVOKE SELECT, INSERT ON `mysql`.* FROM `u`@`%`", u, []string{"NOT INSERT ON `mysql`.*", "NOT SELECT ON `mysql`.*"}},
		{"GRANT `r`@`%`,`s`@`h` TO `u`@`%` WITH ADMIN OPTION", u, []string{"ADMIN OPTION FOR ROLE `r`@`%`", "ADMIN OPTION FOR ROLE `s`@`h`", "ROLE `r`@`%`", "ROLE `s`@`h`"}},
		{"GRANT `we ird'r` TO `u`@`%`", u, []string{"ROLE `we ird'r`"}},
		{"SET DEFAULT ROLE `r` FOR `u`@`%`", u, []string{"DEFAULT ROLE `r`"}},
		{"GRANT PROXY ON 'x'@'y' TO 'u'@'%' WITH GRANT OPTION", u, []string{"GRANT OPTION FOR PROXY ON `x`@`y`", "PROXY ON `x`@`y`"}},
	} {
		rs, _, ok, err := parseGrant(tc.line, tc.a)
		var got []string
		for _, r := range rs {
			got = append(got, r.String())
		}
		slices.Sort(got)
		if err != nil || !ok || !slices.Equal(got, tc.want) {
			t.Errorf("%s\n\tok %v, %v\n\tgot  %q\n\twant %q", tc.line, ok, err, got, tc.want)
		}
	}
}

// A right of a role that is active in the session is not the account's.
func TestParseGrantOfAnActiveRole(t *testing.T) {
	rs, _, ok, err := parseGrant("GRANT SELECT ON `shop`.* TO `r`", account{"u", "%"})
	if ok || err != nil || len(rs) > 0 {
		t.Errorf("got %v, %v, %v", rs, ok, err)
	}
}

// What is not understood is an error: a right must not be lost silently.
func TestParseGrantRefuses(t *testing.T) {
	for _, line := range []string{
		"", "GRANT", "GRANT SELECT", "GRANT SELECT ON *.*", "GRANT SELECT ON *.* TO 'somebody'@'else'", "GRANT SELECT ON shop.* TO 'u'@'%'",
		"GRANT SELECT ON `shop`.* TO 'u'@'%' AND MORE", "GRANT SELECT ON `shop.* TO 'u'@'%'", "GRANT select ON *.* TO 'u'@'%'",
		"GRANT SELECT (`a ON `s`.`t` TO 'u'@'%'", "DENY SELECT ON *.* TO 'u'@'%'", "GRANT r TO 'u'@'%'", "GRANT SELECT ON SOMETHING `a`.`b` TO 'u'@'%'",
		"REVOKE SELECT ON *.* FROM 'x'@'%'", "GRANT PROXY ON x TO 'u'@'%'", "SET DEFAULT ROLE `r` FOR 'x'@'%'", "GRANT `r` TO 'u'@'%' WITH SOMETHING",
	} {
		if rs, _, ok, err := parseGrant(line, account{"u", "%"}); err == nil {
			t.Errorf("%q was understood as %v (ok %v)", line, rs, ok)
		}
	}
}

// Names of any characters come out as they went in.
func TestParseGrantRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.StringOfN(rapid.RuneFrom([]rune("ab `'\".,()@%\\ TOONFRM*_Жあ")), 1, 12, -1)
		a := account{name.Draw(r, "user"), name.Draw(r, "host")}
		on := identifier(name.Draw(r, "schema")) + "." + identifier(name.Draw(r, "table"))
		want := rights{
			{kind: privilege, name: "INSERT", on: on},
			{kind: privilege, name: "SELECT (" + identifier(name.Draw(r, "column")) + ")", on: on},
			{kind: privilege, name: grantOption, on: on},
		}.sorted()
		line := "GRANT " + want[1].name + ", " + want[2].name + " ON " + on + " TO " + identifier(a.user) + "@" + identifier(a.host) + " WITH GRANT OPTION"
		got, _, ok, err := parseGrant(line, a)
		if err != nil || !ok || !slices.Equal(got.sorted(), want) {
			r.Fatalf("%s: %v, %v, %v", line, got, ok, err)
		}
	})
}

// No text makes the parsers panic.
func TestParsersAreRobust(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		words := []string{"GRANT ", "SELECT", " ON ", " TO ", "`", "'", "*.*", "u", "@", "%", "(", ")", ",", " ", "IDENTIFIED ", "VIA ", "WITH ", "REQUIRE ", "PASSWORD ", "EXPIRE", "CREATE USER ", "`u`@`%`", "DEFAULT ROLE ", "MAX_USER_CONNECTIONS "}
		line := strings.Join(rapid.SliceOf(rapid.SampledFrom(words)).Draw(r, "words"), "")
		_, _, _, _ = parseGrant("GRANT "+line, account{"u", "%"})
		_, _ = parseCreateUser("CREATE USER `u`@`%` "+line, account{"u", "%"})
	})
}

func TestParseCreateUser(t *testing.T) {
	for line, want := range map[string]string{
		"CREATE USER `u`@`%` IDENTIFIED BY PASSWORD '*3EECD34F01EF55D497F717E8D1FF50477CC1DE27' REQUIRE ISSUER '/CN=x' SUBJECT '/CN=a b' WITH MAX_USER_CONNECTIONS 5 MAX_STATEMENT_TIME 7.000000 ACCOUNT LOCK PASSWORD EXPIRE NEVER":                                                                                                 "REQUIRE ISSUER '/CN=x' SUBJECT '/CN=a b'; MAX_STATEMENT_TIME 7.000000; MAX_USER_CONNECTIONS 5; PASSWORD EXPIRE NEVER",
		"CREATE USER `u`@`%` IDENTIFIED WITH 'caching_sha2_password' AS <secret> DEFAULT ROLE `r`@`%`,`s`@`%` REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 2 MAX_USER_CONNECTIONS 5 PASSWORD EXPIRE INTERVAL 30 DAY ACCOUNT UNLOCK PASSWORD HISTORY 5 PASSWORD REUSE INTERVAL 3 DAY PASSWORD REQUIRE CURRENT ATTRIBUTE '{\"a\": \"it's\"}'": "REQUIRE SSL; MAX_QUERIES_PER_HOUR 2; MAX_USER_CONNECTIONS 5; PASSWORD EXPIRE INTERVAL 30 DAY; PASSWORD REQUIRE CURRENT: REQUIRED",
		"CREATE USER `u`@`%` IDENTIFIED WITH 'mysql_native_password' AS 0x1234 REQUIRE NONE PASSWORD EXPIRE ACCOUNT UNLOCK PASSWORD HISTORY DEFAULT PASSWORD REUSE INTERVAL DEFAULT PASSWORD REQUIRE CURRENT OPTIONAL FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME UNBOUNDED":                                                          "FAILED_LOGIN_ATTEMPTS 3; PASSWORD_LOCK_TIME UNBOUNDED; PASSWORD REQUIRE CURRENT: OPTIONAL",
		"CREATE USER `u`@`%` IDENTIFIED VIA ed25519 USING 'x' OR unix_socket": "",
	} {
		o, err := parseCreateUser(line, account{"u", "%"})
		if got := strings.Join(o.list(), "; "); err != nil || got != want {
			t.Errorf("%s\n\t%v\n\tgot  %s\n\twant %s", line, err, got, want)
		}
	}
	if _, err := parseCreateUser("CREATE USER `u`@`%` IDENTIFIED BY PASSWORD '*x' SOMETHING NEW", account{"u", "%"}); err == nil {
		t.Error("an unknown clause was passed over")
	}
}

// Hashes that a server made of known passwords.
func TestHashes(t *testing.T) {
	if got := nativeHash(redact.New("uu")); got != "*3E3A28A37EAA0E98D20A775B22B8526FFEAB1EF6" {
		t.Errorf("native: %s", got)
	}
	if got := ed25519Hash(redact.New("secret")); got != "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY" {
		t.Errorf("ed25519: %s", got) // the example of MariaDB's documentation
	}
	if got := sha256Crypt("Hello world!", "saltstring", 5000); got != "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5" {
		t.Errorf("SHA-256 crypt: %s", got) // as OpenSSL has it
	}
	p := redact.New("pass")
	for _, plugin := range []string{nativePassword, ed25519Plugin, cachingSHA2} {
		hash, ok := hashFor(plugin, p, "")
		if !ok || !matches(plugin, hash, p) || matches(plugin, hash, redact.New("other")) || matches(plugin, hash, redact.String{}) || matches(plugin, "", p) {
			t.Errorf("%s does not match its own hash, or another's", plugin)
		}
	}
	// Of MySQL 8 with another number of rounds.
	salt := "abcdefghijklmnopqrst"
	if !matches(cachingSHA2, "$A$00A$"+salt+sha256Crypt("pass", salt, 10000), p) {
		t.Error("10000 rounds are not understood")
	}
	for _, broken := range []string{"x", "$A$", "$A$005$short", "$A$zzz$" + salt, "$A$000$" + salt, "$B$005$" + salt} {
		if matches(cachingSHA2, broken, p) {
			t.Errorf("%q matches", broken)
		}
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]string{
		"8.0.36": "MySQL 8.0.36", "5.6.24-log": "MySQL 5.6.24", "10.11.14-MariaDB-0+deb12u2-log": "MariaDB 10.11.14",
		"5.5.5-10.6.12-MariaDB": "MariaDB 10.6.12", "8.0.28": "MySQL 8.0.28",
	} {
		if d, err := parseVersion(text); err != nil || d.String() != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
	if _, err := parseVersion("nonsense"); err == nil {
		t.Error("nonsense is a version")
	}
}
