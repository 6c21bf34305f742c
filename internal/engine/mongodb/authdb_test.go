package mongodb_test

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/mongodb"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// DocumentDB keeps all users in the database admin. On a MongoDB server a user may be in
// a database of its own: it is another account, which does not log in here, and which
// nobody takes for a user of admin or changes.
func TestUserOfAnotherDatabase(t *testing.T) {
	const password = "own-Pa55word"
	f := startFake(t)
	f.wireVersion = 21 // MongoDB 7.0, for its own driver
	own := credentials("app", password)
	f.users[in("shop", "app")] = &fakeUser{credentials: own, roles: []grant{{"read", "shop"}}}
	client, err := mongo.Connect(options.Client().SetHosts([]string{net.JoinHostPort("127.0.0.1", strconv.Itoa(f.port))}).SetDirect(true).SetServerSelectionTimeout(5 * time.Second).
		SetAuth(options.Credential{AuthMechanism: "SCRAM-SHA-1", AuthSource: "shop", Username: "app", Password: password}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	if err := client.Database("shop").RunCommand(t.Context(), bson.D{{Key: "ping", Value: 1}}).Err(); err != nil {
		t.Fatalf("an application is refused: %v", err)
	}

	_, err = mongodb.Engine{}.Connect(t.Context(), f.document("app", password))
	if !fault.Is(err, fault.LoginRefused) || !strings.Contains(err.Error(), "users in the database admin") {
		t.Errorf("its login ended with %v", err)
	}
	admin, err := mongodb.Engine{}.Connect(t.Context(), f.superuser())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	next := redact.New("n3xt-Pa55word")
	changes := map[string]error{"a reset": admin.SetPassword(t.Context(), "app", next)}
	_, changes["a clone"] = admin.EnsureClone(t.Context(), engine.CloneRequest{Original: "app", Clone: "app_clone", Password: next, Mark: "arn:app"})
	for what, err := range changes {
		if !fault.Is(err, fault.DatabaseError) || !strings.Contains(err.Error(), "users in the database admin") {
			t.Errorf("%s ended with %v", what, err)
		}
	}
	for _, user := range []string{"app", "app_clone"} {
		if f.users[user] != nil {
			t.Errorf("there is a user %s of admin", user)
		}
	}

	// Of a namesake in admin that one alone is changed.
	f.add("app", "admins-Pa55word")
	if err := admin.SetPassword(t.Context(), "app", next); err != nil {
		t.Fatal(err)
	}
	if got := f.user(in("shop", "app")).credentials; string(got.StoredKey) != string(own.StoredKey) {
		t.Error("the user of the other database was changed")
	}
}
