// Package awshost recognises AWS's database servers by their host names.
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
	server  = `(?:[a-z0-9_-]+\.)+` // its own name, and usually a label of the account
	region  = `[a-z]{2,4}(?:-[a-z]+)+-[0-9]+`
	domains = `(?:amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|csp\.hci\.ic\.gov|cloud\.adc-e\.uk)`
)

// Service and Region are in reverse order in China and in isolated Regions.
func names(services string) func() *regexp.Regexp {
	return pattern.New(`^` + server + `(?:` + region + `\.` + services + `|` + services + `\.` + region + `)\.` + domains + `$`)
}

var (
	databases   = names(`(?:rds|docdb|docdb-elastic|redshift|redshift-serverless)`)
	rdsRegional = names(`(?:rds|docdb)`)
)

// IsDatabase reports whether host is in a domain that AWS uses for its database servers.
// All of these servers have TLS, except those of RDS for Oracle.
func IsDatabase(host string) bool { return databases().MatchString(normal(host)) }

// HasRDSCertificate reports whether the server's certificate may be signed by an authority
// of RDS, as those of RDS and DocumentDB are. Public authorities sign those of Redshift and
// RDS Proxy, although a proxy's name is in RDS's domain.
func HasRDSCertificate(host string) bool { return rdsRegional().MatchString(normal(host)) }

// normal returns the host in lower case without a trailing dot, both of which DNS ignores.
func normal(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }
