//go:build !linux && !darwin && !freebsd

package main

import "log"

func main() { log.Fatal("evio: this example needs a system that evio builds on") }
