package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Go's regular expressions know no (?!...), which the schema needs for what a
// pattern must not be; JavaScript's and Python's, which editors use, do.
type pattern struct {
	text string
	not  []string
}

func (p pattern) String() string { return p.text }

func (p pattern) MatchString(s string) bool {
	for _, not := range p.not {
		if not == s || strings.HasSuffix(not, ":") && strings.HasPrefix(s, not) {
			return false
		}
	}
	return true
}

// engine replaces the lookaheads by their meaning.
func engine(text string) (jsonschema.Regexp, error) {
	rest := strings.NewReplacer("(?!arn:)", "", "(?!aws:)", "", "(?!(none|no-vpc)$)", "").Replace(text)
	positive, err := regexp.Compile(rest)
	if err != nil {
		return nil, err
	}
	p := pattern{text: text}
	for lookahead, not := range map[string][]string{"(?!aws:)": {"aws:"}, "(?!(none|no-vpc)$)": {None, NoVPC}} {
		if strings.Contains(text, lookahead) {
			p.not = append(p.not, not...)
		}
	}
	return both{positive, p}, nil
}

// both are a pattern without its lookaheads, and they.
type both struct {
	*regexp.Regexp
	but pattern
}

func (b both) String() string { return b.but.String() }

func (b both) MatchString(s string) bool { return b.Regexp.MatchString(s) && b.but.MatchString(s) }

func loadSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	src, err := os.Open(filepath.Join("..", "..", "docs", "rotations.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	doc, err := jsonschema.UnmarshalJSON(src)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.UseRegexpEngine(engine)
	if err := c.AddResource("rotations.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("rotations.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// bySchema is what an editor would say.
func bySchema(schema *jsonschema.Schema, src string) error {
	var doc any
	if err := yaml.Unmarshal([]byte(src), &doc); err != nil {
		return err
	}
	return schema.Validate(doc)
}

// TestSchemaAccepts what the parser accepts.
func TestSchemaAccepts(t *testing.T) {
	schema := loadSchema(t)
	example, err := os.ReadFile(filepath.Join("..", "..", "rotations.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, src := range []string{
		string(example), "rotations:\n  - secret: prod/app\n",
		"rotations:\n  - {secret: a, superuserSecret: rds!db-0123}\n  - {secret: b, superuserSecret: redshift!admin}\n" +
			"  - {secret: c, superuserSecret: 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds!cluster-0123-AbCdEf'}\n",
		"rotations:\n  - secret: a\n    schedule: none\n    network: {vpcTags: {Name: prod}, endpoints: none}\n",
	} {
		if _, err := Parse("f", []byte(src)); err != nil {
			t.Error(err)
		}
		if err := bySchema(schema, src); err != nil {
			t.Errorf("%v\n%s", err, src)
		}
	}
	if !strings.HasPrefix(string(example), "# yaml-language-server: $schema=docs/rotations.schema.json\n") {
		t.Error("the example's first line does not name the schema")
	}
}

// beyondSchema are mistakes that a schema cannot tell: what depends on other
// fields, on the calendar, or on the text itself.
var beyondSchema = []string{
	"dangling alias", "field twice", "two documents", "colon in text", "tab",
	"secret twice", "secret by name and ARN", "no superuser", "own superuser",
	"duration too long", "duration without schedule", "schedule below four hours", "schedule on an impossible date",
	"freeze", "freeze without schedule", "no room for the run", "backstop in front of the schedule",
	"backstop with an own function", "recover without superuser", "recover with two users", "keep with two users", "separate with one user",
	"superuser's key without superuser", "password of nothing", "no such network", "no networks",
	"second network without a name", "another Region", "sender of no events", "no authority",
	"no main network", "main network of nobody", "pattern of nothing", "secret without a pattern", "too long for IAM", "too many", "too many resources", "too long for an event pattern",
	"names that events cannot tell apart",
}

// TestSchemaRefuses what the parser refuses, as far as a schema can.
func TestSchemaRefuses(t *testing.T) {
	schema := loadSchema(t)
	for _, tt := range mistakes {
		refused, expected := bySchema(schema, tt.src) != nil, !slices.Contains(beyondSchema, tt.name)
		if !refused && expected {
			t.Errorf("%s: the schema accepts\n%s", tt.name, tt.src)
		}
	}
	for _, name := range beyondSchema {
		if !slices.ContainsFunc(mistakes, func(m mistake) bool { return m.name == name }) {
			t.Errorf("there is no mistake %q", name)
		}
	}
}

// TestSchemaHasEveryField of the structs, and no other.
func TestSchemaHasEveryField(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("..", "..", "docs", "rotations.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range allFields() {
		if !strings.Contains(string(src), `"`+field+`": {`) {
			t.Errorf("the schema does not have the field %s", field)
		}
	}
}
