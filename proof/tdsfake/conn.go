package tdsfake

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// Encryption is the server's stance ([MS-TDS] 2.2.6.5, option ENCRYPTION).
type Encryption byte

const (
	EncryptionOffered      Encryption = 0 // if the client asks; the login packet always
	EncryptionNotSupported Encryption = 2
	EncryptionRequired     Encryption = 3
)

const clientOn = 1 // the client asks for encryption

// conn is one client.
type conn struct {
	server *Server
	raw    net.Conn
	stream io.ReadWriter // raw, or TLS on top of it
	who    *identity     // after the login
}

var errGone = errors.New("the fault drops the connection")

// serve speaks the protocol until the client or a fault ends it.
func (c *conn) serve() {
	defer func() { _ = c.raw.Close() }()
	c.stream = c.raw
	after, err := c.prelogin()
	if err != nil {
		return
	}
	kind, body, err := readMessage(c.stream)
	if err != nil || kind != packetLogin {
		return
	}
	c.stream = after
	if !c.login(body) {
		return
	}
	for {
		kind, body, err := readMessage(c.stream)
		if err != nil {
			return
		}
		if err := c.answer(kind, body); err != nil {
			return
		}
	}
}

// prelogin negotiates encryption. It leaves in c.stream what carries the login
// packet and returns what carries everything after it.
func (c *conn) prelogin() (after io.ReadWriter, err error) {
	kind, body, err := readMessage(c.raw)
	if err != nil || kind != packetPrelogin {
		return nil, errGone
	}
	if c.server.silent() {
		_, _ = io.Copy(io.Discard, c.raw) // until the client gives up
		return nil, errGone
	}
	client := clientEncryption(body)
	stance := c.server.encryption()
	answer := byte(stance)
	switch {
	case stance == EncryptionNotSupported || stance == EncryptionOffered && client == byte(EncryptionNotSupported):
		answer = byte(EncryptionNotSupported)
	case client == clientOn:
		answer = clientOn
	}
	if err := writeMessage(c.raw, packetReply, preloginAnswer(answer)); err != nil {
		return nil, err
	}
	if answer == byte(EncryptionNotSupported) {
		return c.raw, nil
	}
	if client == byte(EncryptionNotSupported) {
		return nil, errGone // the server requires what the client does not have
	}
	carrier := &handshakeConn{Conn: c.raw}
	secure := tls.Server(carrier, c.server.tlsConfig())
	if err := secure.Handshake(); err != nil {
		return nil, err
	}
	carrier.plain = true
	c.stream = secure
	if answer == byte(EncryptionOffered) {
		return c.raw, nil
	}
	return secure, nil
}

const preloginEncryption = 1

func clientEncryption(body []byte) byte {
	for i := 0; i+5 <= len(body) && body[i] != 0xff; i += 5 {
		offset := int(binary.BigEndian.Uint16(body[i+1:]))
		if body[i] == preloginEncryption && offset < len(body) {
			return body[offset]
		}
	}
	return byte(EncryptionNotSupported)
}

// preloginAnswer says that the version is 15 (2019) and the encryption this.
func preloginAnswer(encryption byte) []byte {
	return []byte{
		0, 0, 11, 0, 6, // VERSION at 11, 6 bytes
		1, 0, 17, 0, 1, // ENCRYPTION at 17
		0xff,
		15, 0, 7, 0xd0, 0, 0,
		encryption,
	}
}

// answer runs a request and sends what comes of it.
func (c *conn) answer(kind byte, body []byte) error {
	var reply reply
	switch kind {
	case packetAttention:
		reply.done(tokenDone, doneAttention, 0)
	case packetBatch, packetRPC:
		request, err := parseRequest(kind, body)
		if err != nil {
			return err
		}
		if !c.run(request, &reply) {
			return errGone
		}
	default:
		return errGone
	}
	return writeMessage(c.stream, packetReply, reply.bytes)
}

// run executes a request, with the faults that were ordered for it. It reports
// whether the connection goes on.
func (c *conn) run(r request, out *reply) bool {
	f := c.server.takeFault(r.text)
	if f != nil && f.Before {
		return c.suffer(f, out)
	}
	if err := c.server.await(c.who, r); err != nil {
		out.error(err)
		out.done(tokenDone, doneError, 0)
		return true
	}
	rows, err := c.server.execute(c.who, r)
	if f != nil {
		return c.suffer(f, out)
	}
	token := byte(tokenDone)
	if r.procedure {
		token = tokenDoneProc
	}
	switch {
	case err != nil:
		out.error(err)
		out.done(token, doneError, 0)
	case rows != nil:
		out.rows(rows)
		out.done(token, doneCount, len(rows.values))
	default:
		out.done(token, 0, 0)
	}
	return true
}

func (c *conn) suffer(f *Fault, out *reply) bool {
	switch {
	case f.Silence:
		_, _ = io.Copy(io.Discard, c.raw)
		return false
	case f.Error != 0:
		out.error(refuse(f.Error))
		out.done(tokenDone, doneError, 0)
		return true
	}
	return false
}
