package sandbox_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tumbler-rotation/tumbler/internal/cli/follow"
	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/rotation"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
)

// arena is a world in which secrets are attacked, each with accounts of its own on
// one real server.
type arena struct {
	*world
	family    string
	superID   string
	superARN  string
	document  func(user string, password redact.String, change func(keys map[string]any)) secretdoc.Document
	create    func(user string, password redact.String)
	drop      func(user string)
	superuser secretdoc.Document
	victim    string        // the names of all victims begin with it
	theirs    redact.String // the victims' password
	rogue     int           // the port of the attacker's server

	mu    sync.Mutex
	sent  []sentTo // what engines were told to log in with, or to set
	heard safeBuffer
	made  int
}

type sentTo struct {
	port     int
	password redact.String
}

// attacker may call PutSecretValue and UpdateSecretVersionStage on the application's
// secret, and nothing else. It knows the superuser's ARN, the victim's name, and which
// version is where.
type attacker struct {
	*arena
	t           *testing.T
	api         *secretsmanager.Client
	secret, app string
	password    redact.String // the application's
	runs        int
	arn         string          // of the execution that comes next
	stored      map[string]bool // versions
}

// own are accounts of the attacker's own in the database, with the password chosen.
func (w *arena) own() []string { return []string{w.victim + "w_clone", w.victim + "x"} }

// victims are accounts that it is after.
func (w *arena) victims() []string {
	return []string{w.victim, w.victim + "_clone", w.victim + "w", w.victim + "x_clone"}
}

// settle makes the accounts that all attacks are about.
func (w *arena) settle() {
	w.victim, w.theirs = "v"+w.db.User[5:11], dbtest.Password()
	for _, user := range w.victims() {
		w.create(user, w.theirs)
	}
	for _, user := range w.own() {
		w.create(user, redact.New(chosen))
	}
	w.Cleanup(func() {
		for _, user := range slices.Concat(w.victims(), w.own()) {
			w.drop(user)
		}
	})
}

// chosen is the password that the attacker would like accounts to have.
const chosen = "ch0sen-by-the-attacker"

func (a *attacker) keys(user string, change func(keys map[string]any)) string {
	return a.document(user, redact.New(chosen), change).Encode().Reveal()
}

// put stores a value. What is refused was tried.
func (a *attacker) put(value, token string, labels ...string) {
	in := &secretsmanager.PutSecretValueInput{SecretId: &a.secret, SecretString: &value, VersionStages: labels}
	if token != "" {
		in.ClientRequestToken = &token
	}
	if out, err := a.api.PutSecretValue(context.Background(), in); err == nil {
		a.stored[aws.ToString(out.VersionId)] = true
	}
}

// move takes a label from wherever it is to a version.
func (a *attacker) move(label, to string) {
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &a.secret, VersionStage: &label, MoveToVersionId: &to}
	if from := a.labelled(label); from != "" {
		in.RemoveFromVersionId = &from
	}
	_, _ = a.api.UpdateSecretVersionStage(context.Background(), in)
}

// labelled is the version that has a label.
func (a *attacker) labelled(label string) string {
	out, err := a.secrets.DescribeSecret(context.Background(), &secretsmanager.DescribeSecretInput{SecretId: &a.secret})
	if err != nil {
		return ""
	}
	for id, labels := range out.VersionIdsToStages {
		if slices.Contains(labels, label) {
			return id
		}
	}
	return ""
}

func key(name string, value any) func(map[string]any) {
	return func(keys map[string]any) { keys[name] = value }
}

func (a *attacker) elsewhere(keys map[string]any) { keys["port"], keys["ssl"] = a.rogue, false }

