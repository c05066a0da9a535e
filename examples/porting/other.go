//go:build !unix

package main

import "log"

func main() { log.Fatal("porting: the example's wait fd is a pipe's, of a Unix system") }
