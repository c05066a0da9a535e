//go:build !linux

package main

import "log"

func main() { log.Fatal("foreignloop: this example is an epoll loop, and needs Linux") }
