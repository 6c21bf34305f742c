// Package sqlserver rotates passwords of logins and contained database users of Microsoft
// SQL Server, as run by Amazon RDS.
//
// It was written from the published documentation and is tested on a protocol fake
// (package tdsfake), not on a real server.
//
// # Alternating users
//
// A clone is brought level with its original on the server and in each online database
// that the superuser can open; its rights in other databases cannot be compared. It is a
// separate login with its own users. The clone gets CONTROL of what the original owns,
// and the original of what the clone owns. If the original owns a database (dbo), the
// clone becomes a member of db_owner. The settings copied are the default database,
// default language, CHECK_POLICY, CHECK_EXPIRATION and default schemas.
//
// # Proving that a clone belongs to the secret
//
// A login provably belongs to the secret if a version of the secret has named it, or if
// it has the security identifier that [cloneSID] computes from the secret's ARN. The
// identifier is set when a login is created and cannot be changed afterwards. A user of a
// contained database has the ARN in an extended property, which is written in the same
// transaction.
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
	// Roots are the authorities trusted for certificates that AWS has not issued.
	// Optional: by default the system's authorities. See rdsroots.TLS.
	Roots *x509.CertPool
}

var _ engine.Engine = Engine{}

// application is the name shown in the server's list of sessions.
const application = "Tumbler"

// Connect logs in once; see [engine.Engine] for the meaning of the document's ssl key.
// With ssl false, the server may still demand encryption of the login packet or of the
// whole session. It is then used without verifying the server's certificate, because the
// alternative would be no encryption.
//
// A server without encryption, or an attacker who pretends to be one, could read the
// password: the login packet only obfuscates it ([MS-TDS] 2.2.6.4, "LOGIN7"). Such a
// server is sent the password only if ssl is false.
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

// fit refuses values that the protocol cannot carry.
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
		DialTimeout:  -1, // the context's deadline covers everything
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

// tls verifies the server's certificate in a callback, because the driver turns the
// errors of crypto/tls into text.
func (e Engine) tls(encryption msdsn.Encryption, a *attempt) *tls.Config {
	cfg := rdsroots.TLS(e.Roots, a.Host)
	cfg.DynamicRecordSizingDisabled = true // SQL Server expects each TDS packet in one TLS record
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

// loginField pads a text for the login packet. The driver gives lengths in characters,
// but the protocol counts UTF-16 units ([MS-TDS] 2.2.6.4, "LOGIN7"). A character outside
// the Basic Multilingual Plane has two units and would cut the text short. One unit of
// padding for each such character corrects the length; the padding itself lies behind
// that length and is not read.
func loginField(s string) string {
	padding := 0
	for _, r := range s {
		if utf8.RuneLen(r) == 4 {
			padding++
		}
	}
	return s + strings.Repeat(" ", padding)
}
