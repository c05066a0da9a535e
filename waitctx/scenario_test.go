package waitctx

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the scenarios print into testdata")

// TestScenarios runs every file of testdata: commands, one to a line, then
// "Output:" and what they print. A command:
//
//	set KEY FD [INTEREST]       interest of r, w, p, s
//	replace KEY FD [INTEREST]
//	interest KEY INTEREST
//	clear KEY, release KEY, get KEY, err KEY, all
//	changes                     prints - delete, ~ modify, + add: FD:INTEREST@TOKEN
//	ack [FD...]                 those the kernel refused
//	bind N, unbind, find N PLACE, acquire, relinquish, close, reset
//
// Every wait has a cleanup, which prints. Tokens print when the context is bound.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in, want, ok := strings.Cut(string(text), "\nOutput:\n")
			if !ok && !*update {
				t.Fatal("no Output:")
			}
			s := scenario{t: t}
			for line := range strings.Lines(in) {
				line, _, _ = strings.Cut(line, "#")
				if f := strings.Fields(line); len(f) > 0 {
					s.do(f[0], f[1:])
				}
			}
			got := s.out.String()
			if *update {
				in = strings.TrimRight(in, "\n")
				if err := os.WriteFile(file, []byte(in+"\n\nOutput:\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("it prints:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

type scenario struct {
	t    *testing.T
	c    WaitCtx
	told []Change
	out  strings.Builder
}

func (s *scenario) print(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

// number reads an argument that has to be there.
func (s *scenario) number(args []string, i int) int {
	s.t.Helper()
	if i >= len(args) {
		s.t.Fatalf("argument %d is missing: %q", i+1, args)
	}
	n, err := strconv.Atoi(args[i])
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func interest(letters string) Interest {
	var i Interest
	for _, l := range letters {
		i |= 1 << strings.IndexRune("rwps", l)
	}
	return i
}

func letters(i Interest) string {
	var b strings.Builder
	for n, l := range "rwps" {
		if i&(1<<n) != 0 {
			b.WriteRune(l)
		}
	}
	return b.String()
}

// wait is the wait that args describe from the second on.
func (s *scenario) wait(args []string) Wait {
	w := Wait{FD: FD(s.number(args, 1)), Cleanup: func(key any, w Wait) { s.print("cleanup %v %d", key, w.FD) }}
	if len(args) > 2 {
		w.Interest = interest(args[2])
	}
	return w
}

func (s *scenario) do(cmd string, args []string) {
	s.t.Helper()
	var key any
	if len(args) > 0 {
		key = args[0]
	}
	var err error
	switch cmd {
	case "set":
		err = s.c.Set(key, s.wait(args))
	case "replace":
		var old Wait
		if old, err = s.c.Replace(key, s.wait(args)); err == nil {
			s.print("replaced %d", old.FD)
		}
	case "interest":
		err = s.c.SetInterest(key, interest(args[1]))
	case "clear":
		w, ok := s.c.Clear(key)
		s.print("cleared %d %v", w.FD, ok)
	case "release":
		s.print("released %v", s.c.Release(key))
	case "get":
		w, ok := s.c.Get(key)
		s.print("get %v: %d:%s %v", key, w.FD, letters(w.Interest), ok)
	case "err":
		s.print("err %v: %v", key, s.c.Err(key))
	case "all":
		s.all()
	case "changes":
		s.changes()
	case "ack":
		s.ack(args)
	case "bind":
		err = s.c.Bind(Token(s.number(args, 0))<<placeBits, nil)
	case "unbind":
		s.c.Unbind()
	case "find":
		k, _, w, ok := s.c.Find(Token(s.number(args, 0))<<placeBits | Token(s.number(args, 1)))
		s.print("found %v %d %v", k, w.FD, ok)
	case "acquire":
		err = s.c.Acquire()
	case "relinquish":
		s.c.Relinquish()
	case "close":
		err = s.c.Close()
	case "reset":
		s.print("reset %v", s.c.Reset())
	default:
		s.t.Fatalf("unknown command %q", cmd)
	}
	if err != nil {
		s.print("%s: %v", cmd, err)
	}
}

func (s *scenario) all() {
	var list []string
	for k, w := range s.c.All() {
		list = append(list, fmt.Sprintf(" %v=%d:%s", k, w.FD, letters(w.Interest)))
	}
	slices.Sort(list)
	s.print("all %d:%s", s.c.Len(), strings.Join(list, ""))
}

// changes prints the difference, sorted within deletes, modifies and adds, as
// their order there is not promised.
func (s *scenario) changes() {
	s.told = s.c.Changes(nil)
	if !slices.IsSortedFunc(s.told, func(a, b Change) int { return int(a.Op) - int(b.Op) }) {
		s.t.Errorf("not deletes, modifies, adds: %+v", s.told)
	}
	var list [OpAdd + 1][]string
	for _, ch := range s.told {
		text := fmt.Sprintf(" %c%d:%s", " -~+"[ch.Op], ch.FD, letters(ch.Interest))
		if s.c.consumer != nil {
			text += fmt.Sprintf("@%d|%d", ch.Token>>placeBits, ch.Token&placeMask)
		} else if ch.Token != Token(ch.ID) {
			s.t.Errorf("unbound, but the token is not the ID: %+v", ch)
		}
		list[ch.Op] = append(list[ch.Op], text)
	}
	var text string
	for op := OpDelete; op <= OpAdd; op++ {
		slices.Sort(list[op])
		text += strings.Join(list[op], "")
	}
	s.print("changes:%s", text)
}

// ack acknowledges what changes printed, but for the descriptors given.
func (s *scenario) ack(args []string) {
	s.t.Helper()
	var failed []Change
	for i := range args {
		fd, before := FD(s.number(args, i)), len(failed)
		for _, ch := range s.told {
			if ch.FD == fd {
				ch.Err = errRefused
				failed = append(failed, ch)
			}
		}
		if len(failed) == before {
			s.t.Fatalf("ack %d: no such change", fd)
		}
	}
	s.c.Ack(failed...)
	s.told = nil
}
