package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"os"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
)

// database is a server whose log tells what a rotation did on it.
type database struct {
	name   string // product and version
	engine string // as in a secret
	host   string
	port   int
	log    string // its path
	stop   func()

	admin         string
	adminPassword redact.String
	exec          func(ctx context.Context, sql string) error
	createUser    string // the statement, with %u and %p

	// What the lines of the log look like.
	accepted, refused, statement *regexp.Regexp
}

func startPostgres(ctx context.Context) (*database, error) {
	s, err := dbserver.StartPostgres(ctx, dbserver.Postgres{Settings: map[string]string{"log_connections": "on", "log_statement": "all"}})
	if err != nil {
		return nil, err
	}
	return &database{
		name: "PostgreSQL " + s.Version, engine: "postgres", host: s.Host, port: s.Port, log: s.LogPath, stop: s.Stop,
		admin: s.AdminUser, adminPassword: s.AdminPassword, createUser: "CREATE ROLE %u LOGIN PASSWORD '%p'",
		exec: func(ctx context.Context, sql string) error {
			conn, err := s.Admin(ctx)
			if err != nil {
				return err
			}
			defer conn.Close(ctx)
			_, err = conn.Exec(ctx, sql).ReadAll()
			return err
		},
		accepted:  regexp.MustCompile(`(?m)connection authorized: user=`),
		refused:   regexp.MustCompile(`(?m)password authentication failed`),
		statement: regexp.MustCompile(`(?m)LOG:  (statement|execute [^:]*): `),
	}, nil
}

func startMariaDB(ctx context.Context) (*database, error) {
	return startFamily(ctx, "mariadb", dbserver.StartMariaDB)
}

func startMySQL(ctx context.Context) (*database, error) {
	return startFamily(ctx, "mysql", dbserver.StartMySQL)
}

func startFamily(ctx context.Context, engine string, start func(context.Context, dbserver.MySQL) (*dbserver.MySQLServer, error)) (*database, error) {
	s, err := start(ctx, dbserver.MySQL{GeneralLog: true})
	if err != nil {
		return nil, err
	}
	db, err := s.Admin(ctx)
	if err != nil {
		s.Stop()
		return nil, err
	}
	version, _, _ := strings.Cut(s.Version, "-")
	return &database{
		name: s.Product + " " + version, engine: engine, host: s.Host, port: s.Port, log: s.GeneralLogPath,
		stop:  func() { closeQuietly(db); s.Stop() },
		admin: s.AdminUser, adminPassword: s.AdminPassword, createUser: "CREATE USER %u@'%' IDENTIFIED BY '%p'",
		exec: func(ctx context.Context, sql string) error {
			_, err := db.ExecContext(ctx, sql)
			return err
		},
		// The general log has a line for each, with the command after the thread's
		// number. A refusal is a second Connect.
		accepted:  regexp.MustCompile(`(?m)\d Connect\t.* using `),
		refused:   regexp.MustCompile(`(?m)\d Connect\tAccess denied`),
		statement: regexp.MustCompile(`(?m)\d (Query|Execute)\t`),
	}, nil
}

func closeQuietly(db *sql.DB) { _ = db.Close() }

// createSecret makes a user and its secret, which names the superuser's.
func (d *database) createSecret(ctx context.Context, client aws.Config, user string) error {
	secrets := secretsmanager.NewFromConfig(client)
	password := rand.Text()
	create := strings.NewReplacer("%u", user, "%p", password).Replace(d.createUser)
	if err := d.exec(ctx, create); err != nil {
		return err
	}
	store := func(name, user, password, superuser string) (string, error) {
		keys := map[string]any{"engine": d.engine, "host": d.host, "port": d.port, "username": user, "password": password}
		if d.engine == "mysql" {
			keys["ssl"] = false // its own certificate is nobody's
		}
		if superuser != "" {
			keys["masterarn"] = superuser
		}
		raw, err := json.Marshal(keys)
		if err != nil {
			return "", err
		}
		out, err := secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String(string(raw))})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.ARN), nil
	}
	superuser, err := store(user+"-superuser", d.admin, d.adminPassword.Reveal(), "")
	if err != nil {
		return err
	}
	_, err = store(user, user, password, superuser)
	return err
}

// counts is what the log tells.
type counts struct{ accepted, refused, statements int }

// during counts what a function makes of the server.
func (d *database) during(f func() error) (counts, error) {
	before, err := os.Stat(d.log)
	if err != nil {
		return counts{}, err
	}
	if err := f(); err != nil {
		return counts{}, err
	}
	text, err := os.ReadFile(d.log)
	if err != nil {
		return counts{}, err
	}
	news := text[before.Size():]
	count := func(r *regexp.Regexp) int { return len(r.FindAll(news, -1)) }
	c := counts{count(d.accepted), count(d.refused), count(d.statement)}
	if d.engine != "postgres" { // its log has a refused login as one that came and one that was denied
		c.accepted -= c.refused
	}
	return c, nil
}
