package secretdoc

import (
	"net/url"
	"slices"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/pattern"
)

// credentials are a user and its password in a connection string.
type credentials struct{ username, password string }

// part is a substring of a connection string that holds a value.
type part struct {
	from, to int
	value    string              // decoded
	encode   func(string) string // encodes another value for this position
}

// A form finds user and password in connection strings of one kind. False matches are
// harmless: the result is compared with the known credentials.
type form func(text string) (user, password part, ok bool)

// forms are the supported kinds of connection strings.
var forms = []form{
	inAuthority,                // postgresql://app:secret@db/shop, mongodb+srv://..., jdbc:mysql://...
	inQuery(url.PathUnescape),  // postgresql://db/shop?user=app&password=secret
	inQuery(url.QueryUnescape), // the same of JDBC, where + is a space
	inKeywords,                 // host=db user=app password='secret' (libpq)
	inProperties,               // Server=db;User Id=app;Password=secret (ADO.NET, ODBC, jdbc:sqlserver)
	beforeAddress,              // app:secret@tcp(db:3306)/shop (go-sql-driver/mysql)
}

// find returns the parts of a connection string that hold exactly these credentials.
func (c credentials) find(text string) ([]part, bool) {
	for _, in := range forms {
		user, password, ok := in(text)
		if ok && user.value == c.username && password.value == c.password {
			return []part{user, password}, true
		}
	}
	return nil, false
}

// replace replaces these credentials by others, in a connection string or in a text that is
// only the user or the password. It returns false if they are missing, or occur once more.
func (c credentials) replace(text string, by credentials) (string, bool) {
	if text == c.username || text == c.password {
		if text == c.password {
			return by.password, c.username != c.password
		}
		return by.username, true
	}
	parts, ok := c.find(text)
	if !ok {
		return "", false
	}
	rest := text // the unchanged parts
	for i, value := range []string{by.username, by.password} {
		p := parts[i]
		encoded := p.encode(value)
		text = text[:p.from] + encoded + text[p.to:]
		rest = rest[:p.from] + strings.Repeat("\n", len(encoded)) + rest[p.to:]
		if i == 0 && parts[1].from > p.from {
			grown := len(encoded) - (p.to - p.from)
			parts[1].from, parts[1].to = parts[1].from+grown, parts[1].to+grown
		}
	}
	if _, found := by.find(text); !found {
		return "", false
	}
	return text, len(c.password) < telling || !c.in(rest)
}

// percent encodes everything that could mean something in a URL.
func percent(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// inAuthority reads the part before the host of a URL. It does not use net/url, which
// refuses MongoDB's URLs with several hosts.
func inAuthority(text string) (user, password part, ok bool) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return part{}, part{}, false
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return part{}, part{}, false
	}
	colon := strings.IndexByte(rest[:at], ':')
	if colon < 0 {
		return part{}, part{}, false
	}
	start := len(scheme) + len("://")
	user, ok1 := percentEncoded(text, start, start+colon, url.PathUnescape)
	password, ok2 := percentEncoded(text, start+colon+1, start+at, url.PathUnescape)
	return user, password, ok1 && ok2
}

func percentEncoded(text string, from, to int, decode func(string) (string, error)) (part, bool) {
	value, err := decode(text[from:to])
	return part{from: from, to: to, value: value, encode: percent}, err == nil
}

// The names of user and password in parameters and properties, in lower case without
// spaces and underscores.
var (
	userNames     = []string{"user", "username", "userid", "uid"}
	passwordNames = []string{"password", "pwd"}
)

// named collects the parts by their names. Each of the two must occur once.
type named struct{ users, passwords []part }

func (n *named) add(name string, p part) {
	switch name = strings.ToLower(strings.NewReplacer(" ", "", "_", "").Replace(name)); {
	case slices.Contains(userNames, name):
		n.users = append(n.users, p)
	case slices.Contains(passwordNames, name):
		n.passwords = append(n.passwords, p)
	}
}

func (n *named) both() (user, password part, ok bool) {
	if len(n.users) != 1 || len(n.passwords) != 1 {
		return part{}, part{}, false
	}
	return n.users[0], n.passwords[0], true
}

