package mysql

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"

	"github.com/tumbler-rotation/tumbler/internal/engine/netfault"
	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// errReadable ends a login without TLS in which the server asks for the password in a
// form that it, or an attacker in its place, could read.
var errReadable = errors.New("mysql: the server asks for a password that can be read")

// wire is the connection that the driver uses. Until the login is complete it inspects
// the packets and adds what the driver cannot do:
//
//   - TLS is negotiated here; the driver does not know of it.
//   - A login without TLS ends when the server asks for the password encrypted with a key
//     that it has just sent (caching_sha2_password if the server has no cached entry,
//     sha256_password). An attacker in the server's place could send its own key.
//   - An ed25519 challenge reaches the driver complete. The driver (1.10) mistakes a zero
//     byte at the end, which one challenge in 256 has, for a terminator.
//   - The greeting is read and checked here, because the driver takes its length for
//     granted.
//
// Source: MySQL internals, "Connection Phase".
type wire struct {
	net.Conn               // the TCP connection
	stream   io.ReadWriter // what packets are sent on: Conn, or TLS over it

	ctx      context.Context // of the login
	tls      *tls.Config     // nil: no TLS
	fallback bool            // continue without TLS if the server has none
	password redact.String

	encrypted bool
	greeted   bool
	over      bool   // the login is complete
	plugin    string // that the server asked for last
	switches  int    // how often the server has asked for another plugin
	shift     byte   // number of packets sent that the driver does not know of
	pending   []byte // rest of a packet that the driver has not read
	err       error  // why the login was ended here
}

const (
	packetHeader = 4
	// maxLoginPacket is far larger than any packet of a login.
	maxLoginPacket = 64 << 10

	capabilitySSL = 1 << 11

	packetOK, packetMore, packetSwitch, packetError = 0x00, 0x01, 0xfe, 0xff
	fastSuccess                                     = 3

	sha256Plugin  = "sha256_password"
	clientEd25519 = "client_ed25519"
)

// Read returns one packet of the login at a time to the driver.
func (w *wire) Read(b []byte) (int, error) {
	if w.over && len(w.pending) == 0 {
		return w.stream.Read(b)
	}
	if len(w.pending) == 0 {
		if err := w.next(); err != nil {
			return 0, w.end(err)
		}
	}
	n := copy(b, w.pending)
	w.pending = w.pending[n:]
	return n, nil
}

// end records the first reason for ending the login.
func (w *wire) end(err error) error {
	if w.err == nil {
		w.err = err
	}
	return err
}

// next reads a packet from the server.
func (w *wire) next() error {
	var header [packetHeader]byte
	if _, err := io.ReadFull(w.stream, header[:]); err != nil {
		return err
	}
	size := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if size == 0 || size > maxLoginPacket {
		return netfault.ErrAnswer
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(w.stream, body); err != nil {
		return err
	}
	body, err := w.inspect(body)
	if err != nil {
		return err
	}
	w.pending = packet(header[3]-w.shift, body)
	return nil
}

func packet(sequence byte, body []byte) []byte {
	n := len(body)
	return append([]byte{byte(n), byte(n >> 8), byte(n >> 16), sequence}, body...)
}

// inspect returns a packet in the form meant for the driver.
func (w *wire) inspect(body []byte) ([]byte, error) {
	if body[0] == packetError {
		return body, nil
	}
	if !w.greeted {
		w.greeted = true
		return w.greeting(body)
	}
	switch body[0] {
	case packetOK:
		w.over = true
	case packetSwitch:
		w.switches++
		plugin, challenge, found := bytes.Cut(body[1:], []byte{0})
		if !found {
			return body, nil // the form used before MySQL 4.1, which the driver refuses
		}
		w.plugin = string(plugin)
		if w.plugin == sha256Plugin && w.guarded() {
			return nil, errReadable
		}
		if w.plugin == clientEd25519 && bytes.HasSuffix(challenge, []byte{0}) {
			body = append(body, 0) // the driver cuts this byte off
		}
	case packetMore:
		if w.guarded() && (len(body) != 2 || body[1] != fastSuccess) {
			return nil, errReadable
		}
	}
	return body, nil
}

// guarded reports whether a password must not be sent in a readable form.
func (w *wire) guarded() bool { return !w.encrypted && w.fallback }

// greeting checks the server's first packet and decides on TLS.
func (w *wire) greeting(body []byte) ([]byte, error) {
	_, rest, found := bytes.Cut(body[1:], []byte{0}) // the version
	const (
		capabilities = 4 + 8 + 1                      // after connection, challenge, filler
		plugin       = capabilities + 2 + 6 + 10 + 13 // after status, reserved bytes and the rest of the challenge
	)
	if !found || len(rest) < plugin {
		return nil, netfault.ErrAnswer
	}
	hasTLS := binary.LittleEndian.Uint16(rest[capabilities:])&capabilitySSL != 0
	switch {
	case w.tls == nil:
	case hasTLS:
		w.encrypted = true
	case !w.fallback:
		return nil, errNoTLS
	}
	if name := rest[plugin:]; w.encrypted && bytes.HasPrefix(name, []byte(sha256Plugin)) {
		// The driver would use this plugin at once. With another name the server asks for
		// it later, if the account uses it.
		body = append(body[:len(body)-len(name)], nativePassword+"\x00"...)
	}
	return body, nil
}

var errNoTLS = errors.New("mysql: the server has no TLS")

// Write takes one packet of the login at a time from the driver.
func (w *wire) Write(b []byte) (int, error) {
	if w.over {
		return w.stream.Write(b)
	}
	if len(b) < packetHeader {
		return 0, w.end(netfault.ErrAnswer)
	}
	sequence, body := b[3], b[packetHeader:]
	if w.encrypted && w.shift == 0 {
		var err error
		if body, err = w.secure(sequence, body); err != nil {
			return 0, w.end(err)
		}
	}
	if w.plugin == sha256Plugin && w.encrypted && bytes.Equal(body, []byte{1}) {
		body = append([]byte(w.password.Reveal()), 0) // the driver asks for a key because it does not know of the TLS
	}
	if _, err := w.stream.Write(packet(sequence+w.shift, body)); err != nil {
		return 0, w.end(err)
	}
	return len(b), nil
}

// secure requests TLS with the first part of the answer to the greeting and negotiates
// it. It returns that answer for sending over TLS.
func (w *wire) secure(sequence byte, body []byte) ([]byte, error) {
	const request = 32
	if len(body) < request {
		return nil, netfault.ErrAnswer
	}
	body = bytes.Clone(body)
	binary.LittleEndian.PutUint32(body, binary.LittleEndian.Uint32(body)|capabilitySSL)
	if _, err := w.Conn.Write(packet(sequence, body[:request])); err != nil {
		return nil, err
	}
	conn := tls.Client(w.Conn, w.tls)
	if err := conn.HandshakeContext(w.ctx); err != nil {
		return nil, err
	}
	w.stream, w.shift = conn, 1
	return body, nil
}
