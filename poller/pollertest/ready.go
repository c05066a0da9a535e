package pollertest

import (
	"strings"

	"bide/waitctx"
)

// readyString spells readiness out for failures.
func readyString(r waitctx.Ready) string {
	if r == 0 {
		return "nothing"
	}
	var names []string
	for i, name := range []string{"In", "Out", "Pri", "Err", "Hup", "RdHup", "Closed"} {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "|")
}
