package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// status is what -admin shows.
type status struct {
	Connections     int64  `json:"connections"`
	Accepted        uint64 `json:"accepted"`
	AcceptErrors    uint64 `json:"accept_errors"`
	HandshakeErrors uint64 `json:"handshake_errors"`
	BackendErrors   uint64 `json:"backend_errors"`
	BytesUp         uint64 `json:"bytes_up"`
	BytesDown       uint64 `json:"bytes_down"`
	JobsLive        int    `json:"jobs_live"`
	Goroutines      int    `json:"goroutines"`
	Loops           int    `json:"loops"`
	Draining        bool   `json:"draining"`

	LastHandshakeError *failure `json:"last_handshake_error"` // or null
	LastBackendError   *failure `json:"last_backend_error"`

	Waits []wait `json:"waits"`
}

// failure is the last error of a kind, which the counters do not tell.
type failure struct {
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}

func (f *failure) String() string {
	if f == nil {
		return "none"
	}
	return fmt.Sprintf("%s %q", f.Time.Format(time.RFC3339), f.Text)
}

// failures may be used from any goroutine.
type failures struct {
	count atomic.Uint64
	last  atomic.Pointer[failure]
}

func (f *failures) add(err error) {
	f.last.Store(&failure{time.Now(), err.Error()})
	f.count.Add(1)
}

// newest is the later of a failure known and the last one of f.
func (f *failures) newest(known *failure) *failure {
	last := f.last.Load()
	if known == nil || last != nil && last.Time.After(known.Time) {
		return last
	}
	return known
}

// wait is a job and what it waits for, or a connection that has none before its
// client has said anything.
type wait struct {
	Job  string   `json:"job"`
	Age  int64    `json:"age_ms"`
	Keys []string `json:"keys"`
}

// Who has the admin page holds few descriptors, and none for long without asking.
const maxAdmin = 64

var adminTimeout = 5 * time.Second // for a request to come

// silence is for package net/http, which would print a line each time it cannot
// accept for want of descriptors; the loops count that.
var silence = log.New(io.Discard, "", 0)

// startAdmin serves /status and /status.json on -admin, on goroutines of its
// own: it answers while a loop is stuck too.
func (p *proxy) startAdmin() (*http.Server, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, p.status())
	})
	mux.HandleFunc("GET /status.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.Encode(p.status())
	})
	server := &http.Server{
		Handler: mux, ErrorLog: silence,
		ReadHeaderTimeout: adminTimeout,
		WriteTimeout:      6 * adminTimeout,
		IdleTimeout:       6 * adminTimeout,
	}
	var open atomic.Int32
	server.ConnState = func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if open.Add(1) > maxAdmin {
				c.Close()
			}
		case http.StateClosed:
			open.Add(-1)
		}
	}
	if p.admin == "" {
		return server, nil
	}
	l, err := net.Listen("tcp", p.admin)
	if err != nil {
		return nil, fmt.Errorf("-admin: %w", err)
	}
	go server.Serve(l)
	return server, nil
}

func (p *proxy) status() status {
	s := status{
		Connections: p.open.Load(),
		JobsLive:    p.group.Live(),
		Goroutines:  runtime.NumGoroutine(),
		Loops:       len(p.loops),
		Draining:    p.draining.Load(),
		Waits:       []wait{},
	}
	for _, l := range p.loops {
		s.Accepted += l.accepted.Load()
		s.AcceptErrors += l.acceptErrors.Load()
		s.HandshakeErrors += l.handshakeErrors.count.Load()
		s.BackendErrors += l.backendErrors.count.Load()
		s.LastHandshakeError = l.handshakeErrors.newest(s.LastHandshakeError)
		s.LastBackendError = l.backendErrors.newest(s.LastBackendError)
		s.BytesUp += l.bytesUp.Load()
		s.BytesDown += l.bytesDown.Load()
		for _, job := range l.sched.List() {
			s.Waits = append(s.Waits, wait{job.Name, job.Age.Milliseconds(), append([]string{}, job.Waits...)})
		}
		s.Waits = append(s.Waits, l.silent()...)
	}
	return s
}

// silent lists the connections whose clients have not said anything. A loop that
// is stuck is not waited for.
func (l *loop) silent() []wait {
	answer := make(chan []wait, 1)
	if !l.sched.Post(func() {
		var list []wait
		for c := l.conns.front; c != nil; c = c.next {
			if !c.heard {
				list = append(list, wait{c.name(), l.since(c.active).Milliseconds(), []string{"client hello"}})
			}
		}
		answer <- list
	}) {
		return nil
	}
	select {
	case list := <-answer:
		return list
	case <-time.After(time.Second):
		return nil
	}
}

// String is the status as text, a name and a value on each line.
func (s status) String() string {
	var b strings.Builder
	for _, line := range []struct {
		name  string
		value any
	}{
		{"connections", s.Connections}, {"accepted", s.Accepted}, {"accept_errors", s.AcceptErrors},
		{"handshake_errors", s.HandshakeErrors}, {"backend_errors", s.BackendErrors},
		{"bytes_up", s.BytesUp}, {"bytes_down", s.BytesDown}, {"jobs_live", s.JobsLive},
		{"goroutines", s.Goroutines}, {"loops", s.Loops}, {"draining", s.Draining},
		{"last_handshake_error", s.LastHandshakeError}, {"last_backend_error", s.LastBackendError},
	} {
		fmt.Fprintf(&b, "%-20s %v\n", line.name, line.value)
	}
	for _, w := range s.Waits {
		fmt.Fprintf(&b, "job %q %d ms: %s\n", w.Job, w.Age, strings.Join(w.Keys, ", "))
	}
	return b.String()
}
