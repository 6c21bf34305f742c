// Ferretdb is a database server that speaks MongoDB's protocol and keeps its
// data in SQLite files: the stand-in for Amazon DocumentDB in Tumbler's tests
// and sandbox. Package dbserver builds and starts it.
//
// FerretDB v1 has MongoDB's users and SCRAM logins ("new authentication") only
// as an experiment that its public package does not offer. The option is in an
// internal package, which Go lets a module use whose path is below FerretDB's:
// that is why this module has a path that is not Tumbler's. It is a module of
// its own besides so that FerretDB's dependencies stay out of Tumbler.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/FerretDB/FerretDB/internal/clientconn"
	"github.com/FerretDB/FerretDB/internal/clientconn/connmetrics"
	"github.com/FerretDB/FerretDB/internal/handler/registry"
	"github.com/FerretDB/FerretDB/internal/util/password"
	"github.com/FerretDB/FerretDB/internal/util/state"
)

type settings struct {
	dir    string
	listen string
	tls    bool
	user   string
}

func main() {
	log.SetFlags(0)
	var s settings
	flag.StringVar(&s.dir, "dir", ".", "directory with the data and the file admin-password; ready.json is written there")
	flag.StringVar(&s.listen, "listen", "127.0.0.1:0", "`address` to listen on")
	flag.BoolVar(&s.tls, "tls", false, "speak TLS only, with server.crt and server.key of the directory")
	flag.StringVar(&s.user, "user", "root", "`name` of the administrator, who is created with the data")
	flag.Parse()
	go endOnSignal()
	if err := serve(s); err != nil {
		log.Fatal(err)
	}
}

// serve runs the server until the process ends.
func serve(s settings) error {
	secret, err := os.ReadFile(filepath.Join(s.dir, "admin-password"))
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	status, err := state.NewProvider("")
	if err != nil {
		return err
	}
	// It would report to its makers otherwise.
	if err := status.Update(func(s *state.State) { s.DisableTelemetry(); s.TelemetryLocked = true }); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	metrics := connmetrics.NewListenerMetrics()
	options := &registry.NewHandlerOpts{
		Logger: logger, ConnMetrics: metrics.ConnMetrics, StateProvider: status, TCPHost: s.listen,
		SQLiteURL: "file:" + filepath.ToSlash(data) + "/",
		// The administrator is created when the database is.
		SetupDatabase: "admin", SetupUsername: s.user, SetupPassword: password.WrapPassword(string(secret)),
	}
	options.EnableNewAuth, options.BatchSize = true, 100
	handler, closeBackend, err := registry.NewHandler("sqlite", options)
	if err != nil {
		return err
	}
	defer closeBackend()

	listener := &clientconn.NewListenerOpts{
		Mode: clientconn.NormalMode, Metrics: metrics, Handler: handler, Logger: logger,
	}
	if s.tls {
		listener.TLS = s.listen
		listener.TLSCertFile = filepath.Join(s.dir, "server.crt")
		listener.TLSKeyFile = filepath.Join(s.dir, "server.key")
	} else {
		listener.TCP = s.listen
	}
	l, err := clientconn.Listen(listener)
	if err != nil {
		return err
	}
	address := l.TCPAddr
	if s.tls {
		address = l.TLSAddr
	}
	if err := announce(s.dir, address()); err != nil {
		return err
	}
	l.Run(context.Background())
	return nil
}

// endOnSignal ends the process at once: SQLite can take it. By default a signal
// would do the same, unless who started us has them ignored.
func endOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	<-signals
	os.Exit(0)
}

// announce tells the parent where the server listens. The file appears complete
// or not at all.
func announce(dir string, address net.Addr) error {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return errors.New("not listening on TCP")
	}
	text, err := json.Marshal(map[string]any{"port": tcp.Port, "version": version()})
	if err != nil {
		return err
	}
	part := filepath.Join(dir, ".ready.json")
	if err := os.WriteFile(part, text, 0o600); err != nil {
		return err
	}
	return os.Rename(part, filepath.Join(dir, "ready.json"))
}

// version is FerretDB's, which it reports itself only in builds of its own.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, module := range info.Deps {
		if module.Path == "github.com/FerretDB/FerretDB" {
			return strings.TrimPrefix(module.Version, "v")
		}
	}
	return "unknown"
}
