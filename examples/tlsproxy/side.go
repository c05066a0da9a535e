package main

import (
	"bide/jobs"
	"bide/jobs/jobnet"
)

// side is one end of a proxied connection, as a direction sees it: reads never
// pause, writes do.
type side interface {
	read(b []byte) (int, error)
	write(j jobs.Job, b []byte) error
	closeWrite(j jobs.Job) error
	watch() jobs.Watch
	socket() *jobnet.Conn
}

// clientSide speaks TLS.
type clientSide struct{ *jobnet.TLSConn }

func (s clientSide) read(b []byte) (int, error)       { return s.TryRead(b) }
func (s clientSide) write(j jobs.Job, b []byte) error { return s.WriteIn(j, b) }
func (s clientSide) closeWrite(j jobs.Job) error      { return s.CloseWriteIn(j) }
func (s clientSide) watch() jobs.Watch                { return s.Conn().ReadWatch() }
func (s clientSide) socket() *jobnet.Conn             { return s.Conn() }

// backendSide speaks plain TCP.
type backendSide struct{ *jobnet.Conn }

func (s backendSide) read(b []byte) (int, error)       { return s.TryRead(b) }
func (s backendSide) write(j jobs.Job, b []byte) error { return s.WriteIn(j, b) }
func (s backendSide) closeWrite(_ jobs.Job) error      { return s.CloseWrite() }
func (s backendSide) watch() jobs.Watch                { return s.ReadWatch() }
func (s backendSide) socket() *jobnet.Conn             { return s.Conn }
