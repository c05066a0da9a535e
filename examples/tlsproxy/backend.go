package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
)

// backend is the HTTP server that stands in when no -backend is given. It
// greets a GET and sends the body of anything else back while it arrives.
type backend struct {
	http.Server
	addr string
}

func startBackend() (*backend, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("backend: %w", err)
	}
	b := &backend{addr: l.Addr().String()}
	b.Handler = http.HandlerFunc(greet)
	b.ErrorLog = silence
	go b.Serve(l)
	return b, nil
}

func greet(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		fmt.Fprintf(w, "Hello from behind bide's TLS proxy: %s %s\n", r.Method, r.URL.Path)
		return
	}
	http.NewResponseController(w).EnableFullDuplex()
	io.Copy(w, r.Body)
}
