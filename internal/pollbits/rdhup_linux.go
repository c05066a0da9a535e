package pollbits

import "golang.org/x/sys/unix"

const rdHup = unix.POLLRDHUP
