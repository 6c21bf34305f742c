package tdsfake

import (
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver/tsql"
)

// statement is a parsed statement: what it does to the server.
type statement func(s *Server, who *identity) *sqlError

// parser reads one batch. Its first failure sticks.
type parser struct {
	list []lexeme
	bad  bool
}

// parse reads a batch of the engine's. Nil is a syntax error.
func parse(batch string) statement {
	list, ok := lex(batch)
	p := &parser{list: list}
	if !ok {
		return nil
	}
	var run statement
	switch {
	case p.try("SET XACT_ABORT ON"):
		run = p.transaction()
	case p.try("USE"):
		run = useDatabase(p.name())
	case p.try("CREATE LOGIN"):
		run = createLogin(p.name(), p.options())
	case p.try("ALTER LOGIN"):
		run = p.alterLogin()
	case p.try("CREATE USER"):
		run = p.createUser()
	case p.try("ALTER USER"):
		run = alterUser(p.name(), p.options())
	case p.try("DROP USER"):
		run = dropUser(p.name())
	case p.try("ALTER SERVER ROLE"):
		run = p.membership(true)
	case p.try("ALTER ROLE"):
		run = p.membership(false)
	default:
		run = p.permission()
	}
	p.expect(endToken, "")
	if p.bad {
		return nil
	}
	return run
}

func (p *parser) peek() lexeme {
	if len(p.list) == 0 {
		return lexeme{kind: endToken}
	}
	return p.list[0]
}

func (p *parser) next() lexeme {
	t := p.peek()
	if len(p.list) > 0 {
		p.list = p.list[1:]
	}
	return t
}

// try takes the words if they are next.
func (p *parser) try(words string) bool {
	list := strings.Fields(words)
	for i, w := range list {
		if i >= len(p.list) || p.list[i].kind != wordToken || p.list[i].value != w {
			return false
		}
	}
	p.list = p.list[len(list):]
	return true
}

func (p *parser) word(words string) {
	if !p.try(words) {
		p.bad = true
	}
}

func (p *parser) expect(kind tokenKind, value string) string {
	t := p.next()
	if t.kind != kind || value != "" && t.value != value {
		p.bad = true
	}
	return t.value
}

func (p *parser) mark(m string) bool {
	if t := p.peek(); t.kind == markToken && t.value == m {
		p.next()
		return true
	}
	return false
}

func (p *parser) name() string { return p.expect(nameToken, "") }

// options reads WITH A = value, B = value and PASSWORD = ... OLD_PASSWORD = ...
func (p *parser) options() map[string]string {
	p.word("WITH")
	options := map[string]string{}
	for {
		key := p.expect(wordToken, "")
		p.expect(markToken, "=")
		value := p.next()
		if _, twice := options[key]; twice || value.kind == endToken || value.kind == markToken {
			p.bad = true
			return options
		}
		if value.kind == wordToken && value.value == "NONE" {
			value.value = ""
		}
		options[key] = value.value
		more := p.mark(",")
		if t := p.peek(); t.kind == wordToken && t.value == "OLD_PASSWORD" && key == "PASSWORD" && !more {
			continue
		}
		if !more {
			return options
		}
	}
}

func (p *parser) alterLogin() statement {
	name := p.name()
	if p.try("ENABLE") {
		return enableLogin(name)
	}
	return alterLogin(name, p.options())
}

func (p *parser) createUser() statement {
	name := p.name()
	if p.try("FOR LOGIN") {
		login := p.name()
		return createUser(name, login, p.options())
	}
	return createContained(name, p.options())
}

// transaction reads the one that the engine sends: a contained user and its
// mark.
func (p *parser) transaction() statement {
	p.expect(markToken, ";")
	p.word("BEGIN TRANSACTION")
	p.expect(markToken, ";")
	p.word("CREATE USER")
	user := p.name()
	options := p.options()
	p.expect(markToken, ";")
	p.word("EXEC sys")
	p.expect(markToken, ".")
	p.word("sp_addextendedproperty")
	var args []string
	for _, parameter := range []string{"@name", "@value", "@level0type", "@level0name"} {
		p.word(parameter)
		p.expect(markToken, "=")
		args = append(args, p.expect(textToken, ""))
		if len(args) < 4 {
			p.expect(markToken, ",")
		}
	}
	p.expect(markToken, ";")
	p.word("COMMIT TRANSACTION")
	if len(args) == 4 && (args[0] != tsql.MarkName || args[2] != "USER" || args[3] != user) {
		p.bad = true
	}
	create := createContained(user, options)
	return func(s *Server, who *identity) *sqlError {
		if err := create(s, who); err != nil {
			return err
		}
		who.database.find(user).mark = args[1]
		return nil
	}
}

func (p *parser) membership(server bool) statement {
	role := p.name()
	add := p.try("ADD MEMBER")
	if !add {
		p.word("DROP MEMBER")
	}
	return changeMembership(server, add, role, p.name())
}

// permission reads GRANT, DENY and REVOKE.
func (p *parser) permission() statement {
	var c permissionChange
	switch {
	case p.try("GRANT"):
		c.to = tsql.Grant
	case p.try("DENY"):
		c.to = tsql.Deny
	case p.try("REVOKE GRANT OPTION FOR"):
		c.onlyOption = true
	default:
		p.word("REVOKE")
	}
	c.permission = p.words()
	if p.mark("(") {
		c.column = p.name()
		p.expect(markToken, ")")
	}
	if p.try("ON") {
		c.kind = p.words()
		p.expect(markToken, "::")
		c.name = p.name()
		if p.mark(".") {
			c.schema, c.name = c.name, p.name()
		}
	}
	if c.to == "" {
		p.word("FROM")
	} else {
		p.word("TO")
	}
	c.account = p.name()
	if c.to == tsql.Grant && p.try("WITH GRANT OPTION") {
		c.to = tsql.GrantWithOption
	}
	c.cascade = c.to != tsql.Grant && c.to != tsql.GrantWithOption && p.try("CASCADE")
	return c.run
}

// words reads a permission or a kind of securable, of one word or more.
func (p *parser) words() string {
	var list []string
	for {
		t := p.peek()
		if t.kind != wordToken || t.value == "ON" || t.value == "TO" || t.value == "FROM" {
			break
		}
		list = append(list, p.next().value)
	}
	if len(list) == 0 {
		p.bad = true
	}
	return strings.Join(list, " ")
}
