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

// The parts of MongoDB's wire protocol that a rotation needs. Source: MongoDB
// manual, "MongoDB Wire Protocol".
const (
	opReply = 1
	opQuery = 2004 // only to greet, as drivers do: old servers know no other way
	opMsg   = 2013

	headerSize = 16

	// maxAnswer is far above any answer to our commands (users with all their
	// roles), and guards against taking another protocol's bytes for a length.
	maxAnswer = 8 << 20
)

// refusal is a server's refusal of a command. Its text is left out on purpose:
// it may quote the command.
type refusal struct{ code int32 }

func (r refusal) Error() string { return fmt.Sprintf("refused with code %d", r.code) }

// wire sends commands over one connection.
type wire struct {
	conn net.Conn // what to speak on
	raw  net.Conn // the TCP connection below it
	last int32    // id of the last request
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

// run runs a command on the database admin. Its answer is one that says ok; an
// error is a refusal if there was an answer.
func (w *wire) run(ctx context.Context, command bson.D) (bson.Raw, error) {
	body, err := bson.Marshal(append(command[:len(command):len(command)], bson.E{Key: "$db", Value: adminDB}))
	if err != nil {
		return nil, errors.Join(netfault.ErrNotSent, err)
	}
	// No flags, one section of kind 0: the body.
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
		// A command that is cut off is not carried out.
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
		skip = 4 + 8 + 4 + 4 // flags, cursor, from, count
	case code == opMsg && len(body) > 4 && body[4] == 0:
		skip = 4 + 1 // flags, kind of section
		if body[0]&1 != 0 {
			body = body[:max(skip, len(body)-4)] // a checksum at the end
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

// check returns the refusal in an answer, if it is one.
func check(answer bson.Raw) error {
	if ok, isNumber := answer.Lookup("ok").AsInt64OK(); isNumber && ok == 1 {
		return nil
	}
	code, _ := answer.Lookup("code").AsInt64OK()
	return refusal{int32(code)}
}
