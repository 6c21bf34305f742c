// Package sqlserver rotates passwords on Microsoft SQL Server, as Amazon RDS
// runs it: of logins and of users of contained databases.
//
// It has been written against the published documentation and is tested on a
// protocol fake (package tdsfake), not on a real server.
//
// # Alternating users
//
// A clone is made level with its original on the server and in each database
// that is online and that the superuser can open; others it cannot judge. It is
// a login of its own with users of its own. What the original owns the clone
// has CONTROL of, and the other way round; an original that owns a database
// (dbo) gets a clone in db_owner. The settings copied are the default database,
// default language, CHECK_POLICY, CHECK_EXPIRATION and default schemas.
//
// # Whose a clone is
//
// A login is provably the secret's clone when a version of the secret has named
// it, or when its security identifier is the one that [cloneSID] computes from
// the secret's ARN: it is chosen when the clone is created, and nobody can give
// it to a login that exists. A user of a contained database has the ARN in an
// extended property, which is written in the same transaction.
package sqlserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/engine/rdsroots"
	"github.com/tumbler-rotation/tumbler/internal/fault"
	"github.com/tumbler-rotation/tumbler/internal/secretdoc"
)

// Engine logs in to SQL Server. Its zero value is ready to use.
type Engine struct {
	// Roots are whose certificates a server may have that is not AWS's. Optional: by
	// default the system's authorities. See rdsroots.TLS.
	Roots *x509.CertPool
}

var _ engine.Engine = Engine{}

// application is what the server's session list shows.
const application = "Tumbler"

// Connect logs in once; see [engine.Engine] for how the document's ssl key is
// followed. With ssl false the server may still demand encryption, of the login
// packet or of everything: it gets it, without proof of who it is, because the
// alternative would be none at all.
//
// A server that says it has no encryption, as a stranger in its place would, would
// get the password in a form that can be read ([MS-TDS] 2.2.6.4, "LOGIN7"): it is
// only hidden, not encrypted. It gets it with ssl false.
func (e Engine) Connect(ctx context.Context, doc secretdoc.Document) (engine.Session, error) {
	if err := fit(doc); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, engine.ConnectTimeout)
	defer cancel()
	if doc.SSL != nil && !*doc.SSL {
		return e.connect(ctx, doc, msdsn.EncryptionOff)
	}
	s, err := e.connect(ctx, doc, msdsn.EncryptionRequired)
	if doc.SSL == nil && unencrypted(err) {
		t := netfault.Target{Host: doc.Host, Port: doc.Port}
		return nil, t.ReadableFault(err, "the password")
	}
	return s, err
}

// Reach implements [engine.Engine].
func (e Engine) Reach(ctx context.Context, doc secretdoc.Document) error {
	return netfault.Reach(ctx, e.Roots, doc)
}

// fit refuses what the protocol cannot carry.
func fit(doc secretdoc.Document) error {
	if strings.Contains(doc.Username, `\`) {
		return fault.New(fault.InvalidSecret,
			fmt.Sprintf("user %q has a backslash in its name, as Windows accounts have", doc.Username),
			"Only SQL Server logins and users with a password of their own can be rotated: name one in the secret")
	}
	return nil
}

func (e Engine) connect(ctx context.Context, doc secretdoc.Document, encryption msdsn.Encryption) (engine.Session, error) {
	a := attempt{database: doc.DBName, wire: &wire{}, Target: netfault.Target{
		Host: doc.Host, Port: doc.Port, User: doc.Username,
		Server: "a SQL Server", TLSHint: "RDS: rds.tls12 and rds.ciphers of the parameter group",
	}}
	connector := mssql.NewConnectorConfig(msdsn.Config{
		Host: doc.Host, Port: uint64(doc.Port), Protocols: []string{"tcp"},
		User: loginField(doc.Username), Password: loginField(doc.Password.Reveal()), Database: loginField(doc.DBName),
		AppName: application, Encryption: encryption, TLSConfig: e.tls(encryption, &a),
		DialTimeout:  -1, // the context's deadline is for all of it
		DisableRetry: true,
	})
	connector.Dialer = &dialer{wire: a.wire}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		_ = db.Close()
		return nil, a.fault(ctx, err)
	}
	_ = a.wire.SetDeadline(time.Time{})
	return &session{
		db: db, conn: conn, wire: a.wire, target: a.Target, password: doc.Password,
		encrypted: encryption == msdsn.EncryptionRequired,
	}, nil
}

// tls verifies the server's certificate in a callback, because the driver turns
// the errors of crypto/tls into text.
func (e Engine) tls(encryption msdsn.Encryption, a *attempt) *tls.Config {
	cfg := rdsroots.TLS(e.Roots, a.Host)
	cfg.DynamicRecordSizingDisabled = true // SQL Server wants a TDS packet in one TLS record
	cfg.InsecureSkipVerify = true          //nolint:gosec // VerifyConnection does what this turns off
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		if encryption != msdsn.EncryptionOff {
			a.certificate = verify(state, cfg)
		}
		a.handshaken = a.certificate == nil
		return a.certificate
	}
	return cfg
}

func verify(state tls.ConnectionState, cfg *tls.Config) error {
	options := x509.VerifyOptions{Roots: cfg.RootCAs, DNSName: cfg.ServerName, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := state.PeerCertificates[0].Verify(options); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return nil
}

// loginField pads a text for the login packet. The driver states lengths in
// characters where the protocol counts UTF-16 units ([MS-TDS] 2.2.6.4,
// "LOGIN7"), so that a character outside the Basic Multilingual Plane, which
// has two, would cut the text short. For each of these one unit of padding puts
// the length right; the padding itself lies behind it and is not read.
func loginField(s string) string {
	padding := 0
	for _, r := range s {
		if utf8.RuneLen(r) == 4 {
			padding++
		}
	}
	return s + strings.Repeat(" ", padding)
}
