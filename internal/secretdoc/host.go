package secretdoc

import (
	"net/netip"
	"strings"
	"unicode"
)

// The longest name and the longest label of DNS (RFC 1035, section 2.3.4).
const (
	longestHost  = 253
	longestLabel = 63
)

// checkHost refuses a value that is not a host's name or address, and says what it looks
// like instead. It does not quote the value, which may be a misplaced password.
func checkHost(host string) error {
	wrong := func(what, remedy string) error {
		return invalid("key \""+keyHost+"\" "+what, remedy)
	}
	const nameAlone = "Write the name or the address alone, such as db.example.com"
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		return nil
	}
	switch {
	case strings.IndexFunc(host, unicode.IsSpace) >= 0:
		return wrong("has white space or a line break in it", "Remove it, and look at both ends of the value: "+nameAlone)
	case strings.IndexFunc(host, unicode.IsControl) >= 0:
		return wrong("has control characters in it", "Remove them. "+nameAlone)
	case strings.Contains(host, "://"):
		return wrong("is a URL", nameAlone+"; port and database have keys of their own, port and dbname")
	case strings.Contains(host, "@"):
		return wrong("has an @ in it, as if a user stood before it", nameAlone+"; user and password have keys of their own, username and password")
	case strings.ContainsAny(host, "[]"):
		return wrong("has brackets in it", "Write an IPv6 address without brackets, such as 2001:db8::1, and the port into the key port")
	case strings.Contains(host, "/"):
		return wrong("has a slash in it", nameAlone+"; a database has a key of its own, dbname, and a socket in the file system cannot be reached")
	case strings.Contains(host, `\`):
		return wrong("has a backslash in it, as if an instance were named", nameAlone+", and the instance's port into the key port")
	case strings.ContainsAny(host, ":,;"):
		return wrong("has a port or a second host in it", nameAlone+", and the port into the key port. RDS: the endpoint's Address, which has no port")
	case strings.IndexFunc(host, notInHost) >= 0:
		return wrong("has characters that no host name has", "Use letters, digits, hyphens and dots; write a name in another script in its ASCII form (xn--...)")
	case len(host) > longestHost:
		return wrong("is longer than a host name can be (253 characters)", nameAlone)
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > longestLabel {
			return wrong("has a part between dots that is empty or longer than 63 characters", nameAlone)
		}
	}
	return nil
}

func notInHost(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r)
}
