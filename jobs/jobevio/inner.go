//go:build linux || darwin || freebsd

package jobevio

import (
	"errors"
	"reflect"
	"unsafe"

	"github.com/tidwall/evio"
)

// inner is what evio does not tell of a connection. It belongs to the loop's
// goroutine, and fd is the connection's until evio's Closed.
type inner struct {
	fd   int
	out  *[]byte        // what evio has taken over and not written
	loop unsafe.Pointer // evio's
}

var errLayout = errors.New("jobevio: evio's connection is not that of v1.0.8")

// look finds the fields of evio's connection.
func look(ec evio.Conn) (inner, error) {
	v := reflect.ValueOf(ec)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return inner{}, errLayout
	}
	fd, out, loop := v.Elem().FieldByName("fd"), v.Elem().FieldByName("out"), v.Elem().FieldByName("loop")
	if !fd.IsValid() || fd.Kind() != reflect.Int ||
		!out.IsValid() || out.Type() != reflect.TypeFor[[]byte]() ||
		!loop.IsValid() || loop.Kind() != reflect.Pointer || loop.IsNil() {
		return inner{}, errLayout
	}
	return inner{int(fd.Int()), (*[]byte)(out.Addr().UnsafePointer()), loop.UnsafePointer()}, nil
}
