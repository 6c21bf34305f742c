package dbserver

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
)

// Preparation is one server that was prepared.
type Preparation struct {
	Server  string // such as "PostgreSQL"
	Version string // such as "18.4"; empty if it does not tell
	Missing error  // why this machine does without it, where it may
}

// Prepare brings every server that the tests start to where [StartPostgres] and the
// others need not unpack, build or initialise anything any more: that takes minutes
// the first time, and a moment afterwards. begin is told each server's name, and
// what takes time about it, before its turn.
func Prepare(ctx context.Context, begin func(server, work string)) ([]Preparation, error) {
	as, err := serverAccount()
	if err != nil {
		return nil, err
	}
	var all []Preparation
	for _, s := range preparations {
		begin(s.name, s.work)
		version, err := s.prepare(ctx, as)
		done := Preparation{Server: s.name, Version: number.FindString(version)}
		switch {
		case err == nil:
		case s.optional != nil && errors.Is(err, s.optional):
			done.Missing = err
		default:
			return all, fmt.Errorf("preparing %s: %w", s.name, err)
		}
		all = append(all, done)
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
	}
	return all, nil
}

var number = regexp.MustCompile(`\d+(\.\d+)+`)

// Each returns what the server says when it is asked for its version.
var preparations = []struct {
	name, work string
	prepare    func(context.Context, *account) (version string, err error)
	optional   error // one that may be missing
}{
	{"PostgreSQL", "unpacking it, a first data directory", preparePostgres(""), nil},
	{"PostgreSQL 15", "unpacking it, a first data directory", preparePostgres("15"), nil},
	{"MariaDB", "a first data directory", prepareFlavour(mariaDB), nil},
	{"MySQL 5.6", "unpacking it, a first data directory", prepareFlavour(mysql56), noMySQL56()},
	{"MySQL", "a first data directory", prepareFlavour(mysql8), ErrNoMySQL},
	{"FerretDB", "compiling it, once: one to two minutes with two idle processors", prepareFerretDB, nil},
}

// noMySQL56 is the error that is none on most platforms.
func noMySQL56() error {
	if runtime.GOOS+"/"+runtime.GOARCH == "linux/amd64" {
		return nil
	}
	return ErrNoMySQL56
}

func preparePostgres(version string) func(context.Context, *account) (string, error) {
	return func(_ context.Context, as *account) (string, error) {
		bin, err := findPostgres(as, version)
		if err != nil {
			return "", err
		}
		if _, err := templateData(as, bin, Postgres{}.superuser()); err != nil {
			return "", err
		}
		return run(nil, "/", filepath.Join(bin, "postgres"), "--version")
	}
}

func prepareFlavour(f flavour) func(context.Context, *account) (string, error) {
	return func(_ context.Context, as *account) (string, error) {
		p, err := f.find(as)
		if err != nil {
			return "", err
		}
		if _, err := mysqlTemplate(f, as, p); err != nil {
			return "", err
		}
		return p.version()
	}
}

func prepareFerretDB(ctx context.Context, as *account) (string, error) {
	_, err := findFerretDB(ctx, as)
	return "", err
}
