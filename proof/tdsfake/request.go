package tdsfake

import (
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// request is a batch, or a call of sp_executesql.
type request struct {
	text      string
	args      []any // string, []byte, int or nil
	procedure bool
}

var errRequest = errors.New("a request that the fake does not understand")

const (
	procedureByID = 0xffff
	executeSQL    = 10
	plpUnknown    = 0xffff
)

func parseRequest(kind byte, body []byte) (r request, err error) {
	defer func() {
		if recover() != nil { // an index out of range: the request is too short
			err = errRequest
		}
	}()
	in := &reader{body}
	in.skip(int(binary.LittleEndian.Uint32(in.b))) // ALL_HEADERS, its length included
	if kind == packetBatch {
		return request{text: text(in.b)}, nil
	}
	r.procedure = true
	if in.u16() != procedureByID || in.u16() != executeSQL {
		return r, errRequest
	}
	in.skip(2) // flags
	var values []any
	for len(in.b) > 0 {
		in.skip(2 * int(in.u8())) // the parameter's name
		in.skip(1)                // by value
		values = append(values, in.value())
	}
	r.text, _ = values[0].(string)
	if len(values) > 2 {
		r.args = values[2:] // values[1] declares them
	}
	return r, nil
}

// reader takes a request apart. It panics at its end.
type reader struct{ b []byte }

func (r *reader) take(n int) []byte {
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) skip(n int)  { r.take(n) }
func (r *reader) u8() byte    { return r.take(1)[0] }
func (r *reader) u16() uint16 { return binary.LittleEndian.Uint16(r.take(2)) }

func (r *reader) value() any {
	switch kind := r.u8(); kind {
	case typeInt:
		r.skip(1)
		switch b := r.take(int(r.u8())); len(b) {
		case 0:
			return nil
		case 8:
			return int(binary.LittleEndian.Uint64(b))
		default:
			return int(binary.LittleEndian.Uint32(b))
		}
	case typeText, typeBinary:
		limit := r.u16()
		if kind == typeText {
			r.skip(collationSize)
		}
		b, null := r.chunk(limit)
		switch {
		case null:
			return nil
		case kind == typeText:
			return text(b)
		}
		return append([]byte{}, b...)
	}
	panic("a type that the driver has no reason to send")
}

// chunk reads a value with a short length, or in parts (PLP).
func (r *reader) chunk(limit uint16) (b []byte, null bool) {
	if limit != plpUnknown {
		n := r.u16()
		if n == nullShort {
			return nil, true
		}
		return r.take(int(n)), false
	}
	if binary.LittleEndian.Uint64(r.take(8)) == 1<<64-1 {
		return nil, true
	}
	for {
		n := int(binary.LittleEndian.Uint32(r.take(4)))
		if n == 0 {
			return b, false
		}
		b = append(b, r.take(n)...)
	}
}

func text(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}
