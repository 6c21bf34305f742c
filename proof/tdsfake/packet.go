package tdsfake

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// Packet types ([MS-TDS] 2.2.3.1.1).
const (
	packetBatch     = 1
	packetRPC       = 3
	packetReply     = 4
	packetAttention = 6
	packetLogin     = 16
	packetPrelogin  = 18
)

const (
	headerLength = 8
	packetLength = 4096
	endOfMessage = 1
)

// readMessage reads the packets of one message.
func readMessage(r io.Reader) (kind byte, body []byte, err error) {
	for {
		var header [headerLength]byte
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return 0, nil, err
		}
		length := int(binary.BigEndian.Uint16(header[2:]))
		if length < headerLength || kind != 0 && header[0] != kind {
			return 0, nil, fmt.Errorf("a malformed packet")
		}
		kind = header[0]
		part := make([]byte, length-headerLength)
		if _, err := io.ReadFull(r, part); err != nil {
			return 0, nil, err
		}
		body = append(body, part...)
		if header[1]&endOfMessage != 0 {
			return kind, body, nil
		}
	}
}

// writeMessage writes a message in packets.
func writeMessage(w io.Writer, kind byte, body []byte) error {
	for number := byte(1); ; number++ {
		n := min(len(body), packetLength-headerLength)
		packet := make([]byte, headerLength, headerLength+n)
		packet[0], packet[6] = kind, number
		if n == len(body) {
			packet[1] = endOfMessage
		}
		binary.BigEndian.PutUint16(packet[2:], uint16(headerLength+n))
		if _, err := w.Write(append(packet, body[:n]...)); err != nil {
			return err
		}
		if body = body[n:]; len(body) == 0 {
			return nil
		}
	}
}

// handshakeConn carries TLS inside of PRELOGIN packets until plain is set.
type handshakeConn struct {
	net.Conn
	plain bool
	rest  []byte
}

func (c *handshakeConn) Read(b []byte) (int, error) {
	if c.plain {
		return c.Conn.Read(b)
	}
	if len(c.rest) == 0 {
		kind, body, err := readMessage(c.Conn)
		if err != nil {
			return 0, err
		}
		if kind != packetPrelogin {
			return 0, fmt.Errorf("packet of type %d during the handshake", kind)
		}
		c.rest = body
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *handshakeConn) Write(b []byte) (int, error) {
	if c.plain {
		return c.Conn.Write(b)
	}
	return len(b), writeMessage(c.Conn, packetPrelogin, b)
}
