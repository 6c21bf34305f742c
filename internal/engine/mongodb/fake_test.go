package mongodb_test

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
	"github.com/tumbler-rotation/tumbler/proof/enginetest"
)

// fake is a server for what FerretDB does not have: roles, authorisation, custom
// data, and refusals with any code. It really checks passwords, by SCRAM-SHA-1
// only, as DocumentDB does.
type fake struct {
	t    testing.TB
	port int

	noCustomData bool
	noBounds     int32 // the code with which maxTimeMS is refused; 0: it is not
	checksums    bool  // put one at the end of each answer
	silentOn     string
	hangUpOn     string
	wireVersion  int
	impostor     bool // knows no password and accepts any

	mu       sync.Mutex
	users    map[string]*fakeUser
	failures map[string]int32
	commands []bson.Raw

	accepted, refused int // logins
}

type fakeUser struct {
	credentials scram.StoredCredentials
	roles       []grant
	mark        string
}

type grant struct {
	Role string `bson:"role"`
	DB   string `bson:"db"`
}

const fakeSuperuser = "root"

func startFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{t: t, users: map[string]*fakeUser{}, failures: map[string]int32{}}
	f.add(fakeSuperuser, "root-Pa55word", grant{"root", "admin"})
	f.port = enginetest.Serve(t, f.handle)
	return f
}

func (f *fake) document(user, password string) secretdoc.Document {
	return document("127.0.0.1", f.port, user, redact.New(password), func(keys map[string]any) { keys["ssl"] = false })
}

func (f *fake) superuser() secretdoc.Document { return f.document(fakeSuperuser, "root-Pa55word") }

func (f *fake) add(user, password string, roles ...grant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users[user] = &fakeUser{credentials: credentials(user, password), roles: roles}
}

func credentials(user, password string) scram.StoredCredentials {
	sum := md5.Sum([]byte(user + ":mongo:" + password))
	client, err := scram.SHA1.NewClientUnprepped(user, hex.EncodeToString(sum[:]), "")
	if err != nil {
		panic(err)
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789abcdef", Iters: 4096})
	if err != nil {
		panic(err)
	}
	return stored
}

// fail makes a command fail with a code.
func (f *fake) fail(command string, code int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures[command] = code
}

func (f *fake) user(name string) fakeUser {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *f.users[name]
}

// changes names the commands so far that change users.
func (f *fake) changes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for _, c := range f.commands {
		if name := name(c); slices.Contains([]string{"createUser", "updateUser", "grantRolesToUser", "revokeRolesFromUser"}, name) {
			names = append(names, name)
		}
	}
	return names
}

func (f *fake) logins() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.commands {
		if name(c) == "saslStart" {
			n++
		}
	}
	return n
}

// counts returns how many logins were accepted and refused.
func (f *fake) counts() (accepted, refused int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.accepted, f.refused
}

// last returns the last command of a name.
func (f *fake) last(command string) bson.Raw {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range slices.Backward(f.commands) {
		if name(c) == command {
			return c
		}
	}
	return nil
}

func name(command bson.Raw) string {
	first, err := command.IndexErr(0)
	if err != nil {
		return ""
	}
	return first.Key()
}

// handle serves one connection.
func (f *fake) handle(conn net.Conn) {
	var login *scram.ServerConversation
	for {
		var header [16]byte
		if _, err := io.ReadFull(conn, header[:]); err != nil {
			return
		}
		size, code := binary.LittleEndian.Uint32(header[0:]), binary.LittleEndian.Uint32(header[12:])
		if size > 48_000_000 {
			return // as servers do that are sent a ClientHello
		}
		body := make([]byte, size-16)
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		skip := 5
		if code == 2004 {
			skip = 4 + len("admin.$cmd\x00") + 8
		}
		command := bson.Raw(body[skip:])
		switch name(command) {
		case f.silentOn:
			_, _ = io.Copy(io.Discard, conn)
			return
		case f.hangUpOn:
			return
		}
		f.reply(conn, header, code == 2004, f.answer(command, &login))
	}
}

func (f *fake) reply(conn net.Conn, request [16]byte, old bool, answer bson.D) {
	document, err := bson.Marshal(answer)
	if err != nil {
		f.t.Error(err)
	}
	code, prefix := uint32(2013), []byte{0, 0, 0, 0, 0}
	if old {
		code, prefix = 1, make([]byte, 20)
		prefix[16] = 1 // one document
	}
	checksum := f.checksums && !old
	if checksum {
		prefix[0] = 1
	}
	message := make([]byte, 16)
	message = append(append(message, prefix...), document...)
	size := len(message)
	if checksum {
		size += 4
	}
	binary.LittleEndian.PutUint32(message[0:], uint32(size))
	copy(message[8:12], request[4:8])
	binary.LittleEndian.PutUint32(message[12:], code)
	if checksum {
		message = binary.LittleEndian.AppendUint32(message, crc32.Checksum(message, crc32.MakeTable(crc32.Castagnoli)))
	}
	_, _ = conn.Write(message)
}

var fine = bson.E{Key: "ok", Value: 1.0}

func failure(code int32) bson.D {
	// The text is what must never be shown.
	return bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: code}, {Key: "errmsg", Value: "c4nary-Pa55word"}}
}

