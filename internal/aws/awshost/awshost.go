// Package awshost tells AWS's database servers from others by their names.
package awshost

import (
	"regexp"
	"strings"

	"github.com/tumbler-rotation/tumbler/internal/pattern"
)

// The parts of the names. Sources: the partitions that AWS's SDKs list (aws,
// aws-us-gov, aws-cn, aws-eusc and the isolated ones); the user guides of RDS,
// Aurora, RDS Proxy, DocumentDB and Redshift.
const (
	server  = `(?:[a-z0-9_-]+\.)+` // its own name, and most often a part that is the account's
	region  = `[a-z]{2,4}(?:-[a-z]+)+-[0-9]+`
	domains = `(?:amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|csp\.hci\.ic\.gov|cloud\.adc-e\.uk)`
)

// Service and Region stand the other way round in China and in isolated Regions.
func names(services string) func() *regexp.Regexp {
	return pattern.New(`^` + server + `(?:` + region + `\.` + services + `|` + services + `\.` + region + `)\.` + domains + `$`)
}

var (
	databases   = names(`(?:rds|docdb|docdb-elastic|redshift|redshift-serverless)`)
	rdsRegional = names(`(?:rds|docdb)`)
)

// IsDatabase reports whether only AWS can have given a database server this name.
// Each of these servers has TLS, but for those of RDS for Oracle.
func IsDatabase(host string) bool { return databases().MatchString(normal(host)) }

// HasRDSCertificate reports whether the server's certificate may be signed by an
// authority of RDS, which DocumentDB shares. Redshift's and RDS Proxy's are signed
// by public authorities; a proxy has a name of RDS all the same.
func HasRDSCertificate(host string) bool { return rdsRegional().MatchString(normal(host)) }

// normal: DNS ignores case, and a dot at the end.
func normal(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }
