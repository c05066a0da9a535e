package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a server under measurement.
type server struct {
	name   string
	module string   // whose version is reported
	how    string   // its line in the report
	build  []string // arguments of go build; none: it is the one in C
	args   []string // before the address
	bin    string   // set by build
}

// servers begins with the limit that the others are compared with.
var servers = []*server{
	{
		name: "c-epoll",
		how:  "c/epoll_echo.c: level-triggered epoll, recv until short, send at once; cc -O2",
	},
	{
		name:  "bide",
		how:   "examples/echo, default flags: a job for each connection, jobnet.Conn",
		build: []string{"../../examples/echo"},
		args:  []string{"-listen"},
	},
	{
		name:  "bide-stackless",
		how:   "examples/echo -stackless: a Watch for each connection",
		build: []string{"../../examples/echo"},
		args:  []string{"-stackless", "-listen"},
	},
	{
		name:  "std",
		how:   "package net: a goroutine with a 4 KiB buffer for each connection, multipath TCP off",
		build: []string{"./servers/std"},
		args:  []string{"-listen"},
	},
	{
		name:   "gnet",
		module: "github.com/panjf2000/gnet/v2",
		how:    "-tags poll_opt, NumEventLoop 1, ReusePort (its loop accepts), Next(-1) and Write",
		build:  []string{"-tags", "poll_opt", "./servers/gnet"},
		args:   []string{"-listen"},
	},
	{
		name:   "nbio",
		module: "github.com/lesismal/nbio",
		how:    "NPoller 1, Write of the buffer it lends to OnData, multipath TCP off",
		build:  []string{"./servers/nbio"},
		args:   []string{"-listen"},
	},
	{
		name:   "netpoll",
		module: "github.com/cloudwego/netpoll",
		how:    "PollerNum 1, handlers in its goroutine pool (the default), Next, WriteBinary, Flush, multipath TCP off",
		build:  []string{"./servers/netpoll"},
		args:   []string{"-listen"},
	},
	{
		name:   "gaio",
		module: "github.com/xtaci/gaio",
		how:    "the echo server of its README with 4 KiB buffers, one watcher, multipath TCP off",
		build:  []string{"./servers/gaio"},
		args:   []string{"-listen"},
	},
	{
		name:   "evio",
		module: "github.com/tidwall/evio",
		how:    "NumLoops 1, ReuseInputBuffer; has no way to set TCP_NODELAY",
		build:  []string{"./servers/evio"},
		args:   []string{"-listen"},
	},
}

func serverNames() []string {
	var names []string
	for _, s := range servers {
		names = append(names, s.name)
	}
	return names
}

// build compiles the servers, and the load, into dir.
func build(dir string, servers []*server) error {
	for _, s := range servers {
		s.bin = filepath.Join(dir, s.name)
		var err error
		if s.build == nil {
			_, err = command(".", "cc", "-O2", "-o", s.bin, "c/epoll_echo.c")
		} else {
			// Each in the module it belongs to, with the versions of that.
			pkg := s.build[len(s.build)-1]
			args := append([]string{"build", "-o", s.bin}, s.build[:len(s.build)-1]...)
			_, err = command(pkg, "go", append(args, ".")...)
		}
		if err != nil {
			return err
		}
	}
	_, err := command(".", "cc", "-O2", "-o", filepath.Join(dir, "load"), "c/load.c")
	return err
}

// version is the version of the server's module, or "".
func (s *server) version() (string, error) {
	if s.module == "" {
		return "", nil
	}
	return command(".", "go", "list", "-m", "-f", "{{.Version}}", s.module)
}

// instance is a running server.
type instance struct {
	cmd  *exec.Cmd
	port int
}

// start runs a server on a core of its own and waits until it listens.
func (s *server) start(core int) (*instance, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	args := append(append([]string{"-c", strconv.Itoa(core), s.bin}, s.args...), addr)
	i := &instance{exec.Command("taskset", args...), port}
	i.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	if err := i.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return i, nil
		}
		if time.Now().After(end) {
			i.stop()
			return nil, fmt.Errorf("%s does not listen: %w", s.name, err)
		}
	}
}

// freePort asks the system for a port that nothing listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (i *instance) pid() int { return i.cmd.Process.Pid }

// stop ends the server, by force as some need it.
func (i *instance) stop() {
	i.cmd.Process.Signal(syscall.SIGKILL)
	i.cmd.Wait()
}

// resident is the resident memory of the server in bytes: VmRSS of proc(5).
func (i *instance) resident() (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", i.pid()))
	if err != nil {
		return 0, err
	}
	_, after, ok := strings.Cut(string(b), "VmRSS:")
	fields := strings.Fields(after)
	if !ok || len(fields) == 0 {
		return 0, fmt.Errorf("process %d has no VmRSS", i.pid())
	}
	kib, err := strconv.Atoi(fields[0])
	return kib << 10, err
}
