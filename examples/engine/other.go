//go:build !unix

package main

import "log"

func main() { log.Fatal("engine: the engine's wait fd is a pipe's, of a Unix system") }