// attempts are what is done before a rotation.
var attempts = map[string]func(a *attacker){
	"once": func(a *attacker) { a.put(a.keys(a.victim, nil), "") },
	"three times": func(a *attacker) {
		for i := range 3 {
			a.put(a.keys(a.victim, key("try", i)), "")
		}
	},
	"the clone's name": func(a *attacker) {
		a.put(a.keys(a.victim+"_clone", nil), "")
		a.put(a.keys(a.victim, nil), "")
		a.put(a.keys(a.victim+"_clone", key("try", 2)), "")
	},
	"the superuser itself":                            func(a *attacker) { a.put(a.keys(a.superuser.Username, nil), "") },
	"an account of its own that is called as a clone": func(a *attacker) { a.put(a.keys(a.victim+"w_clone", nil), "") },
	"an account of its own that a clone is called after": func(a *attacker) {
		a.put(a.keys(a.victim+"x_clone", nil), "", rotation.Previous)
		a.put(a.keys(a.victim+"x", nil), "")
	},
	"as AWSPENDING": func(a *attacker) {
		a.put(a.keys(a.victim, nil), "", rotation.Current)
		a.put(a.keys(a.victim+"_clone", nil), "", rotation.Pending)
	},
	"under Tumbler's labels": func(a *attacker) {
		token := strings.Repeat("ab", 32)
		a.put(a.keys(a.victim, nil), token, rotation.Hold(token), rotation.GivenUp)
		a.put(a.keys(a.victim, key("try", 1)), "", rotation.Previous)
		a.put(a.keys(a.victim, key("try", 2)), "")
	},
	"the version to come": func(a *attacker) {
		a.put(a.keys(a.victim, key("try", 1)), "")
		a.put(a.keys(a.victim, nil), rotation.VersionID(a.arn), rotation.Hold(rotation.VersionID(a.arn)))
	},
	"old versions without labels": func(a *attacker) {
		a.put(a.keys(a.victim, key("try", 1)), "")
		for _, label := range []string{rotation.Previous, rotation.Pending} {
			a.put(a.keys(a.victim, key("label", label)), "", label)
		}
		a.put(a.keys(a.victim, key("try", 2)), "")
	},
	"names that end a statement": func(a *attacker) {
		a.put(a.keys(`x" SUPERUSER; ALTER ROLE "`+a.victim+`" PASSWORD '`+chosen+`'; --`, nil), "")
		a.put(a.keys(`x'@'%'; ALTER USER '`+a.victim+`'@'%' IDENTIFIED BY '`+chosen+`'; -- `, nil), "")
		a.put(a.keys(strings.ToUpper(a.victim), nil), "")
		a.put(a.keys(a.victim+" ", nil), "")
		a.put(a.keys(a.victim, key("dbname", fmt.Sprintf("postgres host=127.0.0.1 port=%d user=%s", a.rogue, a.app))), "")
	},
	"another host": func(a *attacker) {
		a.put(a.keys(a.victim, a.elsewhere), "")
	},
	"another host for the application": func(a *attacker) {
		a.put(a.keys(a.app, a.elsewhere), "")
	},
	"another host by another name": func(a *attacker) {
		a.put(a.keys(a.victim, func(keys map[string]any) { a.elsewhere(keys); keys["host"] = "localhost" }), "")
	},
	"another host as AWSPENDING": func(a *attacker) {
		a.put(a.keys(a.app, a.elsewhere), "", rotation.Pending)
		a.put(a.keys(a.app+"_clone", a.elsewhere), "", rotation.Previous)
	},
	"another host, and AWSCURRENT as AWSPENDING": func(a *attacker) {
		old := a.labelled(rotation.Current)
		a.put(a.keys(a.app, a.elsewhere), "")
		a.move(rotation.Pending, old)
	},
	"another host after a dead rotation": func(a *attacker) { // whose password the database has
		a.sandbox.Intercept(both(sinceReady(denied("finishsecret", "UpdateSecretVersionStage")), sinceReady(denied("restore", "GetSecretValue"))))
		a.run(`{"secretId":"` + a.secret + `"}`)
		a.sandbox.Intercept(nil)
		if a.labelled(rotation.Pending) == "" {
			a.t.Error("the rotation has not left AWSPENDING")
		}
		a.put(a.keys(a.app, a.elsewhere), "")
	},
	"the dead rotation's version as AWSCURRENT": func(a *attacker) {
		a.sandbox.Intercept(both(sinceReady(denied("finishsecret", "UpdateSecretVersionStage")), sinceReady(denied("restore", "GetSecretValue"))))
		a.run(`{"secretId":"` + a.secret + `"}`)
		a.sandbox.Intercept(nil)
		pending := a.labelled(rotation.Pending)
		a.put(a.keys(a.app, a.elsewhere), "")
		a.move(rotation.Previous, pending)
		a.put(a.keys(a.victim, nil), "")
	},
}

