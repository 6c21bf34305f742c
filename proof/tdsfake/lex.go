package tdsfake

import (
	"encoding/hex"
	"strings"
)

// sqlError is an error of the server's.
type sqlError struct {
	number  int32
	message string
}

func (e *sqlError) Error() string { return e.message }

// refuse makes an error of which only the number matters. The message quotes
// something as a real server's does, so that tests see if it is carried on.
func refuse(number int32) *sqlError {
	return &sqlError{number: number, message: "DRIVER-TEXT of the server about 'someone'."}
}

const errSyntax = 102

type tokenKind int

const (
	wordToken   tokenKind = iota // CREATE, @name, sys.sp_x
	nameToken                    // [x]
	textToken                    // N'x'
	binaryToken                  // 0xAB
	markToken                    // , ; = ( ) . ::
	endToken
)

type lexeme struct {
	kind  tokenKind
	value string
}

// lex takes a statement apart. ok is false for anything the engine would not
// write.
func lex(s string) (list []lexeme, ok bool) {
	for s != "" {
		var t lexeme
		switch {
		case s[0] == ' ':
			s = s[1:]
			continue
		case s[0] == '[':
			t.kind = nameToken
			t.value, s, ok = quoted(s[1:], ']')
		case strings.HasPrefix(s, "N'"):
			t.kind = textToken
			t.value, s, ok = quoted(s[2:], '\'')
		case strings.HasPrefix(s, "::"):
			t, s, ok = lexeme{markToken, "::"}, s[2:], true
		case strings.ContainsRune(",;=().", rune(s[0])):
			t, s, ok = lexeme{markToken, s[:1]}, s[1:], true
		case strings.HasPrefix(s, "0x"):
			n := prefixOf(s[2:], isHex)
			b, err := hex.DecodeString(s[2 : 2+n])
			t, s, ok = lexeme{binaryToken, string(b)}, s[2+n:], err == nil
		default:
			n := prefixOf(s, isWord)
			t, s, ok = lexeme{wordToken, s[:n]}, s[n:], n > 0
		}
		if !ok {
			return nil, false
		}
		list = append(list, t)
	}
	return append(list, lexeme{kind: endToken}), true
}

// quoted reads up to the closing mark, which is doubled inside.
func quoted(s string, end byte) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != end {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == end {
			b.WriteByte(end)
			i++
			continue
		}
		return b.String(), s[i+1:], true
	}
	return "", "", false
}

func prefixOf(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' }

func isWord(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '@'
}