func (f *fake) answer(command bson.Raw, login **scram.ServerConversation) bson.D {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commands = append(f.commands, command)
	if code, ok := f.failures[name(command)]; ok {
		return failure(code)
	}
	if _, err := command.LookupErr("maxTimeMS"); err == nil && f.noBounds != 0 {
		return failure(f.noBounds)
	}
	var c struct {
		IsMaster   any     `bson:"isMaster"`
		Payload    []byte  `bson:"payload"`
		Mechanism  string  `bson:"mechanism"`
		UsersInfo  bson.M  `bson:"usersInfo"`
		CreateUser string  `bson:"createUser"`
		UpdateUser string  `bson:"updateUser"`
		Grant      string  `bson:"grantRolesToUser"`
		Revoke     string  `bson:"revokeRolesFromUser"`
		DropUser   string  `bson:"dropUser"`
		Find       string  `bson:"find"` // a database here, not a collection
		Password   string  `bson:"pwd"`
		Roles      []grant `bson:"roles"`
		CustomData *struct {
			Mark string `bson:"tumblerSecret"`
		} `bson:"customData"`
	}
	if err := bson.Unmarshal(command, &c); err != nil {
		f.t.Error(err)
		return failure(9)
	}
	db, _ := command.Lookup("$db").StringValueOK()
	key := func(user string) string { return in(cmp.Or(db, "admin"), user) }
	switch name(command) {
	case "isMaster":
		return bson.D{{Key: "ismaster", Value: true}, {Key: "maxWireVersion", Value: cmp.Or(f.wireVersion, 7)}, fine} // 7: as DocumentDB 4.0
	case "saslStart":
		if c.Mechanism != "SCRAM-SHA-1" {
			return failure(334)
		}
		server, err := scram.SHA1.NewServer(func(user string) (scram.StoredCredentials, error) {
			if f.impostor {
				return credentials(user, "guess"), nil
			}
			if u := f.users[key(user)]; u != nil {
				return u.credentials, nil
			}
			return scram.StoredCredentials{}, fmt.Errorf("no user %q", user)
		})
		if err != nil {
			f.t.Error(err)
		}
		*login = server.NewConversation()
		return f.step(*login, c.Payload)
	case "saslContinue":
		if f.impostor {
			return bson.D{{Key: "conversationId", Value: 1}, {Key: "done", Value: true}, {Key: "payload", Value: []byte("v=bm9uc2Vuc2U=")}, fine}
		}
		return f.step(*login, c.Payload)
	case "ping":
		return bson.D{fine}
	}
	if *login == nil || !(*login).Valid() {
		return failure(13)
	}
	who := (*login).Username()
	about := c.CreateUser + c.UpdateUser + c.Grant + c.Revoke + c.DropUser
	if c.UsersInfo != nil {
		about, _ = c.UsersInfo["user"].(string)
	}
	self := about == who && c.Grant == "" && c.Revoke == ""
	if !self && c.Find == "" && !f.has(who, grant{"root", "admin"}) {
		return failure(13)
	}
	switch {
	case c.Find != "":
		if !f.has(who, grant{"read", c.Find}) {
			return failure(13)
		}
	case c.DropUser != "":
		if f.users[key(c.DropUser)] == nil {
			return failure(11)
		}
		delete(f.users, key(c.DropUser))
	case c.UsersInfo != nil:
		users := bson.A{}
		if u := f.users[in(c.UsersInfo["db"].(string), c.UsersInfo["user"].(string))]; u != nil {
			shown := bson.D{{Key: "user", Value: c.UsersInfo["user"]}, {Key: "roles", Value: append([]grant{}, u.roles...)}}
			if u.mark != "" {
				shown = append(shown, bson.E{Key: "customData", Value: bson.D{{Key: "tumblerSecret", Value: u.mark}}})
			}
			users = append(users, shown)
		}
		return bson.D{{Key: "users", Value: users}, fine}
	case c.CreateUser != "":
		if f.users[key(c.CreateUser)] != nil {
			return failure(51003)
		}
		u := &fakeUser{credentials: credentials(c.CreateUser, c.Password), roles: c.Roles}
		if c.CustomData != nil {
			if f.noCustomData {
				return failure(303)
			}
			u.mark = c.CustomData.Mark
		}
		f.users[key(c.CreateUser)] = u
	case c.UpdateUser != "":
		u := f.users[key(c.UpdateUser)]
		if u == nil {
			return failure(11)
		}
		u.credentials = credentials(c.UpdateUser, c.Password)
	case (c.Grant != "" || c.Revoke != "") && f.users[key(about)] == nil:
		return failure(11)
	case c.Grant != "":
		f.users[key(c.Grant)].roles = append(f.users[key(c.Grant)].roles, c.Roles...)
	case c.Revoke != "":
		u := f.users[key(c.Revoke)]
		u.roles = slices.DeleteFunc(u.roles, func(g grant) bool { return slices.Contains(c.Roles, g) })
	default:
		return failure(59)
	}
	return bson.D{fine}
}

// in names a user: DocumentDB keeps all in admin, MongoDB in the database that the user
// was created in.
func in(db, user string) string {
	if db == "admin" {
		return user
	}
	return db + "." + user
}

func (f *fake) has(user string, g grant) bool {
	u := f.users[user]
	return u != nil && (slices.Contains(u.roles, g) || slices.Contains(u.roles, grant{"root", "admin"}))
}

func (f *fake) step(login *scram.ServerConversation, payload []byte) bson.D {
	response, err := login.Step(string(payload))
	if err != nil {
		f.refused++
		return failure(18)
	}
	if login.Valid() {
		f.accepted++
	}
	return bson.D{
		{Key: "conversationId", Value: 1},
		{Key: "done", Value: login.Done()},
		{Key: "payload", Value: []byte(response)},
		fine,
	}
}
