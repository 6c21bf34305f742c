package secretdoc_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

const canary = "c4nary-Pa55word"

func TestParse(t *testing.T) {
	yes, no := true, false
	type fields struct {
		Engine, Host, Username, DBName, MasterARN, Password string
		Port                                                int
		SSL                                                 *bool
	}
	base := fields{Engine: "postgres", Host: "db", Username: "app", DBName: "postgres", Port: 5432, Password: canary}
	with := func(change func(*fields)) fields { f := base; change(&f); return f }
	for name, tc := range map[string]struct {
		json string
		want fields
	}{
		"defaults":      {`{"engine":"postgres","host":"db","username":"app","password":"` + canary + `"}`, base},
		"port number":   {`{"engine":"postgres","host":"db","username":"app","password":"` + canary + `","port":6543}`, with(func(f *fields) { f.Port = 6543 })},
		"port string":   {`{"engine":"postgres","host":"db","username":"app","password":"` + canary + `","port":"6543"}`, with(func(f *fields) { f.Port = 6543 })},
		"ssl boolean":   {`{"engine":"postgres","host":"db","username":"app","password":"` + canary + `","ssl":true}`, with(func(f *fields) { f.SSL = &yes })},
		"ssl string":    {`{"engine":"postgres","host":"db","username":"app","password":"` + canary + `","ssl":"False"}`, with(func(f *fields) { f.SSL = &no })},
		"aurora":        {`{"engine":"aurora-postgresql","host":"db","username":"app","password":"` + canary + `"}`, with(func(f *fields) { f.Engine = "aurora-postgresql" })},
		"database":      {`{"engine":"postgres","host":"db","username":"app","password":"` + canary + `","dbname":"shop"}`, with(func(f *fields) { f.DBName = "shop" })},
		"superuser":     {`{"engine":"postgres","host":"db","username":"app","password":"` + canary + `","masterarn":"arn:x"}`, with(func(f *fields) { f.MasterARN = "arn:x" })},
		"escaped":       {`{"engine":"postgres","host":"db","username":"a\"p\u0070","password":"` + canary + `"}`, with(func(f *fields) { f.Username = `a"pp` })},
		"null":          {`{"engine":"postgres","host":"db","username":"app","password":"` + canary + `","port":null,"dbname":null,"ssl":null,"masterarn":null}`, base},
		"empty":         {`{"engine":"postgres","host":"db","username":"app","password":"` + canary + `","port":"","dbname":"","ssl":"","masterarn":""}`, base},
		"byte order":    {"\ufeff" + `{"engine":"postgres","host":"db","username":"app","password":"` + canary + `"}`, base},
		"unknown types": {`{"engine":"postgres","host":"db","username":"app","password":"` + canary + `","tags":{"a":[1,2]},"n":1.50}`, base},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := secretdoc.Parse(redact.New(tc.json))
			if err != nil {
				t.Fatal(err)
			}
			got := fields{d.Engine, d.Host, d.Username, d.DBName, d.MasterARN, d.Password.Reveal(), d.Port, d.SSL}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Every refusal names the key and the remedy, and never shows the password.
func TestParseRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		json string
		want []string
	}{
		"empty":           {``, []string{"no text value"}},
		"not JSON":        {`password=` + canary, []string{"not a JSON object"}},
		"bare string":     {`"` + canary + `"`, []string{"not a JSON object"}},
		"array":           {`["` + canary + `"]`, []string{"not a JSON object"}},
		"truncated":       {`{"password":"` + canary, []string{"not valid JSON"}},
		"broken member":   {`{"password":"` + canary + `",}`, []string{"not valid JSON"}},
		"trailing text":   {`{"password":"` + canary + `"} x`, []string{"after its JSON object"}},
		"twice":           {`{"password":"` + canary + `","password":"` + canary + `2"}`, []string{`"password" stands twice`}},
		"no engine":       {`{"host":"db","username":"app","password":"` + canary + `"}`, []string{`"engine" is missing`, "case-sensitive"}},
		"wrong case":      {`{"Engine":"postgres","host":"db","username":"app","password":"` + canary + `"}`, []string{`"engine" is missing`, `there is a "Engine"`}},
		"no host":         {`{"engine":"postgres","username":"app","password":"` + canary + `"}`, []string{`"host" is missing`}},
		"no username":     {`{"engine":"postgres","host":"db","password":"` + canary + `"}`, []string{`"username" is missing`}},
		"no password":     {`{"engine":"postgres","host":"db","username":"app"}`, []string{`"password" is missing`}},
		"null":            {`{"engine":"postgres","host":null,"username":"app","password":"` + canary + `"}`, []string{`"host" is missing or empty`, "not null"}},
		"unknown engine":  {`{"engine":"` + canary + `","host":"db","username":"app","password":"x"}`, []string{`"engine" is none that Tumbler knows`, "aurora-mysql, aurora-postgresql", "small letters"}},
		"port text":       {`{"engine":"postgres","host":"db","username":"app","password":"x","port":"` + canary + `"}`, []string{`"port" is a string that is no port`, "1 to 65535"}},
		"port fraction":   {`{"engine":"postgres","host":"db","username":"app","password":"` + canary + `","port":54.32}`, []string{`"port" is a number that is no port`}},
		"port range":      {`{"engine":"postgres","host":"db","username":"app","password":"` + canary + `","port":70000}`, []string{`"port" is a number that is no port`}},
		"port object":     {`{"engine":"postgres","host":"db","username":"app","password":"x","port":{"a":"` + canary + `"}}`, []string{`"port" is an object`}},
		"ssl text":        {`{"engine":"postgres","host":"db","username":"app","password":"x","ssl":"` + canary + `"}`, []string{`"ssl" is a string that says neither`}},
		"username number": {`{"engine":"postgres","host":"db","username":7,"password":"` + canary + `"}`, []string{`"username" is a number`}},
		"password object": {`{"engine":"postgres","host":"db","username":"app","password":{"is":"` + canary + `"}}`, []string{`"password" is an object`}},
		"NUL":             {`{"engine":"postgres","host":"db","username":"app","password":"` + canary + `\u0000"}`, []string{`"password" contains a NUL`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := secretdoc.Parse(redact.New(tc.json))
			if fault.CodeOf(err) != fault.InvalidSecret {
				t.Fatalf("got %v, want InvalidSecret", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the password shows in %q", err)
			}
		})
	}
}

// Whoever may write the application's secret may ask for TLS on the superuser's way to
// the server, and cannot turn it off.
func TestManagedSuperuserHasTLS(t *testing.T) {
	const (
		onAWS = "orders.c9akciq32rb2.eu-central-1.rds.amazonaws.com"
		other = "db.example.com"
	)
	yes, no := true, false
	for engine, traits := range secretdoc.Engines {
		for _, app := range []*bool{nil, &yes, &no} {
			current := secretdoc.Document{Engine: engine, Host: "evil.example.com", Port: 1, DBName: "x", SSL: app}
			d, managed, err := secretdoc.ParseSuperuser(redact.New(`{"username":"admin","password":"`+canary+`"}`), current)
			if err != nil || !managed {
				t.Fatal(managed, err)
			}
			asked := app != nil && *app
			has := func(d secretdoc.Document) string {
				if d.SSL == nil {
					return "tried first"
				}
				return map[bool]string{true: "required", false: "off"}[*d.SSL]
			}
			want := map[bool]string{true: "required", false: "tried first"}
			if got := has(d.Managed(other, 5432)); got != want[asked] {
				t.Errorf("%s, ssl asked for: %t: TLS is %s", engine, asked, got)
			}
			// Oracle's and Db2's port for TLS is another one, which RDS does not tell.
			required := asked || traits.Family != "oracle" && traits.Family != ""
			if got := has(d.Managed(onAWS, 5432)); got != want[required] {
				t.Errorf("%s on AWS, ssl asked for: %t: TLS is %s", engine, asked, got)
			}
			if at := d.Managed(onAWS, 5432); at.Host != onAWS || at.Port != 5432 {
				t.Errorf("at %s:%d", at.Host, at.Port)
			}
		}
	}
}

// Whatever is no host name is refused before anybody connects, and is not quoted.
func TestHost(t *testing.T) {
	parse := func(host string) error {
		raw, err := json.Marshal(map[string]string{"engine": "postgres", "host": host, "username": "app", "password": "x"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = secretdoc.Parse(redact.New(string(raw)))
		_, _, superuser := secretdoc.ParseSuperuser(redact.New(string(raw)), secretdoc.Document{})
		if fault.CodeOf(err) != fault.CodeOf(superuser) {
			t.Errorf("%q: %v, but of a superuser: %v", host, err, superuser)
		}
		return err
	}
	for _, host := range []string{
		"db", "db.example.com", "db.example.com.", "DB-1_a.example.com", "127.0.0.1", "::1", "2001:db8::1", "::ffff:10.0.0.1", "xn--bcher-kva.example",
		"app.cluster-c9akciq32.eu-central-1.rds.amazonaws.com", strings.Repeat("a", 63) + "." + strings.Repeat("b", 63),
	} {
		if err := parse(host); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
	const long = "abcdefghijklmnopqrstuvwxyz"
	for host, want := range map[string]string{
		canary + ":5432":                    "has a port",
		canary + ",1433":                    "has a port",
		canary + ";x":                       "has a port",
		"jdbc:postgresql://" + canary + "/": "is a URL",
		"app:x@" + canary:                   "has an @",
		" " + canary:                        "has white space",
		canary + "\n":                       "has white space",
		"db " + canary:                      "has white space",
		canary + "\x07":                     "has control characters",
		canary + "/":                        "has a slash",
		"/var/run/" + canary:                "has a slash",
		canary + `\SQLEXPRESS`:              "has a backslash",
		"[::1]":                             "has brackets",
		"[::1]:5432":                        "has brackets",
		"fe80::1%eth0":                      "has a port",
		canary + "é":                        "has characters",
		canary + "?":                        "has characters",
		canary + "\ufeff":                   "has characters",
		canary + "..com":                    "has a part between dots",
		"." + canary:                        "has a part between dots",
		".":                                 "has a part between dots",
		strings.Repeat("a", 64):             "has a part between dots",
		strings.Repeat(long+".", 10):        "is longer than a host name",
	} {
		err := parse(host)
		if fault.CodeOf(err) != fault.InvalidSecret || !strings.Contains(err.Error(), `key "host" `+want) {
			t.Errorf("%q: got %v, want %q", host, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), canary) || fault.From(err).Hint == "") {
			t.Errorf("%q: is quoted, or has no remedy: %v", host, err)
		}
	}
}

func TestWithPasswordKeepsAllElse(t *testing.T) {
	const before = `{ "zone": {"b":1,"a":[1.50, null]}, "engine":"postgres","host":"db", "port":"05432","username":"app","password":"old","ssl":"true","note":"<&> é" }`
	d, err := secretdoc.Parse(redact.New(before))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"zone":{"b":1,"a":[1.50, null]},"engine":"postgres","host":"db","port":"05432","username":"app","password":"n<e>w\"","ssl":"true","note":"<&> é"}`
	if got := d.WithPassword(redact.New(`n<e>w"`)).Encode().Reveal(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if d.Password.Reveal() != "old" || strings.Contains(d.Encode().Reveal(), `n<e>w`) {
		t.Error("WithPassword changed the document it was called on")
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[^\x00]+`)
		in := map[string]any{
			"engine": "postgres", "host": rapid.StringMatching(`[a-z0-9]{1,63}(\.[A-Za-z0-9_-]{1,20}){0,4}`).Draw(t, "host"),
			"username": text.Draw(t, "username"), "password": text.Draw(t, "password"),
			"extra" + text.Draw(t, "key"): rapid.Float64Range(-1e9, 1e9).Draw(t, "number"),
		}
		raw, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		d, err := secretdoc.Parse(redact.New(string(raw)))
		if err != nil {
			t.Fatal(err)
		}
		password := text.Draw(t, "new password")
		in["password"] = password
		var got, want map[string]any
		if err := json.Unmarshal([]byte(d.WithPassword(redact.New(password)).Encode().Reveal()), &got); err != nil {
			t.Fatal(err)
		}
		raw, _ = json.Marshal(in)
		_ = json.Unmarshal(raw, &want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
