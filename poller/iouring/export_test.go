//go:build linux

package iouring

// NewSized is New with rings of other sizes.
var NewSized = newSized
