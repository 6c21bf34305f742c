package wire

import (
	"net"
	"net/http"
	"regexp"
	"strings"
)

// accountPattern is an account id; see Caller.Account.
var accountPattern = regexp.MustCompile(`^[0-9]{12}$`)

// parseCaller reads the credential scope of a SigV4 Authorization header
// ("Credential=<key>/<date>/<region>/<service>/aws4_request"; AWS: "Create a
// signed AWS API request"). The signature itself is not looked at.
func parseCaller(r *http.Request, defaultAccount string) (Caller, *Error) {
	header := r.Header.Get("Authorization")
	scheme, fields, _ := strings.Cut(header, " ")
	if header == "" {
		return Caller{}, &Error{
			Code:    "MissingAuthenticationTokenException",
			Message: "Missing Authentication Token",
			Status:  http.StatusForbidden,
		}
	}
	incomplete := &Error{
		Code:    "IncompleteSignatureException",
		Message: "Authorization header requires 'AWS4-HMAC-SHA256' and a 'Credential' parameter of the form <key>/<date>/<region>/<service>/aws4_request.",
		Status:  http.StatusForbidden,
	}
	if !strings.HasPrefix(scheme, "AWS4-") {
		return Caller{}, incomplete
	}
	for field := range strings.SplitSeq(fields, ",") {
		scope, ok := strings.CutPrefix(strings.TrimSpace(field), "Credential=")
		if !ok {
			continue
		}
		parts := strings.Split(scope, "/")
		if len(parts) != 5 || parts[0] == "" || parts[2] == "" || parts[3] == "" {
			return Caller{}, incomplete
		}
		c := Caller{AccessKeyID: parts[0], Account: defaultAccount, Region: parts[2], Service: parts[3]}
		if accountPattern.MatchString(c.AccessKeyID) {
			c.Account = c.AccessKeyID
		}
		return c, nil
	}
	return Caller{}, incomplete
}

// localHost reports whether the Host header names this machine without the
// help of DNS: a page on the web whose name was made to point at 127.0.0.1
// carries its own name here.
func localHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host) != nil
}
