package explorer

import (
	"fmt"
	"strings"
	"time"

	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
)

// verb is a call of AWS or of the database.
type verb uint8

const (
	none verb = iota
	describe
	versionDate
	versionList
	value
	put
	move
	executions
	reach // the database's port
	connect
	alter // ALTER USER
	clone // CREATE or ALTER the clone
	grant // its rights and its mark
	pause
	rotateSecret // by Secrets Manager itself
	unstage      // by Secrets Manager itself
)

// op is one call, as data: what a rotation wants of the world next.
type op struct {
	verb    verb
	secret  string
	label   string
	id      string // of a version
	from    string
	value   string
	login   login  // for connect; alter and clone: the user and the new password
	as      string // the session's user
	mark    string
	proven  bool
	wait    time.Duration
	bounded bool // its context ends with the window
}

// answer is what came of a call.
type answer struct {
	code   fault.Code // "": it succeeded
	secret secret     // describe
	value  string
	id     string
	moved  bool
	list   []string
	date   time.Time
	now    time.Time // when it came
}

func (a answer) hash(d digest) digest {
	d = d.add(string(a.code), a.value, a.id).add(a.list...).flag(a.moved).number(uint64(a.now.UnixNano()))
	if a.secret.arn != "" {
		d = a.secret.hash(d)
	}
	if !a.date.IsZero() {
		d = d.number(uint64(a.date.UnixNano()))
	}
	return d
}

func (v verb) reads() bool  { return v >= describe && v <= value || v == executions }
func (v verb) writes() bool { return v == put || v == move }
func (v verb) states() bool { return v == alter || v == clone || v == grant }

// carryOut does what a call asks for.
func (w *world) carryOut(a *actor, o op) (out answer) {
	switch o.verb {
	case describe:
		if s := w.secretOf(o.secret); s != nil {
			out.secret = s.clone()
			w.looked(a, s)
		} else {
			out.code = fault.SecretNotFound
		}
	case versionDate:
		if v := w.secretOf(o.secret).version(o.id); v != nil {
			out.date = v.created
		}
	case versionList:
		for _, v := range w.secretOf(o.secret).versions {
			out.list = append(out.list, v.id)
		}
	case value:
		w.read(a, o, &out)
	case put:
		before := w.app.holder(o.label)
		w.app.put(o.id, o.label, w.lab.version(o.id, o.value, w.now))
		w.moved(a, o.label, before, w.app.holder(o.label))
	case move:
		before := w.app.holder(o.label)
		switch w.app.move(o.label, o.from, o.id) {
		case done:
			out.moved = true
			w.moved(a, o.label, before, w.app.holder(o.label))
		case missing:
			out.code = fault.VersionNotReady
		}
	case executions:
		for i := range w.actors {
			if e := &w.actors[i]; e.alive() && e.execution() && !e.aborted {
				out.list = append(out.list, e.arn())
			}
		}
	case reach:
		if w.server(o.login.address) == nil {
			out.code = fault.DatabaseUnreachable
		}
	case connect:
		out.code = fault.DatabaseUnreachable
		if s := w.server(o.login.address); s != nil {
			out.code = s.logIn(o.login.user, o.login.password)
			w.tried(a, s, o.login, out.code == "")
		}
	case alter, clone, grant:
		out.code = w.change(a, o)
	case rotateSecret:
		holder := w.app.holder(rotation.Pending)
		if out.moved = holder == "" || holder == w.app.holder(rotation.Current); out.moved {
			w.app.register(o.id, w.now)
			w.app.rotatedBy = a.native
		}
	case unstage:
		if w.app.holder(rotation.Pending) == o.id {
			w.app.detach(rotation.Pending)
		}
	}
	return out
}

func (w *world) read(a *actor, o op, out *answer) {
	s := w.secretOf(o.secret)
	if s == nil {
		out.code = fault.SecretNotFound
		return
	}
	id := o.id
	if id == "" {
		id = s.holder(o.label)
	}
	v := s.version(id)
	if v == nil || v.value == "" || o.label != "" && s.holder(o.label) != id {
		out.code = fault.VersionNotReady
		return
	}
	out.value, out.id = v.value, id
	if o.label == rotation.Current {
		w.looked(a, s)
	}
}

// change is a statement that changes an account.
func (w *world) change(a *actor, o op) fault.Code {
	s := w.server(o.login.address)
	user, password := o.login.user, o.login.password
	acc, as := s.account(user), s.account(o.as)
	switch {
	case user != o.as && !as.superuser:
		return fault.PrivilegeMissing
	case o.verb == clone && s.account(strings.TrimSuffix(user, cloneSuffix)) == nil:
		return fault.DatabaseError // there is no original
	case o.verb == clone && acc == nil && password != "":
		s.create(account{name: user, password: password})
		w.changedAccount(a, s, o)
		return ""
	case acc == nil:
		return fault.DatabaseError
	case o.verb == clone && !o.proven && acc.mark != o.mark:
		return fault.AccountNotOurs
	case o.verb == grant:
		acc.level = true
		if s.marks {
			acc.mark = o.mark
		}
		return ""
	case password == "":
		return ""
	}
	s.set(user, password)
	w.changedAccount(a, s, o)
	return ""
}

// words describe a call.
func (w *world) words(o op) string {
	switch o.verb {
	case describe:
		return "DescribeSecret"
	case versionDate, versionList:
		return "ListSecretVersionIds"
	case value:
		return strings.TrimSpace("GetSecretValue " + o.label + " " + w.short(o.id))
	case put:
		return fmt.Sprintf("PutSecretValue %s as %s", w.short(o.id), o.label)
	case move:
		return fmt.Sprintf("UpdateSecretVersionStage %s: %s -> %s", o.label, w.name(o.from), w.name(o.id))
	case executions:
		return "ListExecutions"
	case reach:
		return "reaches " + o.login.address
	case connect:
		return "login " + o.login.String()
	case alter:
		return fmt.Sprintf("ALTER USER %s (as %s)", o.login, o.as)
	case clone:
		return fmt.Sprintf("CREATE or ALTER clone %s (as %s)", o.login, o.as)
	case grant:
		return "GRANT to " + o.login.user
	case pause:
		return "waits " + o.wait.String()
	case rotateSecret:
		return "RotateSecret"
	}
	return "takes AWSPENDING off"
}
