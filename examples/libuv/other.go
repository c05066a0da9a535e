//go:build !libuv || !cgo || !unix

package main

import "log"

func main() { log.Fatal("libuv: needs a Unix system, cgo, libuv and -tags libuv") }
