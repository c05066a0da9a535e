package jobs

import (
	"fmt"
	"reflect"
	"strings"

	"bide/waitctx"
)

// waits spells out what the task is paused on.
func (t *task) waits() []string {
	switch {
	case t.on == onNothing:
		return nil
	case t.on != onWaits:
		return []string{[...]string{
			onSleep: "sleep", onWaker: "waker", onWork: "await", onMutex: "mutex", onCond: "cond",
			onSemaphore: "semaphore", onWaitGroup: "waitgroup", onChan: "chan", onTasks: "tasks",
		}[t.on]}
	case t.place != anyPlace:
		return []string{t.src.spell(t.place)}
	}
	var all []string
	for key, w := range t.src.wc.All() {
		all = append(all, spellWait(key, w.FD))
	}
	return all
}

// spell is the wait at a place in words.
func (src *source) spell(place int32) string {
	key, _, w, ok := src.wc.Find(src.Base() | waitctx.Token(place))
	if !ok {
		return "a wait that is gone"
	}
	return spellWait(key, w.FD)
}

// spellWait is a wait in words, of listings and of errors.
func spellWait(key any, fd waitctx.FD) string {
	return fmt.Sprintf("fd %d (%s)", int(fd), spellKey(key))
}

// spellKey is a key in words: what it says of itself or, of a pointer, a struct or the
// like, its type.
func spellKey(key any) string {
	_, says := key.(fmt.Stringer)
	if kind := reflect.ValueOf(key).Kind(); says || kind <= reflect.Complex128 || kind == reflect.String {
		return fmt.Sprint(key)
	}
	return fmt.Sprintf("%T", key)
}

// String is what a job that waits for a descriptor waits for.
func (k waitKey) String() string {
	var words []string
	for i, word := range []string{"read", "write", "priority", "hang-up"} { // the interests in their order
		if k.interest>>i&1 != 0 {
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}
