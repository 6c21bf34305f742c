package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tumbler-rotation/tumbler/sandbox/dbserver/certs"
)

func TestMinimal(t *testing.T) {
	got, err := Parse("rotations.yaml", []byte("rotations:\n  - secret: prod/app\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Name: "tumbler", Architecture: ARM64, LogRetentionDays: 90, RemovalPolicy: Destroy, Tracing: true,
		RotateNow: RotateNow{Enabled: true, MinimumInterval: "1h"},
		Rotations: []Rotation{{Secret: "prod/app", Strategy: SingleUser}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExample(t *testing.T) {
	got, err := Load(filepath.Join("..", "..", "rotations.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	database := &Network{
		Name: "database", VPC: "vpc-0a1b2c3d4e5f60718",
		Subnets:                []string{"subnet-0a1b2c3d4e5f60718", "subnet-18f7e6d5c4b3a2901"},
		DatabaseSecurityGroups: []string{"sg-0a1b2c3d4e5f60718"}, DatabasePorts: []int{5432, 3306},
		Endpoints: CreateEndpoints,
	}
	reporting := &Network{
		Name: "reporting", VPC: "vpc-18f7e6d5c4b3a2901", Subnets: []string{"subnet-00000000000000001"},
		SecurityGroups: []string{"sg-18f7e6d5c4b3a2901"}, Endpoints: NoEndpoints,
	}
	freeze := []string{"2026-12-15..2027-01-05 year-end"}
	want := []Rotation{
		{
			Secret: "prod/orders/app", Strategy: SingleUser, SuperuserSecret: "prod/orders/admin",
			Username: "orders", RecoverPassword: true,
			Schedule: "cron(0 2 ? * SUN *)", Duration: "3h", FlexibleStart: "1h", Freeze: freeze,
			NativeBackstop: "90d", Network: database,
			AlsoUpdate:      []string{"url"},
			Password:        &Password{Length: 40, ExcludeCharacters: new(`/@"'\:;`), RequireEachIncludedType: new(true)},
			KMSKey:          "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
			SuperuserKMSKey: "arn:aws:kms:eu-central-1:111122223333:key/3456abcd-12ab-34cd-56ef-1234567890ab",
		},
		{
			Secret:   "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/billing/app-AbCdEf",
			Strategy: AlternatingUsers, SuperuserSecret: "prod/billing/admin",
			Schedule: "rate(30 days)", Freeze: freeze, RotateImmediately: true, Network: database,
		},
		{
			Secret: "prod/ledger/app", Strategy: SingleUser, Schedule: "cron(0 4 1 * ? *)", Duration: "2h", Freeze: freeze,
			Network: reporting, RotationFunction: "arn:aws:lambda:eu-central-1:111122223333:function:db2-rotation",
		},
		{Secret: "prod/status/app", Strategy: SingleUser},
	}
	if diff := cmp.Diff(want, got.Rotations); diff != "" {
		t.Error(diff)
	}
	var sets []string
	for _, set := range got.Sets() {
		sets = append(sets, fmt.Sprintf("%s:%d", set.Name, len(set.Rotations)))
	}
	if diff := cmp.Diff([]string{":2", "no-vpc:1", "reporting:1"}, sets); diff != "" {
		t.Error(diff)
	}
}

// TestDefaults: a rotation's own fields win, none does without, and a default that
// is about schedules is no mistake of a rotation that has none.
func TestDefaults(t *testing.T) {
	cfg, err := Parse("r.yaml", []byte(`
networks:
  db: {vpc: vpc-00000001, subnets: [subnet-00000001]}
defaults:
  schedule: rate(1 day)
  duration: 2h
  strategy: alternating-users
  superuserSecret: admin
  network: db
rotations:
  - secret: a
  - secret: b
    schedule: rate(7 days)
    strategy: single-user
    network: none
  - secret: c
    schedule: none
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range cfg.Rotations {
		got = append(got, fmt.Sprintf("%s|%s|%s|%s|%t", r.Secret, r.Schedule, r.Duration, r.Strategy, r.Network != nil))
	}
	want := []string{"a|rate(1 day)|2h|alternating-users|true", "b|rate(7 days)|2h|single-user|false", "c|||alternating-users|true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestMainNetwork: the network of the defaults, or the only one, has the deployment's
// plain name, whatever rotation is listed first.
func TestMainNetwork(t *testing.T) {
	const head = "networks:\n  one: {vpc: vpc-00000001, subnets: [subnet-00000001]}\n  two: {vpc: vpc-00000002, subnets: [subnet-00000002]}\n"
	const a, b, c = "  - {secret: a, network: two}\n", "  - {secret: b, network: one}\n", "  - {secret: c, network: none}\n"
	for src, want := range map[string]string{
		head + "defaults: {network: one}\nrotations:\n" + a + b:     "=one two=two",
		head + "defaults: {network: one}\nrotations:\n" + c + a + b: "=one no-vpc= two=two",
		head + "defaults: {network: one}\nrotations:\n" + b + a + c: "=one no-vpc= two=two",
		head + "rotations:\n" + b:                                   "=one",
	} {
		cfg, err := Parse("r.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, set := range cfg.Sets() {
			name := ""
			if set.Network != nil {
				name = set.Network.Name
			}
			got = append(got, set.Name+"="+name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("the sets are %v, want %s", got, want)
		}
	}
}

// TestExampleShowsEveryField keeps the example complete when a field is added.
func TestExampleShowsEveryField(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("..", "..", "rotations.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range allFields() {
		if !strings.Contains(string(src), field+":") {
			t.Errorf("rotations.example.yaml does not show the field %s", field)
		}
	}
}

// TestByteOrderMark: editors and shells write one.
func TestByteOrderMark(t *testing.T) {
	if _, err := Parse("r.yaml", []byte("\ufeff"+one)); err != nil {
		t.Error(err)
	}
}

// TestWhoMayAsk: accounts and principals are told apart, as the bus's policy has to.
func TestWhoMayAsk(t *testing.T) {
	const role, user = "arn:aws:iam::111122223333:role/path/x", "arn:aws-us-gov:iam::111122223333:user/x"
	r := RotateNow{Allow: []string{"111122223333", role, "arn:aws:iam::444455556666:root", user}}
	if diff := cmp.Diff([]string{"111122223333", "444455556666"}, r.Accounts()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{role, user}, r.Principals()); diff != "" {
		t.Error(diff)
	}
}

// TestAuthorities: the certificates are read, relative to the configuration, and
// nothing else is.
func TestAuthorities(t *testing.T) {
	dir := t.TempDir()
	authority, server := certs.New("a private authority"), certs.New("x").Server("db.example.com")
	write := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ca.pem", append([]byte("A comment, as many files have.\n"), authority.PEM()...))
	write("key.pem", append(authority.PEM(), server.Key...))
	write("server.pem", server.Certificate)
	write("empty.pem", nil)
	write("broken.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	parse := func(name string) (*Config, error) {
		return Parse(filepath.Join(dir, "rotations.yaml"), []byte("certificateAuthorities: ["+name+"]\n"+one))
	}
	cfg, err := parse("ca.pem")
	if err != nil || string(cfg.Authorities) != string(authority.PEM()) {
		t.Fatalf("got %v, %v", cfg, err)
	}
	for name, want := range map[string]string{
		"key.pem": "something beside certificates", "server.pem": "the certificate of a server", "empty.pem": "no certificate in it",
		"broken.pem": "cannot be read", "gone.pem": "there is no file", ".": "cannot be read", "/dev/zero": "cannot be read", "ca.pem, ca.pem": "listed twice",
	} {
		if _, err := parse(name); err == nil || !strings.Contains(err.Error(), ":1:") || !strings.Contains(err.Error(), "certificateAuthorities[") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestLoadMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "rotations.yaml"))
	if err == nil || !strings.Contains(err.Error(), "tumbler init") {
		t.Errorf("got %v, want the remedy", err)
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want it to be os.ErrNotExist", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("rotations:\n  - secret: prod/app\n")
	f.Add("rotations: &a\n  - *a\n")
	f.Add("? [a]\n: {b: !!str c}\n")
	f.Fuzz(func(t *testing.T, src string) {
		cfg, err := Parse("f", []byte(src))
		if (cfg == nil) == (err == nil) {
			t.Errorf("got %v and %v", cfg, err)
		}
	})
}
