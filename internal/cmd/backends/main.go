// Backends prints the backends of this system other than the default, one a
// line, for make test-backends.
package main

import (
	"fmt"

	"bide/poller"
)

func main() {
	for i, name := range poller.Backends() {
		if i > 0 {
			fmt.Println(name)
		}
	}
}
