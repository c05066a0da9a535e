// Package jobnet has connections and listeners whose calls pause a job, and
// stock crypto/tls over them.
//
// A [Conn] belongs to the loop of its scheduler: call its methods from a job or
// from Scheduler.Post. c.In(j) is the net.Conn whose calls pause j. At rest a
// connection is a descriptor and a registration; ReadWatch().SetFunc has a
// pooled job started when it becomes readable.
//
// Calls from other goroutines are not supported yet, nor are deadlines of
// writes that have begun, Unix sockets and UDP.
package jobnet
