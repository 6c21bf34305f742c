package mysql

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"filippo.io/edwards25519"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// The authentication plugins whose hashes this package computes.
const (
	nativePassword = "mysql_native_password"
	ed25519Plugin  = "ed25519"
	cachingSHA2    = "caching_sha2_password"
)

// nativeHash returns what mysql_native_password stores: "*" and the hexadecimal SHA-1 of
// the SHA-1. Source: MySQL internals manual, "Native Authentication".
func nativeHash(password redact.String) string {
	once := sha1.Sum([]byte(password.Reveal()))
	twice := sha1.Sum(once[:])
	return "*" + strings.ToUpper(hex.EncodeToString(twice[:]))
}

// ed25519Hash returns what MariaDB's ed25519 plugin stores: the public key whose private
// key is the SHA-512 of the password, in base64 without padding. Source: MariaDB
// knowledge base, "Authentication Plugin - ed25519".
func ed25519Hash(password redact.String) string {
	digest := sha512.Sum512([]byte(password.Reveal()))
	scalar, err := edwards25519.NewScalar().SetBytesWithClamping(digest[:32])
	if err != nil {
		panic(err) // only if the length is not 32 bytes
	}
	point := edwards25519.NewIdentityPoint().ScalarBaseMult(scalar)
	return base64.RawStdEncoding.EncodeToString(point.Bytes())
}

// cachingSHA2Hash returns what caching_sha2_password stores: "$A$", thousands of rounds
// in hexadecimal, "$", a salt of 20 bytes that are neither "$" nor NUL, and the SHA-256
// crypt. Sources: MySQL reference manual, "Caching SHA-2 Pluggable Authentication";
// Drepper, "Unix crypt using SHA-256 and SHA-512".
func cachingSHA2Hash(password redact.String, salt string, rounds int) string {
	return fmt.Sprintf("$A$%03X$%s%s", rounds, salt, sha256Crypt(password.Reveal(), salt, rounds*1000))
}

// sha256Hash returns what sha256_password stores: "$5$", a salt, "$" and the SHA-256
// crypt. Source: MySQL reference manual, "SHA-256 Pluggable Authentication".
func sha256Hash(password redact.String, salt string) string {
	return "$5$" + salt + "$" + sha256Crypt(password.Reveal(), salt, 5000)
}

// parseCachingSHA2 returns the thousands of rounds and the salt of a stored hash.
func parseCachingSHA2(stored string) (rounds int, salt string, ok bool) {
	parts := strings.SplitN(stored, "$", 4)
	if len(parts) != 4 || parts[1] != "A" || len(parts[3]) < 20 {
		return 0, "", false
	}
	n, err := strconv.ParseInt(parts[2], 16, 32)
	if err != nil || n < 5 || n > 0xfff {
		return 0, "", false
	}
	return int(n), parts[3][:20], true
}

// hashFor returns what the plugin stores for the password. It uses as many rounds as the
// stored hash now, if any, since the server's administrator chose that number.
func hashFor(plugin string, password redact.String, now string) (string, bool) {
	switch plugin {
	case nativePassword:
		return nativeHash(password), true
	case ed25519Plugin:
		return ed25519Hash(password), true
	case cachingSHA2:
		rounds, _, ok := parseCachingSHA2(now)
		if !ok {
			rounds = 5 // the default of MySQL 8
		}
		return cachingSHA2Hash(password, rand.Text()[:20], rounds), true
	case sha256Plugin:
		return sha256Hash(password, rand.Text()[:20]), true
	}
	return "", false
}

// matches reports whether stored is the plugin's hash of the password.
func matches(plugin, stored string, password redact.String) bool {
	if password.IsEmpty() || stored == "" {
		return false
	}
	want := ""
	switch plugin {
	case cachingSHA2:
		rounds, salt, ok := parseCachingSHA2(stored)
		if !ok {
			return false
		}
		want = cachingSHA2Hash(password, salt, rounds)
	case sha256Plugin:
		salt, _, ok := strings.Cut(strings.TrimPrefix(stored, "$5$"), "$")
		if !ok {
			return false
		}
		want = sha256Hash(password, salt)
	default:
		want, _ = hashFor(plugin, password, "")
	}
	return subtle.ConstantTimeCompare([]byte(want), []byte(stored)) == 1
}

// sha256Crypt returns the digest of SHA-256 crypt, without salt and prefix.
func sha256Crypt(password, salt string, rounds int) string {
	key, seasoning := []byte(password), []byte(salt)
	b := sha256.New()
	b.Write(key)
	b.Write(seasoning)
	b.Write(key)
	alternate := b.Sum(nil)

	a := sha256.New()
	a.Write(key)
	a.Write(seasoning)
	a.Write(repeat(alternate, len(key)))
	for n := len(key); n > 0; n >>= 1 {
		if n&1 == 1 {
			a.Write(alternate)
		} else {
			a.Write(key)
		}
	}
	digest := a.Sum(nil)

	p := sha256.New()
	for range len(key) {
		p.Write(key)
	}
	keys := repeat(p.Sum(nil), len(key))
	s := sha256.New()
	for range 16 + int(digest[0]) {
		s.Write(seasoning)
	}
	salts := repeat(s.Sum(nil), len(seasoning))

	for round := range rounds {
		c := sha256.New()
		odd := round%2 == 1
		write := func(first, second []byte) {
			if odd {
				c.Write(first)
			} else {
				c.Write(second)
			}
		}
		write(keys, digest)
		if round%3 != 0 {
			c.Write(salts)
		}
		if round%7 != 0 {
			c.Write(keys)
		}
		write(digest, keys)
		digest = c.Sum(digest[:0])
	}
	return crypt64(digest)
}

// repeat returns n bytes of text, repeated as often as needed.
func repeat(text []byte, n int) []byte {
	return bytes.Repeat(text, n/len(text)+1)[:n]
}

// crypt64 encodes a SHA-256 digest as crypt does, with its own alphabet and byte order.
func crypt64(d []byte) string {
	const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var out strings.Builder
	emit := func(b2, b1, b0 byte, n int) {
		w := uint(b2)<<16 | uint(b1)<<8 | uint(b0)
		for range n {
			out.WriteByte(alphabet[w&63])
			w >>= 6
		}
	}
	for i, b2, b1, b0 := 0, 0, 10, 20; i < 10; i, b2, b1, b0 = i+1, b0+1, b2+1, b1+1 {
		emit(d[b2], d[b1], d[b0], 4)
	}
	emit(0, d[31], d[30], 3)
	return out.String()
}
