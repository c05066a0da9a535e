package main

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// forged is the client's side of a TLS 1.3 connection after its handshake, for
// records that crypto/tls does not send: RFC 8446, sections 4.6.3, 5.2 and 7.2.
type forged struct {
	raw     *net.TCPConn
	r       *bufio.Reader
	in, out traffic
	updates int // KeyUpdates received
}

// Record and message types.
const (
	typeHandshake   = 22
	typeApplication = 23
	msgKeyUpdate    = 24
)

// forge shakes hands by crypto/tls and takes over from there.
func forge(t *testing.T, r *running) *forged {
	t.Helper()
	raw := plain(t, r)
	var log bytes.Buffer
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: &log})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if suite := c.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("only AES-128-GCM can be forged, not ", tls.CipherSuiteName(suite))
	}
	// Nothing that the server sends now can be in c: it has yet to read the
	// message that ends the handshake.
	f := &forged{raw: raw, r: bufio.NewReader(raw)}
	for line := range strings.Lines(log.String()) {
		words := strings.Fields(line)
		secret, err := hex.DecodeString(words[len(words)-1])
		if err != nil {
			t.Fatal(err)
		}
		switch words[0] {
		case "CLIENT_TRAFFIC_SECRET_0":
			f.out.use(secret)
		case "SERVER_TRAFFIC_SECRET_0":
			f.in.use(secret)
		}
	}
	if f.in.aead == nil || f.out.aead == nil {
		t.Fatalf("no secrets in %q", log.String())
	}
	return f
}

// traffic is one direction's keys.
type traffic struct {
	secret, iv []byte
	aead       cipher.AEAD
	seq        uint64
}

func (k *traffic) use(secret []byte) {
	k.secret, k.iv, k.seq = secret, expandLabel(secret, "iv", 12), 0
	block, err := aes.NewCipher(expandLabel(secret, "key", 16))
	if err != nil {
		panic(err)
	}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		panic(err)
	}
}

func (k *traffic) update() { k.use(expandLabel(k.secret, "traffic upd", sha256.Size)) }

// nonce is that of the next record.
func (k *traffic) nonce() []byte {
	n := bytes.Clone(k.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, k.seq) {
		n[4+i] ^= b
	}
	k.seq++
	return n
}

func expandLabel(secret []byte, label string, length int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(length))
	info = append(info, byte(len("tls13 "+label)))
	info = append(info, "tls13 "+label...)
	info = append(info, 0) // no context
	out, err := hkdf.Expand(sha256.New, secret, string(info), length)
	if err != nil {
		panic(err)
	}
	return out
}

// record returns b encrypted.
func (f *forged) record(kind byte, b []byte) []byte {
	head := []byte{typeApplication, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(b)+1+f.out.aead.Overhead()))
	return f.out.aead.Seal(head, f.out.nonce(), append(bytes.Clone(b), kind), head)
}

// askUpdate returns a KeyUpdate that asks for one in return.
func (f *forged) askUpdate() []byte {
	r := f.record(typeHandshake, []byte{msgKeyUpdate, 0, 0, 1, 1})
	f.out.update()
	return r
}

// read returns the data of the next record that has any.
func (f *forged) read() ([]byte, error) {
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(f.r, head); err != nil {
			return nil, err
		}
		b := make([]byte, binary.BigEndian.Uint16(head[3:]))
		if _, err := io.ReadFull(f.r, b); err != nil {
			return nil, err
		}
		b, err := f.in.aead.Open(b[:0], f.in.nonce(), b, head)
		if err != nil {
			return nil, err
		}
		kind := b[len(b)-1]
		b = b[:len(b)-1]
		switch {
		case kind == typeApplication && len(b) > 0:
			return b, nil
		case kind == typeHandshake && b[0] == msgKeyUpdate:
			f.in.update()
			f.updates++
		case kind != typeHandshake && kind != typeApplication:
			return nil, fmt.Errorf("a record of type %d: %x", kind, b)
		}
	}
}
