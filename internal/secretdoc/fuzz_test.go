package secretdoc_test

import (
	"strings"
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Whatever a secret holds: it is refused without quoting its password, or it is
// read, and what is written of it is read as the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"engine":"postgres","host":"db","username":"app","password":"pa55"}`,
		`{"engine":"mysql","host":"db","username":"app","password":"pa55","port":"3306","ssl":"true","masterarn":"arn"}`,
		`{"engine":"oracle","host":"db","username":"APP","password":"pa55","dbname":"X","port":1521,"ssl":false,"more":[1,{"a":null}]}`,
		`{"engine":"mongo","host":"db","username":"app","password":"\ud800\u0000<>&","PASSWORD":"x"}`,
		`{"engine":"postgres","engine":"mysql","host":"","username":1}`, `{"username":"u","password":"p"}`, `[]`, `{`, ``, `"pa55"`, `{} {}`,
		"\ufeff" + `{"engine":"postgres","host":"::1","username":"app","password":"long-enough","url":"postgres://app:long-enough@db/x","dsn":"user=app password='long-enough'"}`,
		`{"engine":"sqlserver","host":"db","username":"app","password":"long;enough","ado":"Server=db;User Id=app;Password=\"long;enough\""}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := secretdoc.Parse(redact.New(text))
		_, _, _ = secretdoc.ParseSuperuser(redact.New(text), doc)
		if err != nil {
			if text != "" && len(text) > 24 && strings.Contains(fault.From(err).Op, text) {
				t.Errorf("the error quotes the secret: %q", text)
			}
			return
		}
		again, err := secretdoc.Parse(doc.Encode())
		if err != nil {
			t.Fatalf("what was written is refused: %v", err)
		}
		if !again.Password.Equal(doc.Password) || again.Username != doc.Username || again.Host != doc.Host || again.Port != doc.Port ||
			again.Engine != doc.Engine || again.DBName != doc.DBName || again.MasterARN != doc.MasterARN {
			t.Errorf("%q was written as another secret", text)
		}
		for _, key := range doc.Elsewhere() {
			next, err := doc.WithCredentials("oth%er", redact.New(`n"ew;'{}= &#`), key)
			if err != nil {
				continue
			}
			if _, err := next.WithCredentials(doc.Username, doc.Password, key); err != nil {
				t.Errorf("%q: key %q cannot be changed again: %v", text, key, err)
			}
		}
		changed, err := secretdoc.Parse(doc.WithPassword(redact.New(`n"ew\<&> `)).WithUsername("other").Encode())
		if err != nil || changed.Password.Reveal() != `n"ew\<&> ` || changed.Username != "other" || changed.Host != doc.Host {
			t.Errorf("%q could not be changed: %v", text, err)
		}
	})
}
