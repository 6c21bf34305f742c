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
	// defaultIterations is what servers use that have no setting for it.
	// Source: PostgreSQL documentation, scram_iterations; RFC 7677.
	defaultIterations = 4096

	// maxIterations keeps a server from making us compute for minutes.
	// 2 million take about a second.
	maxIterations = 2_000_000

	saltLength = 16 // as the server's own, SCRAM_DEFAULT_SALT_LEN
)

// ParsePasswordMethod reads a row of password_encryption and scram_iterations,
// which servers before PostgreSQL 16 have not.
func ParsePasswordMethod(row []string) (PasswordMethod, error) {
	if len(row) != 2 {
		return PasswordMethod{}, errors.New("the server did not say how it stores passwords")
	}
	method := PasswordMethod{iterations: defaultIterations}
	// "md5", and "on" or "off" before PostgreSQL 10, which knew only md5. Being
	// given an md5 hash it stores the hash even with "off".
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

// Verifier is what a server stores instead of a password. One that is md5 is as
// good as the password to log in with, so it is treated as a secret, too.
type Verifier struct{ text string }

// String keeps verifiers out of messages.
func (Verifier) String() string { return redact.Mask }

// GoString keeps verifiers out of messages.
func (Verifier) GoString() string { return redact.Mask }

// errIterations says that the server wants more work than we are ready to do.
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

// scramVerifier is SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>.
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

// MD5 is md5 and the digest of password and user in hex.
// Source: PostgreSQL documentation, pg_authid.
func MD5(user string, password redact.String) Verifier {
	sum := md5.Sum([]byte(password.Reveal() + user)) //nolint:gosec // see above
	return Verifier{"md5" + hex.EncodeToString(sum[:])}
}

// prepare normalises a password for SCRAM exactly as PostgreSQL's server and
// libpq do (pg_saslprep): by SASLprep of RFC 4013, or not at all if that
// prohibits it. An application that uses libpq can then log in with whatever
// was the password, and so can one that uses JDBC.
func prepare(password string) string {
	if isASCII(password) {
		return password // SASLprep leaves it alone; control characters pass, too
	}
	prepared, err := stringprep.SASLprep.Prepare(password)
	if err != nil || prepared == "" {
		return password
	}
	return prepared
}

// preparedDifferently reports whether our own driver prepares the password in
// another way than the server: it follows RFC 8265 (compatibility characters
// such as a ligature stay as they are) where PostgreSQL follows RFC 4013. Such a
// password, which a person must have chosen since generated ones are ASCII,
// works for applications on libpq, but we cannot log in with it.
func preparedDifferently(password redact.String) bool {
	text := password.Reveal()
	if isASCII(text) {
		return false
	}
	for _, r := range text {
		if stringprep.TableA1.Contains(r) {
			return false // unknown to RFC 4013: both leave the password as it is
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
