package jobnet

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"sync"
	"unsafe"
)

// bufferSize has room for two records with their headers and expansion, which
// is what crypto/tls needs to move the beginning of a record to the front of
// its buffer instead of asking for a larger one.
const bufferSize = 36 << 10

// buffer is lent to a connection while it has bytes in hand.
type buffer [bufferSize]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// A tls.Conn keeps two buffers for life: of the records it has read and of the
// handshake messages in them. They grow to what was ever needed, which for a
// connection at rest is most of what it holds. An empty bytes.Buffer is as good
// as any other, whatever its capacity: so while they are empty they are taken
// away, and before a read the first is lent one that holds what a system call
// may bring.
//
// Both are found by name and type. Where crypto/tls has others it keeps its
// buffers, and is right but larger.
var rawInputField, handField, inputField = tlsField[bytes.Buffer]("rawInput"), tlsField[bytes.Buffer]("hand"), tlsField[bytes.Reader]("input")

// field is where a T lies in a tls.Conn.
type field[T any] struct {
	offset uintptr
	known  bool
}

func tlsField[T any](name string) field[T] {
	f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name)
	return field[T]{f.Offset, ok && f.Type == reflect.TypeFor[T]()}
}

// of returns the field of c, or nil.
func (f field[T]) of(c *tls.Conn) *T {
	if !f.known {
		return nil
	}
	return (*T)(unsafe.Add(unsafe.Pointer(c), f.offset))
}

// lend gives the records' buffer something to read into.
func (t *TLSConn) lend() {
	if raw := rawInputField.of(t.tls); raw != nil && raw.Cap() == 0 {
		t.lent = buffers.Get().(*buffer)
		*raw = *bytes.NewBuffer(t.lent[:0])
	}
}

// empty reports whether crypto/tls has nothing of what was read. What is left of
// the last record, input, lies in the buffer of records.
func (t *TLSConn) empty() bool {
	raw, hand, input := rawInputField.of(t.tls), handField.of(t.tls), inputField.of(t.tls)
	return raw != nil && hand != nil && input != nil && raw.Len()+hand.Len()+input.Len() == 0
}

// takeBack takes the buffers away that crypto/tls has nothing in.
func (t *TLSConn) takeBack() {
	if !t.empty() {
		return
	}
	*rawInputField.of(t.tls) = bytes.Buffer{}
	*inputField.of(t.tls) = bytes.Reader{} // it holds on to the last record
	*handField.of(t.tls) = bytes.Buffer{}
	if t.lent != nil {
		buffers.Put(t.lent)
		t.lent = nil
	}
}