// meanwhile are what is done when a function makes its first call.
var meanwhile = map[string]func(a *attacker){
	"stores a value":        func(a *attacker) { a.put(a.keys(a.victim, nil), "") },
	"stores a value twice":  func(a *attacker) { a.put(a.keys(a.victim, nil), ""); a.put(a.keys(a.victim, key("try", 2)), "") },
	"stores another host":   func(a *attacker) { a.put(a.keys(a.app, a.elsewhere), "") },
	"takes AWSPENDING":      func(a *attacker) { a.put(a.keys(a.victim, nil), "", rotation.Pending) },
	"takes AWSPENDING away": func(a *attacker) { a.put(a.keys(a.app, a.elsewhere), "", rotation.Pending) },
	"moves AWSPENDING to AWSCURRENT": func(a *attacker) {
		a.put(a.keys(a.victim, nil), "")
		a.move(rotation.Pending, a.labelled(rotation.Current))
	},
}

// configurations are the requests that rotate the secret, and whether the secret
// itself is to name the superuser.
var configurations = map[string]struct {
	request string
	named   bool
}{
	"single user":            {`{"secretId":"SECRET"}`, false},
	"recovering":             {`{"secretId":"SECRET","recoverPassword":true,"superuserSecretId":"SUPER"}`, false},
	"recovering, masterarn":  {`{"secretId":"SECRET","recoverPassword":true}`, true},
	"recovering, username":   {`{"secretId":"SECRET","recoverPassword":true,"superuserSecretId":"SUPER","username":"APP"}`, true},
	"alternating":            {`{"secretId":"SECRET","strategy":"alternating-users","superuserSecretId":"SUPER"}`, false},
	"alternating, masterarn": {`{"secretId":"SECRET","strategy":"alternating-users"}`, true},
	"alternating, username":  {`{"secretId":"SECRET","strategy":"alternating-users","superuserSecretId":"SUPER","username":"APP"}`, true},
}

// TestPutSecretValueAlone: somebody who may store values in the application's secret
// and move its labels tries, for all that is worth, to get another's account, or a
// password that is not the application's.
func TestPutSecretValueAlone(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) *arena{"PostgreSQL": postgresArena, "MariaDB": mariaArena} {
		for configuration := range configurations {
			t.Run(name+"/"+configuration, func(t *testing.T) {
				t.Parallel()
				open(t).attacks(t, configuration)
			})
		}
		t.Run(name+"/the superuser can reset a password", func(t *testing.T) {
			t.Parallel()
			open(t).isArmed(t)
		})
	}
}

// attacks tries everything against secrets that are rotated in one way.
func (w *arena) attacks(t *testing.T, configuration string) {
	second := strings.HasSuffix(configuration, "masterarn") // much the same as without
	tried := 0
	for _, rotated := range []int{0, 2} { // how often the secret has been rotated before
		if second && rotated > 0 {
			continue
		}
		for _, attempt := range slices.Sorted(maps.Keys(attempts)) {
			tried++
			t.Run(fmt.Sprintf("%s after %d", attempt, rotated), func(t *testing.T) {
				w.attack(t, configuration, rotated, attempts[attempt], "", nil)
			})
		}
	}
	for _, act := range slices.Sorted(maps.Keys(meanwhile)) {
		if second {
			continue
		}
		for _, function := range []string{"createsecret", "setsecret", "testsecret", "finishsecret"} {
			tried++
			t.Run(act+" during "+function, func(t *testing.T) {
				w.attack(t, configuration, 0, nil, function, meanwhile[act])
			})
		}
	}
	t.Logf("%d attacks", tried)
}

