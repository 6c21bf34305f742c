package pgwire

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // what servers with password_encryption=md5 store
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/xdg-go/stringprep"
	"golang.org/x/text/secure/precis"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// PasswordMethod is how a server stores passwords.
type PasswordMethod struct {
	md5        bool
	iterations int // of SCRAM
}

const (
	// defaultIterations is used by servers without a setting for it. Source: PostgreSQL
	// documentation, scram_iterations; RFC 7677.
	defaultIterations = 4096

	// maxIterations limits the work that a server can demand. 2 million iterations take
	// about a second.
	maxIterations = 2_000_000

	saltLength = 16 // the server's own default, SCRAM_DEFAULT_SALT_LEN
)

// ParsePasswordMethod parses a row of password_encryption and scram_iterations. Servers
// before PostgreSQL 16 lack the second.
func ParsePasswordMethod(row []string) (PasswordMethod, error) {
	if len(row) != 2 {
		return PasswordMethod{}, errors.New("the server did not say how it stores passwords")
	}
	method := PasswordMethod{iterations: defaultIterations}
	// "md5" or, before PostgreSQL 10, "on" or "off". These servers know only md5, and
	// store an md5 hash as it is even with "off".
	method.md5 = row[0] != "scram-sha-256"
	if row[1] != "" {
		n, err := strconv.Atoi(row[1])
		if err != nil || n < 1 {
			return PasswordMethod{}, errors.New("the server's scram_iterations is not a number")
		}
		method.iterations = n
	}
	return method, nil
}

// Verifier is what a server stores instead of a password. An md5 verifier is sufficient
// for logging in, so verifiers are treated as secrets.
type Verifier struct{ text string }

// String keeps verifiers out of messages.
func (Verifier) String() string { return redact.Mask }

// GoString keeps verifiers out of messages.
func (Verifier) GoString() string { return redact.Mask }

// errIterations means that the server demands more iterations than Tumbler computes.
var errIterations = fmt.Errorf("scram_iterations is above %d", maxIterations)

// Verifier computes what the server would store.
func (m PasswordMethod) Verifier(user string, password redact.String) (Verifier, error) {
	if m.md5 {
		return MD5(user, password), nil
	}
	if m.iterations > maxIterations {
		return Verifier{}, errIterations
	}
	var salt [saltLength]byte
	_, _ = rand.Read(salt[:]) // never fails
	return scramVerifier(password, salt[:], m.iterations)
}

// scramVerifier returns SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>.
// Source: PostgreSQL documentation, pg_authid; RFC 5802, section 3.
func scramVerifier(password redact.String, salt []byte, iterations int) (Verifier, error) {
	salted, err := pbkdf2.Key(sha256.New, prepare(password.Reveal()), salt, iterations, sha256.Size)
	if err != nil {
		return Verifier{}, errors.New("computing the SCRAM verifier failed")
	}
	clientKey := mac(salted, "Client Key")
	storedKey := sha256.Sum256(clientKey)
	b64 := base64.StdEncoding.EncodeToString
	return Verifier{fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s",
		iterations, b64(salt), b64(storedKey[:]), b64(mac(salted, "Server Key")))}, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// MD5 returns "md5" and the hexadecimal digest of password and user. Source: PostgreSQL
// documentation, pg_authid.
func MD5(user string, password redact.String) Verifier {
	sum := md5.Sum([]byte(password.Reveal() + user)) //nolint:gosec // see above
	return Verifier{"md5" + hex.EncodeToString(sum[:])}
}

// prepare normalises a password for SCRAM exactly as PostgreSQL's server and libpq do
// (pg_saslprep): by SASLprep of RFC 4013, or not at all if that prohibits the password.
// Applications using libpq or JDBC can then log in with any password.
func prepare(password string) string {
	if isASCII(password) {
		return password // SASLprep does not change it; control characters are kept, too
	}
	prepared, err := stringprep.SASLprep.Prepare(password)
	if err != nil || prepared == "" {
		return password
	}
	return prepared
}

// preparedDifferently reports whether Tumbler's driver normalises the password
// differently from the server: the driver follows RFC 8265, which keeps compatibility
// characters such as ligatures, and PostgreSQL follows RFC 4013. Such a password works
// for applications using libpq, but Tumbler cannot log in with it. Only a person can have
// chosen it, since generated passwords are ASCII.
func preparedDifferently(password redact.String) bool {
	text := password.Reveal()
	if isASCII(text) {
		return false
	}
	for _, r := range text {
		if stringprep.TableA1.Contains(r) {
			return false // characters unknown to RFC 4013: both keep the password as it is
		}
	}
	ours, err := precis.OpaqueString.String(text)
	if err != nil {
		ours = text
	}
	return ours != prepare(text)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