// inQuery reads the parameters of a URL.
func inQuery(decode func(string) (string, error)) form {
	return func(text string) (user, password part, ok bool) {
		begin := strings.IndexByte(text, '?') + 1
		if begin == 0 || !strings.Contains(text[:begin], ":") {
			return part{}, part{}, false
		}
		end := len(text)
		if fragment := strings.IndexByte(text[begin:], '#'); fragment >= 0 {
			end = begin + fragment
		}
		var found named
		for at := begin; at < end; {
			next := end
			if i := strings.IndexByte(text[at:end], '&'); i >= 0 {
				next = at + i
			}
			if name, _, assigned := strings.Cut(text[at:next], "="); assigned {
				p, ok := percentEncoded(text, at+len(name)+1, next, decode)
				if !ok {
					return part{}, part{}, false
				}
				found.add(name, p)
			}
			at = next + 1
		}
		return found.both()
	}
}

// keyword is one of libpq's. Source: PostgreSQL's manual, "Connection Strings".
var keyword = pattern.New(`^\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?:\s+|$)`)

var unescapeKeyword = pattern.New(`\\(.)`)

func inKeywords(text string) (user, password part, ok bool) {
	var found named
	for at := 0; at < len(text); {
		m := keyword().FindStringSubmatchIndex(text[at:])
		if m == nil {
			return part{}, part{}, false
		}
		p := part{from: at + m[4], to: at + m[5], encode: keywordValue}
		raw := text[p.from:p.to]
		if strings.HasPrefix(raw, "'") {
			raw = raw[1 : len(raw)-1]
		}
		p.value = unescapeKeyword().ReplaceAllString(raw, "$1")
		found.add(text[at+m[2]:at+m[3]], p)
		at += m[1]
	}
	return found.both()
}

func keywordValue(s string) string {
	if s != "" && !strings.ContainsAny(s, "'\\ \t\r\n\f\v") {
		return s
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// property is NAME=VALUE up to a semicolon; a value may be in braces, or in
// quotes, and has the closing one doubled. Sources: Microsoft's "Connection String
// Syntax" (ADO.NET), "SQLDriverConnect" (ODBC) and "Building the connection URL"
// (JDBC).
var property = pattern.New(`^\s*([^=;]*?)\s*=\s*(\{(?:[^}]|\}\})*\}|"(?:[^"]|"")*"|'(?:[^']|'')*'|[^;]*?)\s*(?:;|$)`)

func inProperties(text string) (user, password part, ok bool) {
	if !strings.Contains(text, ";") {
		return part{}, part{}, false
	}
	quote := `"`
	at := 0
	if strings.HasPrefix(text, "jdbc:") {
		quote, at = "{", strings.IndexByte(text, ';')+1
	}
	var found named
	for at < len(text) {
		if text[at] == ';' { // an empty property
			at++
			continue
		}
		m := property().FindStringSubmatchIndex(text[at:])
		if m == nil {
			return part{}, part{}, false
		}
		name, p := text[at+m[2]:at+m[3]], part{from: at + m[4], to: at + m[5]}
		if strings.EqualFold(name, "driver") || strings.EqualFold(name, "dsn") {
			quote = "{"
		}
		p.value, p.encode = propertyValue(text[p.from:p.to], &quote)
		found.add(name, p)
		at += m[1]
	}
	return found.both()
}

var closing = map[string]string{"{": "}", `"`: `"`, "'": "'"}

// propertyValue decodes a value, and returns a function that encodes another value: in the
// same quotes, or in none if it needs none.
func propertyValue(raw string, quote *string) (string, func(string) string) {
	in := func(open, s string) string {
		end := closing[open]
		return open + strings.ReplaceAll(s, end, end+end) + end
	}
	if open := raw[:min(1, len(raw))]; len(raw) > 1 && closing[open] != "" && strings.HasSuffix(raw, closing[open]) {
		end := closing[open]
		return strings.ReplaceAll(raw[1:len(raw)-1], end+end, end), func(s string) string { return in(open, s) }
	}
	return raw, func(s string) string {
		if s != "" && !strings.ContainsAny(s, `;={}"' `) {
			return s
		}
		return in(*quote, s)
	}
}

// beforeAddress is go-sql-driver's form, in which nothing is encoded.
var address = pattern.New(`^[a-z0-9]*(\([^()]*\))?/`)

func beforeAddress(text string) (user, password part, ok bool) {
	slash := strings.LastIndexByte(text, '/')
	if slash < 0 {
		return part{}, part{}, false
	}
	at := strings.LastIndexByte(text[:slash], '@')
	colon := strings.IndexByte(text, ':')
	if at < 0 || colon < 0 || colon > at || !address().MatchString(text[at+1:]) {
		return part{}, part{}, false
	}
	same := func(s string) string { return s }
	return part{from: 0, to: colon, value: text[:colon], encode: same}, part{from: colon + 1, to: at, value: text[colon+1 : at], encode: same}, true
}
