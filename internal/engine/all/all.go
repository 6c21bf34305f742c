// Package all is the explicit table of every engine.
package all

import (
	"crypto/x509"
	"fmt"
	"os"

	"github.com/tumbler-rotation/tumbler/internal/engine"
	"github.com/tumbler-rotation/tumbler/internal/engine/mongodb"
	"github.com/tumbler-rotation/tumbler/internal/engine/mysql"
	"github.com/tumbler-rotation/tumbler/internal/engine/oracle"
	"github.com/tumbler-rotation/tumbler/internal/engine/postgres"
	"github.com/tumbler-rotation/tumbler/internal/engine/rdsroots"
	"github.com/tumbler-rotation/tumbler/internal/engine/redshift"
	"github.com/tumbler-rotation/tumbler/internal/engine/sqlserver"
)

// Engines has every engine in [secretdoc.Engines] except Db2, for which there is no driver
// without IBM's library. It trusts the system's certificate authorities, and for AWS's
// servers those of RDS.
var Engines = with(nil)

func with(roots *x509.CertPool) engine.Table {
	return engine.Table{
		"mongodb":   mongodb.Engine{Roots: roots},
		"mysql":     mysql.Engine{Roots: roots},
		"oracle":    oracle.Engine{Roots: roots},
		"postgres":  postgres.Engine{Roots: roots},
		"redshift":  redshift.Engine{Roots: roots},
		"sqlserver": sqlserver.Engine{Roots: roots},
	}
}

// Trusting returns [Engines] that also trust the certificate authorities in a PEM file, for
// servers that are not AWS's.
func Trusting(file string) (engine.Table, error) {
	bundle, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authorities: %w", err)
	}
	roots, ok := rdsroots.Private(bundle)
	if !ok {
		return nil, fmt.Errorf("reading the certificate authorities: %s has no certificate in PEM form in it", file)
	}
	return with(roots), nil
}

// AuthoritiesVariable is the environment variable with the path of that file in a Lambda
// function.
const AuthoritiesVariable = "TUMBLER_CERTIFICATE_AUTHORITIES"

// Deployed is the table of a Lambda function. It panics if the file is set but cannot be
// used: the function then ends, and its log says why.
func Deployed() engine.Table {
	file := os.Getenv(AuthoritiesVariable)
	if file == "" {
		return Engines
	}
	table, err := Trusting(file)
	if err != nil {
		panic(err)
	}
	return table
}