// isArmed shows that what the attacker is after is there to be had: the superuser does
// reset the application's password when it is lost.
func (w *arena) isArmed(t *testing.T) {
	const configuration = "recovering, masterarn"
	a, request := w.target(t, configuration, 1)
	admin, err := all.Engines[w.family].Connect(t.Context(), w.superuser)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.SetPassword(t.Context(), a.app, dbtest.Password()); err != nil {
		t.Fatal(err)
	}
	e := a.run(request)
	if e.State != "Rotated" || !w.lastEvent().Recovered || w.lastAlert().Attributes["severity"].StringValue != "warning" {
		t.Errorf("%s %s: %s", e.State, e.Error, e.Cause)
	}
}

// target makes the accounts and the secret, and rotates it.
func (w *arena) target(t *testing.T, configuration string, rotated int) (a *attacker, request string) {
	w.made++
	user := fmt.Sprintf("%s%d", w.db.User[5:11], w.made)
	a = &attacker{
		arena: w, t: t, secret: "fleet/" + user, app: user,
		password: dbtest.Password(), stored: map[string]bool{},
		api: secretsmanager.NewFromConfig(w.sandbox.AWS("attacker")),
	}
	a.next()
	w.create(a.app, a.password)
	t.Cleanup(func() {
		w.drop(a.app)
		w.drop(a.app + "_clone")
	})
	c := configurations[configuration]
	request = strings.NewReplacer("SECRET", a.secret, "SUPER", w.superID, "APP", a.app).Replace(c.request)
	value := w.document(a.app, a.password, func(keys map[string]any) {
		if c.named {
			keys["masterarn"] = w.superARN
		}
	})
	if _, err := w.secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &a.secret, SecretString: aws.String(value.Encode().Reveal())}); err != nil {
		t.Fatal(err)
	}
	for range rotated {
		if e := a.run(request); e.State != "Rotated" {
			t.Fatalf("before anything was done: %s %s %s", e.State, e.Error, e.Cause)
		}
	}
	return a, request
}

// attack attacks, and rotates twice.
func (w *arena) attack(t *testing.T, configuration string, rotated int, before func(*attacker), function string, during func(*attacker)) {
	a, request := w.target(t, configuration, rotated)
	w.noted() // so far
	if before != nil {
		before(a)
	}
	if during != nil {
		w.sandbox.Intercept(once(function, func() { during(a) }))
	}
	for range 2 {
		e := a.run(request)
		w.sandbox.Intercept(nil)
		t.Logf("%s %s: %s", e.State, e.Error, e.Cause)
		if strings.Contains(e.Cause, "panicked") {
			t.Error("the attacker's server makes a function panic")
		}
	}
	a.looksForLoot()
}

// looksForLoot fails if the attack was worth it.
func (a *attacker) looksForLoot() {
	a.t.Helper()
	if err := a.login(a.superuser); err != nil {
		a.t.Errorf("the superuser has lost its password: %v", err)
	}
	for _, user := range a.victims() {
		err := a.login(a.document(user, a.theirs, nil))
		if err == nil {
			continue
		}
		a.t.Errorf("%s has lost its password: %v", user, err)
		if a.login(a.document(user, redact.New(chosen), nil)) == nil {
			a.t.Errorf("the attacker logs in as %s", user)
		}
		a.drop(user)
		a.create(user, a.theirs)
	}
	// Every password that the real server has, or may get, is live.
	live := map[string]string{a.password.Reveal(): "the application's first", a.theirs.Reveal(): "the victim's", a.superuser.Password.Reveal(): "the superuser's"}
	versions, err := a.secrets.ListSecretVersionIds(a.t.Context(), &secretsmanager.ListSecretVersionIdsInput{SecretId: &a.secret, IncludeDeprecated: aws.Bool(true), MaxResults: aws.Int32(100)})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, v := range versions.Versions {
		out, err := a.secrets.GetSecretValue(a.t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &a.secret, VersionId: v.VersionId})
		if err != nil || a.stored[aws.ToString(v.VersionId)] {
			continue
		}
		if doc, err := secretdoc.Parse(redact.New(aws.ToString(out.SecretString))); err == nil && doc.Port != a.rogue {
			live[doc.Password.Reveal()] = "that of version " + aws.ToString(v.VersionId)
		}
	}
	for _, sent := range a.noted() {
		if whose := live[sent.password.Reveal()]; sent.port == a.rogue && whose != "" {
			a.t.Errorf("the attacker's server was told a live password: %s", whose)
		}
	}
	a.heard.mu.Lock()
	defer a.heard.mu.Unlock()
	for password, whose := range live {
		if strings.Contains(a.heard.b.String(), password) {
			a.t.Errorf("the attacker's server has heard a live password: %s", whose)
		}
	}
}

