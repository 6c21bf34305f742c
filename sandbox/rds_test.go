package sandbox_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tumbler-rotation/tumbler/internal/engine/all"
	"github.com/tumbler-rotation/tumbler/proof/dbtest"
	"github.com/tumbler-rotation/tumbler/sandbox"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
	"github.com/tumbler-rotation/tumbler/sandbox/rds"
	sandboxsecrets "github.com/tumbler-rotation/tumbler/sandbox/secretsmanager"
)

const (
	instanceARN  = "arn:aws:rds:us-east-1:123456789012:db:shop"
	proxyAddress = "shop.proxy-abcdefghijkl.us-east-1.rds.amazonaws.com"
)

// addInstance lets the RDS API know the test's database.
func (w *world) addInstance() {
	w.sandbox.RDS.AddInstance(rds.Instance{
		DBInstanceIdentifier: "shop", DBInstanceArn: instanceARN, Engine: "postgres",
		Endpoint: &rds.Endpoint{Address: w.db.Host, Port: w.db.Port},
	})
}

// A superuser's secret that RDS manages holds a username and a password; where
// the database is follows from the secret's tags and the RDS API.
func TestManagedSuperuser(t *testing.T) {
	w := newPairWorld(t)
	w.manageSuperuser()
	for range 2 {
		if e := w.rotate(managedPair); e.State != "Rotated" {
			t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
		}
		w.bothLogIn()
	}
}

// Whoever may write the application's secret cannot have the superuser's password
// sent without TLS, or to a server that nobody vouches for, by turning TLS off in it.
func TestManagedSuperuserIgnoresTheSecretsSSL(t *testing.T) {
	w := newWorldWithoutSecret(t, all.Engines, dbtest.TLS(certs.New("not RDS").Server("127.0.0.1")))
	w.createPair(func(keys map[string]any) { keys["ssl"] = false })
	w.manageSuperuser()
	e := w.rotate(managedPair)
	if e.State == "Rotated" || e.Error != "CertificateRejected" {
		t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
	}
}

const managedPair = `{"secretId":"prod/app","strategy":"alternating-users","superuserSecretId":"rds!db-shop"}`

// manageSuperuser stores the superuser's credentials as RDS does.
func (w *world) manageSuperuser() {
	w.Helper()
	w.addInstance()
	managed, err := json.Marshal(map[string]string{
		"username": w.db.Server.AdminUser, "password": w.db.Server.AdminPassword.Reveal(),
	})
	w.check(err)
	const id = "rds!db-shop"
	_, err = w.secrets.CreateSecret(w.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(id), SecretString: aws.String(string(managed))})
	w.check(err)
	w.check(w.sandbox.Secrets.SetManaged(sandbox.Account, sandbox.Region, id, sandboxsecrets.Managed{
		OwningService: "rds", Tags: map[string]string{"aws:rds:primarydbinstancearn": instanceARN},
	}))
}

// behindProxy makes the proxy's endpoint the secret's host.
func behindProxy(t *testing.T, registered ...string) *world {
	w := newWorldWithoutSecret(t, all.Engines)
	w.addInstance()
	w.createSecret(w.db.Document(func(keys map[string]any) { keys["host"], keys["port"] = proxyAddress, 5432 }).Encode().Reveal())
	proxy := rds.Proxy{
		DBProxyName: "shop", DBProxyArn: "arn:aws:rds:us-east-1:123456789012:db-proxy:prx-1", Endpoint: proxyAddress,
		Targets: []rds.Target{{Type: "RDS_INSTANCE", RdsResourceId: "shop", Endpoint: w.db.Host, Port: w.db.Port, Role: "READ_WRITE"}},
	}
	out, err := w.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(secretID)})
	w.check(err)
	for _, arn := range append(registered, aws.ToString(out.ARN)) {
		proxy.Auth = append(proxy.Auth, rds.Auth{AuthScheme: "SECRETS", SecretArn: arn})
	}
	w.sandbox.RDS.AddProxy(proxy)
	return w
}

// The proxy itself does not exist here: every login goes to the database behind
// it, and the secret goes on naming the proxy.
func TestRotatesBehindAProxy(t *testing.T) {
	w := behindProxy(t)
	old := w.db.Password
	w.rotated()
	current, _ := w.value("AWSCURRENT")
	if current.Host != proxyAddress || current.Port != 5432 {
		t.Errorf("the secret now names %s:%d", current.Host, current.Port)
	}
	w.check(w.login(current.Password))
	w.refused(old, "the old password")
}

// With one registered secret the proxy knows one of two users.
func TestAlternatingUsersBehindAProxy(t *testing.T) {
	const request = `{"secretId":"prod/app","strategy":"alternating-users","superuserSecretId":"superuser"}`
	superuser := func(w *world) {
		_, err := w.secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
			Name: aws.String("superuser"), SecretString: aws.String(w.db.SuperuserDocument(func(keys map[string]any) {
				keys["host"], keys["port"] = proxyAddress, 5432
			}).Encode().Reveal()),
		})
		w.check(err)
	}
	t.Run("only this secret is registered", func(t *testing.T) {
		w := behindProxy(t)
		superuser(w)
		e := w.rotate(request)
		if e.State != "RestoredCleanly" || e.Error != "InvalidSecret" || !strings.Contains(e.Cause, "Register a second secret") {
			t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
		}
		w.noPending()
	})
	t.Run("both users are registered", func(t *testing.T) {
		w := behindProxy(t, "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/app-clone-AbCdEf")
		superuser(w)
		if e := w.rotate(request); e.State != "Rotated" {
			t.Fatalf("ended in %s with %s: %s", e.State, e.Error, e.Cause)
		}
	})
}
