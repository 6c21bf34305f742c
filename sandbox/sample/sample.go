// Package sample gives the sandbox a database with one user, and the user's
// secret, so that there is something to rotate.
package sample

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tumbler-rotation/tumbler/internal/redact"
	"github.com/tumbler-rotation/tumbler/sandbox/dbserver"
)

// SecretID and User are what CreateSecret makes.
const (
	SecretID = "sandbox/app"
	User     = "tumbler_sandbox_app"
)

// Database is a PostgreSQL server that may create roles.
type Database struct {
	server *dbserver.Server // nil when it is the caller's own
	config *pgconn.Config   // of its administrator
	ssl    *bool            // for the secret
}

// Open starts the server that settings describe, or connects to the one that
// databaseURL names: a PostgreSQL URL with a user that may create roles.
func Open(ctx context.Context, databaseURL string, settings dbserver.Postgres) (*Database, error) {
	if databaseURL == "" {
		server, err := dbserver.StartPostgres(ctx, settings)
		if err != nil {
			return nil, err
		}
		config, err := pgconn.ParseConfig("sslmode=disable")
		if err != nil {
			return nil, err
		}
		config.Host, config.Port, config.Database = server.Host, uint16(server.Port), server.AdminDatabase
		config.User, config.Password = server.AdminUser, server.AdminPassword.Reveal()
		return &Database{server: server, config: config}, nil
	}
	// Errors of the parsers quote the URL, password and all.
	const remedy = "write it like postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=disable"
	parsed, err := url.Parse(databaseURL)
	if err != nil || (parsed.Scheme != "postgres" && parsed.Scheme != "postgresql") {
		return nil, fmt.Errorf("--database-url is not a PostgreSQL URL: %s", remedy)
	}
	config, err := pgconn.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("--database-url cannot be read: %s", remedy)
	}
	d := &Database{config: config}
	switch parsed.Query().Get("sslmode") {
	case "disable":
		d.ssl = new(false)
	case "require", "verify-ca", "verify-full":
		d.ssl = new(true)
	}
	return d, nil
}

// CreateSecret makes the user, or gives it a new password if there is one from
// an earlier run, and stores its credentials.
func (d *Database) CreateSecret(ctx context.Context, client aws.Config) (secretID string, err error) {
	password := redact.New(rand.Text())
	if err := d.createUser(ctx, password); err != nil {
		return "", err
	}
	document := map[string]any{
		"engine": "postgres", "host": d.config.Host, "port": d.config.Port, "dbname": d.config.Database,
		"username": User, "password": password.Reveal(),
	}
	if d.ssl != nil {
		document["ssl"] = *d.ssl
	}
	raw, err := json.Marshal(document)
	if err != nil {
		return "", err
	}
	_, err = secretsmanager.NewFromConfig(client).CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: aws.String(SecretID), SecretString: aws.String(string(raw)),
	})
	return SecretID, err
}

func (d *Database) createUser(ctx context.Context, password redact.String) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	admin, err := pgconn.ConnectConfig(ctx, d.config)
	if err != nil {
		return fmt.Errorf("logging in to %s as %q failed: check --database-url, and that the server runs", d, d.config.User)
	}
	defer admin.Close(ctx)
	found, err := admin.ExecParams(ctx, "SELECT 1 FROM pg_roles WHERE rolname = $1", [][]byte{[]byte(User)}, nil, nil, nil).Close()
	if err != nil {
		return fmt.Errorf("looking for role %s on %s: %w", User, d, err)
	}
	verb := "CREATE"
	if found.RowsAffected() > 0 {
		verb = "ALTER"
	}
	literal, err := admin.EscapeString(password.Reveal())
	if err != nil {
		return err
	}
	statement := fmt.Sprintf("%s ROLE %s LOGIN PASSWORD '%s'", verb, pgx.Identifier{User}.Sanitize(), literal)
	if _, err := admin.Exec(ctx, statement).ReadAll(); err != nil {
		return fmt.Errorf("user %q may not create roles on %s: use one that may (CREATEROLE)", d.config.User, d)
	}
	return nil
}

// String says where the database is.
func (d *Database) String() string {
	where := d.config.Host + ":" + strconv.Itoa(int(d.config.Port))
	if d.server == nil {
		return "your PostgreSQL at " + where
	}
	return "PostgreSQL " + d.server.Version + " at " + where
}

// Ended is closed when a server that Open started has ended by itself. It is
// nil, and blocks for ever, for the caller's own.
func (d *Database) Ended() <-chan struct{} {
	if d.server == nil {
		return nil
	}
	return d.server.Done()
}

// LogPath is the log of a server that Open started.
func (d *Database) LogPath() string { return d.server.LogPath }

// Close stops a server that Open started.
func (d *Database) Close() {
	if d.server != nil {
		d.server.Stop()
	}
}