func (a *attacker) login(doc secretdoc.Document) error {
	session, err := all.Engines[a.family].Connect(a.t.Context(), doc)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Probe(a.t.Context())
}

// next names the execution to come, which whoever starts it by a pattern gives away.
func (a *attacker) next() {
	a.runs++
	a.arn = strings.Replace(a.sandbox.StateMachineARN, ":stateMachine:", ":execution:", 1) + ":" + a.execution()
}

func (a *attacker) execution() string { return fmt.Sprintf("%s-%d", a.app, a.runs) }

func (a *attacker) run(request string) follow.Ending {
	a.t.Helper()
	name := a.execution()
	started, err := a.states.StartExecution(a.t.Context(), &sfn.StartExecutionInput{StateMachineArn: &a.sandbox.StateMachineARN, Input: &request, Name: &name})
	if err != nil {
		a.t.Fatal(err)
	}
	a.next()
	ending, err := follow.Config{API: a.states, Interval: 2 * time.Millisecond}.Execution(a.t.Context(), aws.ToString(started.ExecutionArn))
	if err != nil {
		a.t.Fatal(err)
	}
	return ending
}

// noted takes what was sent since the last call.
func (w *arena) noted() []sentTo {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.sent = nil }()
	return w.sent
}

func (w *arena) note(port int, password redact.String) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, sentTo{port, password})
}

// noting tells the arena of every password that an engine is given, and for where.
type noting struct {
	engine.Engine
	w *arena
}

func (e noting) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	e.w.note(doc.Port, doc.Password)
	session, err := e.Engine.Connect(ctx, doc)
	if err != nil || doc.Port != e.w.rogue {
		return session, err
	}
	return notingSession{session, e.w}, nil
}

type notingSession struct {
	engine.Session
	w *arena
}

func (s notingSession) SetPassword(ctx context.Context, user string, password redact.String) error {
	s.w.note(s.w.rogue, password)
	return s.Session.SetPassword(ctx, user, password)
}

func (s notingSession) EnsureClone(ctx context.Context, r engine.CloneRequest) (engine.CloneResult, error) {
	s.w.note(s.w.rogue, r.Password)
	return s.Session.EnsureClone(ctx, r)
}

// newArena starts a world whose attacker's server speaks like the family's.
func newArena(t *testing.T, family string, speak func(net.Conn)) *arena {
	a := &arena{family: family}
	table := engine.Table{}
	for name, e := range all.Engines {
		table[name] = noting{e, a}
	}
	a.rogue = enginetest.Serve(t, func(conn net.Conn) { speak(overheard{conn, &a.heard}) })
	a.world = newWorldWithoutSecret(t, table)
	a.sandbox.Intercept(nil)
	return a
}

func (w *arena) storeSuperuser() {
	w.superuser = w.document(w.superuser.Username, w.superuser.Password, nil)
	w.canaries = append(w.canaries, w.superuser.Password.Reveal())
	out, err := w.secrets.CreateSecret(w.Context(), &secretsmanager.CreateSecretInput{Name: &w.superID, SecretString: aws.String(w.superuser.Encode().Reveal())})
	w.check(err)
	w.superARN = aws.ToString(out.ARN)
	w.settle()
}

