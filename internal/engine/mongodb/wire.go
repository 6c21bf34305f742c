package mongodb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
)

// The parts of MongoDB's wire protocol that a rotation needs. Source: MongoDB manual,
// "MongoDB Wire Protocol".
const (
	opReply = 1
	opQuery = 2004 // only for the greeting, as in drivers: old servers accept nothing else
	opMsg   = 2013

	headerSize = 16

	// maxAnswer is far larger than any answer to our commands, such as users with all
	// their roles. It keeps bytes of another protocol from being taken for a length.
	maxAnswer = 8 << 20
)

// refusal is a server's refusal of a command. It omits the server's text, which may quote
// the command.
type refusal struct{ code int32 }

func (r refusal) Error() string { return fmt.Sprintf("refused with code %d", r.code) }

// wire sends commands over one connection.
type wire struct {
	conn net.Conn // what messages are sent on
	raw  net.Conn // the TCP connection below conn
	last int32    // ID of the last request
}

func (w *wire) close() { _ = w.raw.Close() }

// hello greets the server.
func (w *wire) hello(ctx context.Context, user string) (bson.Raw, error) {
	body, err := bson.Marshal(helloCommand(user))
	if err != nil {
		return nil, errors.Join(netfault.ErrNotSent, err)
	}
	var query []byte
	query = binary.LittleEndian.AppendUint32(query, 4) // flags: a secondary may answer
	query = append(query, adminDB+".$cmd\x00"...)
	query = binary.LittleEndian.AppendUint32(query, 0)          // skip
	query = binary.LittleEndian.AppendUint32(query, 0xFFFFFFFF) // return one document
	return w.exchange(ctx, opQuery, append(query, body...))
}

// run runs a command on the database admin and returns its answer if that says ok. The
// error is a refusal if the server answered otherwise.
func (w *wire) run(ctx context.Context, command bson.D) (bson.Raw, error) {
	body, err := bson.Marshal(append(command[:len(command):len(command)], bson.E{Key: "$db", Value: adminDB}))
	if err != nil {
		return nil, errors.Join(netfault.ErrNotSent, err)
	}
	// No flags, then one section of kind 0: the body.
	return w.exchange(ctx, opMsg, append([]byte{0, 0, 0, 0, 0}, body...))
}

// exchange sends a request and returns the server's answer.
func (w *wire) exchange(ctx context.Context, code int32, payload []byte) (bson.Raw, error) {
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(netfault.ErrNotSent, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = w.raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	w.last++
	message := make([]byte, headerSize, headerSize+len(payload))
	binary.LittleEndian.PutUint32(message[0:], uint32(headerSize+len(payload)))
	binary.LittleEndian.PutUint32(message[4:], uint32(w.last))
	binary.LittleEndian.PutUint32(message[12:], uint32(code))
	if _, err := w.conn.Write(append(message, payload...)); err != nil {
		// The server does not execute an incomplete command.
		return nil, errors.Join(netfault.ErrNotSent, ctx.Err(), err)
	}
	answer, err := w.read()
	if err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	return answer, check(answer)
}

// read reads the answer to the last request.
func (w *wire) read() (bson.Raw, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(w.conn, header[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(header[0:])
	answers := int32(binary.LittleEndian.Uint32(header[8:]))
	if size <= headerSize || size > maxAnswer || answers != w.last {
		return nil, netfault.ErrAnswer
	}
	body := make([]byte, size-headerSize)
	if _, err := io.ReadFull(w.conn, body); err != nil {
		return nil, err
	}
	return document(binary.LittleEndian.Uint32(header[12:]), body)
}

// document returns the document in a message.
func document(code uint32, body []byte) (bson.Raw, error) {
	var skip int
	switch {
	case code == opReply:
		skip = 4 + 8 + 4 + 4 // flags, cursor ID, starting position, number of documents
	case code == opMsg && len(body) > 4 && body[4] == 0:
		skip = 4 + 1 // flags, kind of section
		if body[0]&1 != 0 {
			body = body[:max(skip, len(body)-4)] // checksum at the end
		}
	default:
		return nil, netfault.ErrAnswer
	}
	if len(body) < skip {
		return nil, netfault.ErrAnswer
	}
	raw := bson.Raw(body[skip:])
	if err := raw.Validate(); err != nil {
		return nil, netfault.ErrAnswer
	}
	return raw, nil
}

// check returns the refusal that an answer contains, if any.
func check(answer bson.Raw) error {
	if ok, isNumber := answer.Lookup("ok").AsInt64OK(); isNumber && ok == 1 {
		return nil
	}
	code, _ := answer.Lookup("code").AsInt64OK()
	return refusal{int32(code)}
}
