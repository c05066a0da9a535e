// Peers measures echo servers beside each other: bide's examples/echo, package
// net, gnet, nbio, netpoll, gaio, evio, and as the limit a hand-written epoll
// loop in C.
//
//	make bench-peers
//
// Each server is a process on a core of its own, the load (c/load.c) one on
// another. What is compared is the CPU time a server takes for an echo of 64
// bytes, as the kernel counts it for the process over the measured time:
//
//   - saturation: a ping follows each echo at once, on every connection;
//   - open loop: pings fall due at one fixed rate, the same for all servers:
//     half of what the slowest can do. Latency counts from when a ping was due.
//
// Rounds are interleaved, and the order of the servers is rotated from one to
// the next. A ratio is taken within a round, and the median over the rounds is
// reported with the least and the greatest.
//
// With -json the single results are kept, from which -from makes the report and
// the charts again.
//
// The module is apart so that bide's own requires none of the rivals.
package main