func postgresArena(t *testing.T) *arena {
	w := newArena(t, "postgres", roguePostgres)
	w.superID, w.superuser = superuserID, w.db.SuperuserDocument(nil)
	w.document = func(user string, password redact.String, change func(map[string]any)) secretdoc.Document {
		return w.db.Document(func(keys map[string]any) {
			keys["username"], keys["password"] = user, password.Reveal()
			if change != nil {
				change(keys)
			}
		})
	}
	w.create = func(user string, password redact.String) {
		w.db.Exec(w.db.Quiet() + "CREATE ROLE " + quoted(user) + " LOGIN PASSWORD '" + password.Reveal() + "'")
	}
	w.drop = func(user string) { w.db.Exec("DROP ROLE IF EXISTS " + quoted(user)) }
	w.storeSuperuser()
	return w
}

func mariaArena(t *testing.T) *arena {
	w := newArena(t, "mysql", rogueMySQL)
	w.mysql = dbtest.MariaDB(t, "attack", dbserver.MySQL{})
	w.document = w.mysql.Document
	w.create = func(user string, password redact.String) {
		w.mysql.Quietly("CREATE USER " + account(user) + " IDENTIFIED BY " + dbtest.MySQLText(password.Reveal()))
	}
	w.drop = func(user string) { w.mysql.Exec("DROP USER IF EXISTS " + account(user)) }
	admin, password := w.mysql.Name(), dbtest.Password()
	w.create(admin, password)
	t.Cleanup(func() { w.drop(admin) })
	w.mysql.Exec(strings.ReplaceAll(masterOf, "ADMIN", account(admin)))
	w.superID, w.superuser = "maria/admin", w.document(admin, password, nil)
	w.storeSuperuser()
	return w
}

// overheard keeps what a client says.
type overheard struct {
	net.Conn
	heard *safeBuffer
}

func (o overheard) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	_, _ = o.heard.Write(p[:n])
	return n, err
}

// roguePostgres has no TLS, lets everybody in, and says that whatever it is told to do
// is done. What strangers ask for in clear is the engines' tests' subject.
func roguePostgres(conn net.Conn) {
	message := func(header int) []byte {
		start := make([]byte, header)
		if _, err := io.ReadFull(conn, start); err != nil {
			return nil
		}
		body := make([]byte, max(0, int(binary.BigEndian.Uint32(start[header-4:]))-4))
		if _, err := io.ReadFull(conn, body); err != nil {
			return nil
		}
		return append(start, body...)
	}
	say := func(text string) { _, _ = conn.Write([]byte(text)) }
	first := message(4)
	if len(first) == 8 { // SSLRequest
		say("N")
		first = message(4)
	}
	if first == nil {
		return
	}
	say("R\x00\x00\x00\x08\x00\x00\x00\x00S\x00\x00\x00\x18server_version\x0017.0\x00Z\x00\x00\x00\x05I")
	for message(5) != nil {
		say("C\x00\x00\x00\x0aALTER\x00Z\x00\x00\x00\x05I")
	}
}

// rogueMySQL does the same.
func rogueMySQL(conn net.Conn) {
	sequence := byte(0)
	say := func(payload string) {
		_, _ = conn.Write(append([]byte{byte(len(payload)), 0, 0, sequence}, payload...))
		sequence++
	}
	hear := func() bool {
		header := make([]byte, 4)
		if _, err := io.ReadFull(conn, header); err != nil {
			return false
		}
		sequence = header[3] + 1
		_, err := io.CopyN(io.Discard, conn, int64(header[0])|int64(header[1])<<8|int64(header[2])<<16)
		return err == nil
	}
	const ok = "\x00\x00\x00\x02\x00\x00\x00"
	say("\x0a8.0.36\x00\x01\x00\x00\x00saltsalt\x00\xff\xf7\xff\x02\x00\xff\x81\x15" + strings.Repeat("\x00", 10) + "saltsaltsalt\x00mysql_native_password\x00")
	for hear() {
		say(ok)
	}
}
