// Peers measures bide beside its rivals, and writes bench/RESULTS.md.
//
//	make bench-report
//
// It runs the benchmarks of bench/, which are of bide's own module, once a round,
// and echo servers: bide's examples/echo, package net, gnet, nbio, netpoll, gaio,
// evio, and as the limit a hand-written epoll loop in C.
//
// The report begins with what was to be reached (target.go), and whether this run
// did. unmet.md has what is to be said of targets that were not.
//
// # Echo servers
//
// Each server is a process on a core of its own, the load (c/load.c) one on
// another. What is compared is the CPU time a server takes for an echo of 64
// bytes, as the kernel counts it for the process over the measured time:
//
//   - saturation: a ping follows each echo at once, on every connection;
//   - open loop: pings fall due at one fixed rate, the same for all servers:
//     half of what the slowest can do. Latency counts from when a ping was due.
//
// At saturation the load is about as busy as the fastest server: three quarters
// of its time are spent in send(2), which on the loopback device delivers to the
// server's socket, as the server's deliver to the load's. That hides what the
// server could do at most, not what an echo costs it.
//
// Rounds are interleaved, and the order of the servers is rotated from one to
// the next. A ratio is taken within a round, and the median over the rounds is
// reported with the least and the greatest.
//
// # Parts of it
//
//	go run . -only bench,memory -rounds 1
//
// measures less. With -json the single results are kept, from which -from makes
// the report and the charts again.
//
// The module is apart so that bide's own requires none of the rivals.
package main
