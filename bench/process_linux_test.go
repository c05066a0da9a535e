package bench

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// work is what a process of its own does for a benchmark: it sets something up
// for arg, and answers questions. What it says first is hello.
type work func(arg int) (hello int, answer func(n int) float64)

// works are there by name.
var works = map[string]work{}

const (
	workEnv = "BIDE_BENCH_WORK"
	argEnv  = "BIDE_BENCH_ARG"
)

// TestMain is also where a process of its own begins. It writes hello, and for
// each number it reads an answer, until there are none.
func TestMain(m *testing.M) {
	name := os.Getenv(workEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	log.SetFlags(0)
	log.SetPrefix(name + ": ")
	arg, err := strconv.Atoi(os.Getenv(argEnv))
	if err != nil || works[name] == nil {
		log.Fatalf("no such work, or not a number: %v", err)
	}
	hello, answer := works[name](arg)
	fmt.Println(hello)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(answer(n))
	}
	os.Exit(0)
}

// process is a running work.
type process struct {
	t     testing.TB
	name  string
	hello int
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Scanner
}

// start starts the test's binary again for a work on so many processors. It ends
// with the test, or by end.
func start(t testing.TB, name string, arg, procs int) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), workEnv+"="+name, argEnv+"="+strconv.Itoa(arg), "GOMAXPROCS="+strconv.Itoa(procs))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, name: name, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(p.end)
	p.hello = int(p.read())
	return p
}

func (p *process) read() float64 {
	p.t.Helper()
	if !p.out.Scan() {
		p.t.Fatalf("%s ended: %v", p.name, p.out.Err())
	}
	x, err := strconv.ParseFloat(p.out.Text(), 64)
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	return x
}

// ask puts a question.
func (p *process) ask(n int) float64 {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, n); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	return p.read()
}

// end has the process exit, and waits until it has.
func (p *process) end() {
	if p.cmd == nil {
		return
	}
	p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%s: %v", p.name, err)
	}
	p.cmd = nil
}
