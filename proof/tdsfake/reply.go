package tdsfake

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// Tokens ([MS-TDS] 2.2.7).
const (
	tokenColumns     = 0x81
	tokenError       = 0xaa
	tokenLoginAck    = 0xad
	tokenRow         = 0xd1
	tokenEnvironment = 0xe3
	tokenDone        = 0xfd
	tokenDoneProc    = 0xfe
)

// Bits of DONE's status.
const (
	doneError     = 0x02
	doneCount     = 0x10
	doneAttention = 0x20
)

// Data types.
const (
	typeInt       = 0x26
	typeBit       = 0x68
	typeBinary    = 0xa5
	typeText      = 0xe7
	maxShort      = 8000
	nullShort     = 0xffff
	collationSize = 5
)

// reply is the token stream of an answer.
type reply struct{ bytes []byte }

func (r *reply) u16(n int) { r.bytes = binary.LittleEndian.AppendUint16(r.bytes, uint16(n)) }
func (r *reply) u32(n int) { r.bytes = binary.LittleEndian.AppendUint32(r.bytes, uint32(n)) }

func units(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// short is a text with its length in units in one byte.
func (r *reply) short(s string) {
	b := units(s)
	r.bytes = append(append(r.bytes, byte(len(b)/2)), b...)
}

func (r *reply) done(token byte, status, count int) {
	r.bytes = append(r.bytes, token)
	r.u16(status)
	r.u16(0)
	r.bytes = binary.LittleEndian.AppendUint64(r.bytes, uint64(count))
}

func (r *reply) error(e *sqlError) {
	var body reply
	body.u32(int(e.number))
	const state, severity = 1, 16
	body.bytes = append(body.bytes, state, severity)
	message := units(e.message)
	body.u16(len(message) / 2)
	body.bytes = append(body.bytes, message...)
	body.short("fake")
	body.short("")
	body.u32(1)
	r.bytes = append(r.bytes, tokenError)
	r.u16(len(body.bytes))
	r.bytes = append(r.bytes, body.bytes...)
}

// environment reports a changed setting.
func (r *reply) environment(kind byte, now, before string) {
	body := reply{bytes: []byte{kind}}
	body.short(now)
	body.short(before)
	r.bytes = append(r.bytes, tokenEnvironment)
	r.u16(len(body.bytes))
	r.bytes = append(r.bytes, body.bytes...)
}

func (r *reply) loginAck() {
	body := reply{bytes: []byte{1, 0x74, 0, 0, 4}} // T-SQL, TDS 7.4
	body.short("Tumbler's fake of SQL Server")
	body.bytes = append(body.bytes, 15, 0, 7, 0xd0)
	r.bytes = append(r.bytes, tokenLoginAck)
	r.u16(len(body.bytes))
	r.bytes = append(r.bytes, body.bytes...)
}

// result is a result set. Values are int, bool, string, []byte or nil; the
// types are those of columns.
type result struct {
	columns []byte // types
	values  [][]any
}

func (r *reply) rows(set *result) {
	r.bytes = append(r.bytes, tokenColumns)
	r.u16(len(set.columns))
	for _, kind := range set.columns {
		r.u32(0)
		r.u16(1) // nullable
		r.bytes = append(r.bytes, kind)
		switch kind {
		case typeInt:
			r.bytes = append(r.bytes, 8)
		case typeBit:
			r.bytes = append(r.bytes, 1)
		case typeText:
			r.u16(maxShort)
			r.bytes = append(r.bytes, make([]byte, collationSize)...)
		case typeBinary:
			r.u16(maxShort)
		}
		r.short("")
	}
	for _, row := range set.values {
		r.bytes = append(r.bytes, tokenRow)
		for i, v := range row {
			r.value(set.columns[i], v)
		}
	}
}

func (r *reply) value(kind byte, v any) {
	switch v := v.(type) {
	case nil:
		if kind == typeText || kind == typeBinary {
			r.u16(nullShort)
		} else {
			r.bytes = append(r.bytes, 0)
		}
	case int:
		r.bytes = binary.LittleEndian.AppendUint64(append(r.bytes, 8), uint64(v))
	case bool:
		r.bytes = append(r.bytes, 1, 0)
		if v {
			r.bytes[len(r.bytes)-1] = 1
		}
	case string:
		b := units(v)
		r.u16(len(b))
		r.bytes = append(r.bytes, b...)
	case []byte:
		r.u16(len(v))
		r.bytes = append(r.bytes, v...)
	default:
		panic(fmt.Sprintf("a result has a %T", v))
	}
}
