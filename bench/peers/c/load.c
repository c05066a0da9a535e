// A load for echo servers.
//
//	cc -O2 -o load load.c
//	./load -port P -pid SERVER [-conns N] [-rate R] [-warm S] [-time S] [-idle]
//
// It opens connections from 127.0.0.1 to 127.0.0.8 to 127.0.0.1:P, and sends
// pings of 64 bytes, at most one at a time on each, which the server is to echo
// byte by byte. With -rate 0 each echo is followed by the next ping: a closed
// loop, which finds out how much the server can do. Otherwise pings fall due R a
// second, evenly and over the connections in turn, whether or not earlier ones
// were answered, and latency is counted from when a ping was due, not from when
// it could be sent.
//
// It never sleeps: a server would else pay for waking it, and the more the
// faster the load. How busy it is, is what is left of the time beside polls
// that found nothing.
//
// With -idle it pings once over each connection, prints "idle", and keeps them
// until its standard input ends. Otherwise it prints one line of JSON. server_ns
// is the CPU time the process SERVER took meanwhile.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum {
	SIZE = 64,
	EVENTS = 512,
	SOURCES = 8,  // 127.0.0.1 and on
	CHUNK = 128,  // connections opened before the server must have answered them
	FINE = 6,     // a histogram's buckets are 1/64 of their octave
	STUCK = 10,   // seconds without an answer
};

typedef int64_t ns;

struct conn {
	int fd;
	int got;          // bytes of the echo so far; -1: no ping is on its way
	uint64_t seq;     // of the ping
	ns from;          // when it was due or sent
	uint64_t due;     // pings that fell due, with -rate
	uint64_t started; // of these
};

static int port, pid, conns = 100, idle;
static double rate, warm = 0.3, seconds = 1;

static int epfd;
static struct conn *all;
static uint64_t answered, histogram[64 << FINE];

static void die(const char *format, ...) {
	va_list args;
	va_start(args, format);
	fprintf(stderr, "load: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	exit(1);
}

static ns clock_of(clockid_t id) {
	struct timespec t;
	if (clock_gettime(id, &t) < 0)
		die("clock_gettime: %s", strerror(errno));
	return (ns)t.tv_sec * 1000000000 + t.tv_nsec;
}

static ns now(void) { return clock_of(CLOCK_MONOTONIC); }

// bucket is where a latency is counted: exact below 64 ns, then within 1.6 %.
static int bucket(ns latency) {
	uint64_t v = latency < 0 ? 0 : latency;
	int shift = 63 - FINE - __builtin_clzll(v | 1 << FINE);
	return (shift << FINE) + (v >> shift);
}

static ns value(int bucket) {
	int shift = (bucket >> FINE) - 1;
	if (shift < 0)
		return bucket;
	return ((ns)(bucket & ((1 << FINE) - 1)) | 1 << FINE) << shift;
}

static ns quantile(double q) {
	uint64_t total = 0, seen = 0;
	for (int i = 0; i < 64 << FINE; i++)
		total += histogram[i];
	for (int i = 0; i < 64 << FINE; i++)
		if ((seen += histogram[i]) >= q * total && histogram[i])
			return value(i);
	return 0;
}

// fill makes the ping that no other connection has, nor this one at another time.
static void fill(uint64_t b[SIZE / 8], const struct conn *c) {
	uint64_t x = c->seq * 0x9e3779b97f4a7c15 + (uint64_t)(c - all) * 0xbf58476d1ce4e5b9;
	for (int i = 0; i < SIZE / 8; i++)
		b[i] = x += 0x94d049bb133111eb;
}

static void ping(struct conn *c, ns from) {
	uint64_t b[SIZE / 8];
	c->seq++;
	c->got = 0;
	c->from = from;
	fill(b, c);
	ssize_t n = write(c->fd, b, SIZE);
	if (n != SIZE) // the peer has room, as it answered all that was sent
		die("write: %zd, %s", n, strerror(errno));
}

// pong reads an echo and reports whether it is complete.
static int pong(struct conn *c) {
	uint64_t want[SIZE / 8];
	char b[4 * SIZE];
	ssize_t n = read(c->fd, b, sizeof b);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		die("read: %s", n == 0 ? "the server closed a connection" : strerror(errno));
	if (c->got < 0 || c->got + n > SIZE)
		die("the server sent %zd bytes too many", c->got + n - SIZE);
	fill(want, c);
	if (memcmp((char *)want + c->got, b, n) != 0)
		die("the server sent other bytes than it was sent");
	c->got += n;
	if (c->got < SIZE)
		return 0;
	c->got = -1;
	return 1;
}

static void dial(struct conn *c) {
	int one = 1, i = c - all;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket: %s", strerror(errno));
	struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + i % SOURCES)};
	struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct linger reset = {.l_onoff = 1}; // leaves no TIME_WAIT behind
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	if (bind(c->fd, (struct sockaddr *)&source, sizeof source) < 0)
		die("bind: %s", strerror(errno));
	if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0)
		die("connect: %s", strerror(errno));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("epoll_ctl: %s", strerror(errno));
	c->got = -1;
}

