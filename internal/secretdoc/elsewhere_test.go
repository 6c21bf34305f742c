package secretdoc_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/microsoft/go-mssqldb/msdsn"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

const (
	oldPassword = `0ld-p%s; {w}'"\:/@#`
	newPassword = `n3w }{pa;ss'"=&?#%+\:/@`
)

// document is a secret of user app with more keys.
func document(t testing.TB, user, password string, more map[string]any) secretdoc.Document {
	t.Helper()
	keys := map[string]any{"engine": "postgres", "host": "db", "username": user, "password": password}
	for key, value := range more {
		keys[key] = value
	}
	raw, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	d, err := secretdoc.Parse(redact.New(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// value reads a key of what would be stored.
func value(t testing.TB, d secretdoc.Document, key string) string {
	t.Helper()
	var keys map[string]string
	if err := json.Unmarshal([]byte(d.Encode().Reveal()), &keys); err != nil {
		t.Fatal(err)
	}
	return keys[key]
}

// connection is a kind of connection string: how one is written for the
// credentials, and how the driver that knows it reads it.
type connection struct {
	write func(user, password string) string
	read  func(t testing.TB, text string) (user, password string)
}

func connections() map[string]connection {
	percent := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	in := func(before, middle, after string, encode func(string) string) func(string, string) string {
		return func(user, password string) string { return before + encode(user) + middle + encode(password) + after }
	}
	quoted := func(open, end string) func(string) string {
		return func(s string) string { return open + strings.ReplaceAll(s, end, end+end) + end }
	}
	libpq := func(s string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
	}
	pg := func(t testing.TB, text string) (string, string) {
		t.Helper()
		cfg, err := pgx.ParseConfig(text)
		if err != nil {
			t.Fatal(err)
		}
		return cfg.User, cfg.Password
	}
	mongo := func(t testing.TB, text string) (string, string) {
		t.Helper()
		cs, err := connstring.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return cs.Username, cs.Password
	}
	odbc := func(t testing.TB, text string) (string, string) {
		t.Helper()
		cfg, err := msdsn.Parse("odbc:" + text)
		if err != nil {
			t.Fatal(err)
		}
		return cfg.User, cfg.Password
	}
	ado := func(t testing.TB, text string) (string, string) {
		t.Helper()
		cfg, err := msdsn.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return cfg.User, cfg.Password
	}
	sqlURL := func(t testing.TB, text string) (string, string) {
		t.Helper()
		cfg, err := msdsn.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return cfg.User, cfg.Password
	}
	goMySQL := func(t testing.TB, text string) (string, string) {
		t.Helper()
		cfg, err := mysql.ParseDSN(text)
		if err != nil {
			t.Fatal(err)
		}
		return cfg.User, cfg.Passwd
	}
	jdbcQuery := func(t testing.TB, text string) (string, string) {
		t.Helper()
		u, err := url.Parse(strings.TrimPrefix(text, "jdbc:"))
		if err != nil {
			t.Fatal(err)
		}
		return u.Query().Get("user"), u.Query().Get("password")
	}
	return map[string]connection{
		"PostgreSQL URL":               {in("postgresql://", ":", "@db:5432/shop?sslmode=disable", percent), pg},
		"PostgreSQL URL, parameters":   {in("postgresql://db/shop?user=", "&sslmode=disable&password=", "&application_name=x", percent), pg},
		"PostgreSQL keywords":          {in("host=db user=", " sslmode = disable password=", " dbname=shop", libpq), pg},
		"MongoDB URL of several hosts": {in("mongodb://", ":", "@h1:27017,h2:27017/?replicaSet=rs0&tls=true", percent), mongo},
		"SQL Server URL":               {in("sqlserver://", ":", "@db:1433?database=shop", percent), sqlURL},
		"ADO.NET":                      {in("Server=db,1433;User Id=", ";Database=shop;Password=", ";Encrypt=true", quoted(`"`, `"`)), ado},
		"ODBC":                         {in("driver=x;server=db;user id=", ";password=", ";", quoted("{", "}")), odbc},
		"go-sql-driver":                {in("", ":", "@tcp(db:3306)/shop?parseTime=true", func(s string) string { return s }), goMySQL},
		"JDBC PostgreSQL":              {in("jdbc:postgresql://db:5432/shop?user=", "&password=", "&ssl=true", url.QueryEscape), jdbcQuery},
		"JDBC with the password in front": {func(user, password string) string {
			return "jdbc:mysql://db/shop?password=" + url.QueryEscape(password) + "&user=" + url.QueryEscape(user)
		}, jdbcQuery},
	}
}

// The drivers read the new credentials out of what was written, and all else as it
// was.
func TestAlsoUpdateAsDriversReadIt(t *testing.T) {
	for name, c := range connections() {
		t.Run(name, func(t *testing.T) {
			before := c.write("app", oldPassword)
			if user, password := c.read(t, before); user != "app" || password != oldPassword {
				t.Fatalf("the test's own text is read as %q %q", user, password)
			}
			d := document(t, "app", oldPassword, map[string]any{"url": before, "another": before})
			if diff := cmp.Diff([]string{"another"}, d.Elsewhere("url")); diff != "" {
				t.Errorf("elsewhere: %s", diff)
			}
			next, err := d.WithCredentials("app_clone", redact.New(newPassword), "url")
			if err != nil {
				t.Fatal(err)
			}
			after := value(t, next, "url")
			if user, password := c.read(t, after); user != "app_clone" || password != newPassword {
				t.Errorf("%s is read as %q %q", after, user, password)
			}
			if value(t, next, "another") != before || next.Username != "app_clone" || value(t, next, "password") != newPassword {
				t.Errorf("%s", next.Encode().Reveal())
			}
			// And back: the rest of the text is what it was.
			back, err := next.WithCredentials("app", redact.New(oldPassword), "url")
			if err != nil {
				t.Fatal(err)
			}
			if user, password := c.read(t, value(t, back, "url")); user != "app" || password != oldPassword {
				t.Errorf("and back: %q %q", user, password)
			}
		})
	}
}

func TestAlsoUpdateAnyPassword(t *testing.T) {
	all := connections()
	rapid.Check(t, func(rt *rapid.T) {
		password := rapid.StringMatching(`[ -~]{8,40}`)
		before, after := password.Draw(rt, "old"), password.Draw(rt, "new")
		name := rapid.SampledFrom([]string{
			"PostgreSQL URL", "PostgreSQL keywords", "MongoDB URL of several hosts", "ADO.NET", "ODBC", "go-sql-driver", "JDBC PostgreSQL",
		}).Draw(rt, "kind")
		d := document(t, "app", before, map[string]any{"url": all[name].write("app", before)})
		next, err := d.WithCredentials("app", redact.New(after), "url")
		if err != nil {
			rt.Fatal(err)
		}
		if user, got := all[name].read(t, value(t, next, "url")); user != "app" || got != after {
			rt.Fatalf("%s: %s is read as %q %q, want %q", name, value(t, next, "url"), user, got, after)
		}
	})
}

func TestAlsoUpdateUnquoted(t *testing.T) {
	for before, want := range map[string]string{
		"host=db user=app password=old-password":                        `host=db user=app_clone password='a b\'c'`,
		"Server=db;User ID=app;Password=old-password":                   `Server=db;User ID=app_clone;Password="a b'c"`,
		"Driver={X};Server=db;UID=app;PWD=old-password;":                `Driver={X};Server=db;UID=app_clone;PWD={a b'c};`,
		"jdbc:sqlserver://db:1433;user=app;password=old-password;a=b":   `jdbc:sqlserver://db:1433;user=app_clone;password={a b'c};a=b`,
		"jdbc:sqlserver://db:1433;password={old-password};userName=app": `jdbc:sqlserver://db:1433;password={a b'c};userName=app_clone`,
		"mongodb+srv://app:old-password@c.example.net/?w=majority":      `mongodb+srv://app_clone:a%20b%27c@c.example.net/?w=majority`,
		"postgresql+psycopg2://app:old%2dpassword@db":                   `postgresql+psycopg2://app_clone:a%20b%27c@db`,
		"app:old-password@/shop":                                        `app_clone:a b'c@/shop`,
		"old-password":                                                  `a b'c`,
		"app":                                                           `app_clone`,
	} {
		d := document(t, "app", "old-password", map[string]any{"url": before})
		next, err := d.WithCredentials("app_clone", redact.New("a b'c"), "url")
		if err != nil {
			t.Errorf("%s: %v", before, err)
			continue
		}
		if got := value(t, next, "url"); got != want {
			t.Errorf("%s: got %s, want %s", before, got, want)
		}
	}
}

// What is not exactly the secret's user and password is not touched, and said
// before anything is stored.
func TestAlsoUpdateRefuses(t *testing.T) {
	d := document(t, "app", canary, map[string]any{
		"other user":     "postgres://admin:" + canary + "@db/x",
		"other password": "postgres://app:" + canary + "x@db/x",
		"no user":        "postgres://:" + canary + "@db/x",
		"twice":          "postgres://app:" + canary + "@db/x?password=" + canary,
		"two parameters": "jdbc:x://db?user=app&password=" + canary + "&password=" + canary,
		"prose":          "the password is " + canary,
		"not encoded":    "postgres://app:%zz" + canary + "@db",
		"object":         map[string]any{"password": canary},
		"number":         7,
		"empty":          "",
	})
	for _, key := range []string{"other user", "other password", "no user", "twice", "two parameters", "prose", "not encoded", "object", "number", "empty", "absent", "username", "password", "host"} {
		_, err := d.WithCredentials("app", redact.New("new"), key)
		if fault.CodeOf(err) != fault.InvalidSecret || !strings.Contains(err.Error(), key) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: got %v", key, err)
		}
	}
	same := document(t, "same-same", "same-same", map[string]any{"url": "same-same"})
	if _, err := same.WithCredentials("same-same", redact.New("new"), "url"); fault.CodeOf(err) != fault.InvalidSecret {
		t.Errorf("user or password? got %v", err)
	}
}

func TestElsewhere(t *testing.T) {
	const password = `Pa55/w%rd with"`
	d := document(t, "app", password, map[string]any{
		"a plain":    "x" + password + "y",
		"b percent":  "https://x/?p=" + url.QueryEscape(password),
		"c path":     "https://x/" + url.PathEscape(password),
		"d nested":   map[string]any{"x": []any{1, map[string]any{"y": password}}},
		"e basic":    "Basic YXBwOlBhNTUvdyVyZCB3aXRoIg==",
		"f base64":   "UGE1NS93JXJkIHdpdGgi",
		"g half":     password[:8],
		"h number":   7,
		"masterarn":  "arn",
		"i nothing":  nil,
		"j the user": "app",
	})
	want := []string{"a plain", "b percent", "c path", "d nested", "e basic", "f base64"}
	if diff := cmp.Diff(want, d.Elsewhere()); diff != "" {
		t.Error(diff)
	}
	// A short password stands in other texts by chance.
	d = document(t, "app", "app", map[string]any{
		"application": "application", "same": "app", "url": "postgres://app:app@db", "dbname": "app", "dsn": "user=app password=x",
	})
	if diff := cmp.Diff([]string{"same", "url"}, d.Elsewhere()); diff != "" {
		t.Error(diff)
	}
}

// A secret that Secrets Manager would not store is refused before it is asked.
func TestTooLong(t *testing.T) {
	d := document(t, "app", "x", map[string]any{"note": ""})
	room := secretdoc.MaxBytes - len(d.Encode().Reveal())
	d = document(t, "app", "x", map[string]any{"note": strings.Repeat("n", room)})
	if _, err := d.WithCredentials("app", redact.New("y")); err != nil {
		t.Error(err)
	}
	_, err := d.WithCredentials("app", redact.New("yy"))
	if fault.CodeOf(err) != fault.InvalidSecret || !strings.Contains(err.Error(), "65,536 bytes") {
		t.Errorf("got %v", err)
	}
}
