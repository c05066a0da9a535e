//go:build unix && !linux

package pollbits

const rdHup = 0 // not in POSIX: a peer's last byte shows as POLLIN
