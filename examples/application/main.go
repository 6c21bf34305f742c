// Command application is a service that reads its database credentials from Secrets
// Manager, and survives their rotation: it remembers them, and reads them again when the
// database refuses them. With -careless it is the other kind, which reads them once.
//
// Run it beside the sandbox, with the variables that the sandbox prints, and rotate:
//
//	go run ./examples/application
//	tumbler rotate sandbox/app
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

func main() {
	secret := flag.String("secret", "sandbox/app", "name or ARN of the secret")
	careless := flag.Bool("careless", false, "read the secret once, at the start, as many applications do")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		log.Fatal(err)
	}
	app, err := open(ctx, secretsmanager.NewFromConfig(cfg), *secret, *careless)
	if err != nil {
		log.Fatal(err)
	}
	defer app.pool.Close()
	for ctx.Err() == nil {
		if err := app.serve(ctx); err != nil && ctx.Err() == nil {
			log.Print(err)
		} else {
			fmt.Print(".")
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// application has a pool of connections.
type application struct {
	pool     *pgxpool.Pool
	store    *store
	careless bool
}

// patience is longer than the moment between the change in the database and the move
// of AWSCURRENT, in which a single user's credentials are refused. Alternating users have
// no such moment.
const patience = 30 * time.Second

// serve answers a request. When a new connection was refused, it reads the secret again
// and tries once more, and so on for a while.
func (a *application) serve(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		var one int
		err := a.pool.QueryRow(ctx, "SELECT 1").Scan(&one)
		password, is := refused(err)
		if !is || a.careless {
			return err
		}
		a.store.forget(password)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// refused reports whether a connection was not made because the password was refused
// (PostgreSQL's codes 28P01 and 28000), and which.
func refused(err error) (password string, is bool) {
	var connecting *pgconn.ConnectError
	var said *pgconn.PgError
	if !errors.As(err, &connecting) || !errors.As(err, &said) || said.Code != "28P01" && said.Code != "28000" {
		return "", false
	}
	return connecting.Config.Password, true
}

// credentials are what the secret says.
type credentials struct {
	Host     string `json:"host"`
	Port     uint16 `json:"port"`
	Username string `json:"username"`
	Password string `json:"password"`
	DBName   string `json:"dbname"`
}

// store remembers the credentials. AWS's caching clients do the same; they keep a value
// for an hour, unless they are told to read it again.
type store struct {
	api      *secretsmanager.Client
	secretID string

	mu     sync.Mutex
	cached *credentials
}

// read returns the credentials, from Secrets Manager unless they are remembered.
func (s *store) read(ctx context.Context) (credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cached == nil {
		out, err := s.api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.secretID}) // AWSCURRENT
		if err != nil {
			return credentials{}, err
		}
		var c credentials
		if json.Unmarshal([]byte(aws.ToString(out.SecretString)), &c) != nil {
			return credentials{}, errors.New("the secret is not JSON") // the error would quote it
		}
		s.cached = &c
	}
	return *s.cached, nil
}

// forget makes the next read ask Secrets Manager, if this password is the one that is
// remembered: many connections may be refused at once, and one read is enough for all.
func (s *store) forget(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cached != nil && s.cached.Password == password {
		s.cached = nil
	}
}

// open returns an application whose new connections have the credentials of the moment.
// Those that are open stay open: databases ask for the password at login only.
func open(ctx context.Context, api *secretsmanager.Client, secretID string, careless bool) (*application, error) {
	a := &application{store: &store{api: api, secretID: secretID}, careless: careless}
	first, err := a.store.read(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := pgxpool.ParseConfig(fmt.Sprintf("host=%s port=%d dbname=%s sslmode=prefer", first.Host, first.Port, first.DBName))
	if err != nil {
		return nil, err
	}
	cfg.MaxConnLifetime = time.Hour // so that nothing depends on a login of last year
	cfg.BeforeConnect = func(ctx context.Context, conn *pgx.ConnConfig) error {
		c, err := a.store.read(ctx)
		conn.User, conn.Password = c.Username, c.Password
		return err
	}
	a.pool, err = pgxpool.NewWithConfig(ctx, cfg)
	return a, err
}