// greet waits for the echo of one ping.
static void greet(struct conn *c) {
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	do {
		if (poll(&p, 1, STUCK * 1000) == 0)
			die("no answer over a new connection in %d s", STUCK);
	} while (!pong(c));
}

static void dial_all(void) {
	for (int i = 0; i < conns; i += CHUNK) {
		int end = i + CHUNK < conns ? i + CHUNK : conns;
		for (int k = i; k < end; k++)
			dial(&all[k]);
		for (int k = i; k < end; k++)
			ping(&all[k], 0);
		for (int k = i; k < end; k++)
			greet(&all[k]);
	}
}

// schedule counts the pings that have fallen due by t, and sends those whose
// connections are free.
static void schedule(ns start, ns t, uint64_t *due) {
	uint64_t by = (t - start) * rate / 1e9;
	for (; *due < by; ++*due) {
		struct conn *c = &all[*due % conns];
		c->due++;
		if (c->got < 0)
			ping(c, start + *due * 1e9 / rate), c->started++;
	}
}

// next sends what follows an echo.
static void next(struct conn *c, ns start, ns t) {
	if (rate == 0)
		ping(c, t);
	else if (c->started < c->due)
		ping(c, start + (c->started++ * conns + (c - all)) * 1e9 / rate);
}

// run drives the server until end, and returns how long it had nothing to do.
static ns run(ns start, ns end, uint64_t *due) {
	static struct epoll_event events[EVENTS];
	ns nothing = 0, t = now(), heard = t;
	while (t < end) {
		if (rate > 0)
			schedule(start, t, due);
		int n = epoll_wait(epfd, events, EVENTS, 0);
		if (n < 0 && errno != EINTR)
			die("epoll_wait: %s", strerror(errno));
		ns before = t;
		t = now();
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (!pong(c))
				continue;
			answered++;
			histogram[bucket(t - c->from)]++;
			next(c, start, t);
		}
		if (n > 0)
			heard = t = now();
		else
			nothing += t - before;
		if (t - heard > STUCK * 1000000000LL)
			die("no answer in %d s", STUCK);
	}
	return nothing;
}

static void parse(int argc, char **argv) {
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		if (!strcmp(a, "-idle")) {
			idle = 1;
			continue;
		}
		if (++i == argc)
			die("%s needs a value", a);
		if (!strcmp(a, "-port"))
			port = atoi(argv[i]);
		else if (!strcmp(a, "-pid"))
			pid = atoi(argv[i]);
		else if (!strcmp(a, "-conns"))
			conns = atoi(argv[i]);
		else if (!strcmp(a, "-rate"))
			rate = atof(argv[i]);
		else if (!strcmp(a, "-warm"))
			warm = atof(argv[i]);
		else if (!strcmp(a, "-time"))
			seconds = atof(argv[i]);
		else
			die("what is %s?", a);
	}
	if (port <= 0 || pid <= 0 || conns <= 0 || seconds <= 0 || rate < 0)
		die("need -port, -pid, and numbers that make sense");
}

int main(int argc, char **argv) {
	parse(argc, argv);
	clockid_t server;
	if (clock_getcpuclockid(pid, &server) != 0)
		die("no process %d", pid);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	all = calloc(conns, sizeof *all);
	dial_all();
	if (idle) {
		char b;
		puts("idle");
		fflush(stdout);
		while (read(0, &b, 1) > 0)
			;
		return 0;
	}
	uint64_t due = 0;
	ns start = now();
	if (rate == 0)
		for (int i = 0; i < conns; i++)
			ping(&all[i], now());
	run(start, start + warm * 1e9, &due);
	answered = 0;
	memset(histogram, 0, sizeof histogram);
	ns began = now(), cpu = clock_of(server);
	ns nothing = run(start, began + seconds * 1e9, &due);
	cpu = clock_of(server) - cpu;
	ns took = now() - began;
	printf("{\"requests\":%lu,\"ns\":%ld,\"server_ns\":%ld,\"load_busy\":%.4f,"
	       "\"p50\":%ld,\"p99\":%ld,\"p999\":%ld,\"max\":%ld}\n",
	       answered, took, cpu, 1 - (double)nothing / took,
	       quantile(0.5), quantile(0.99), quantile(0.999), quantile(1));
	return 0;
}
