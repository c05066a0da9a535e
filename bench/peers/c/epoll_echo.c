// An echo server on epoll(7): the limit that the others are measured against.
//
//	cc -O2 -o epoll_echo epoll_echo.c
//	./epoll_echo ADDR:PORT
//
// One thread, level-triggered, non-blocking, TCP_NODELAY. A connection is read
// until a read is short, each read is written at once, and EPOLLOUT is asked
// for only while the peer takes no more. recv(2) and send(2) cost less than
// read(2) and write(2) on a socket.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BUFFER = 64 << 10 };

// conn is a connection; rest is what its peer has not taken yet.
struct conn {
	int fd;
	char *rest;
	size_t len, sent;
};

static int epfd;
static char buffer[BUFFER];

static void die(const char *what) {
	perror(what);
	exit(1);
}

static void watch(struct conn *c, int op, unsigned events) {
	struct epoll_event ev = {.events = events, .data.ptr = c};
	if (epoll_ctl(epfd, op, c->fd, &ev) < 0)
		die("epoll_ctl");
}

static void end(struct conn *c) {
	close(c->fd); // which takes it out of the epoll set
	free(c->rest);
	free(c);
}

// drain writes what is left, and goes back to reading when nothing is.
static void drain(struct conn *c) {
	while (c->sent < c->len) {
		ssize_t n = send(c->fd, c->rest + c->sent, c->len - c->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			end(c);
			return;
		}
		c->sent += n;
	}
	free(c->rest);
	c->rest = NULL;
	watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

// keep stores what the peer did not take, and waits for it to take more.
static void keep(struct conn *c, const char *b, size_t len) {
	c->rest = malloc(len);
	if (!c->rest)
		die("malloc");
	memcpy(c->rest, b, len);
	c->len = len;
	c->sent = 0;
	watch(c, EPOLL_CTL_MOD, EPOLLOUT);
}

static void echo(struct conn *c) {
	for (;;) {
		ssize_t n = recv(c->fd, buffer, BUFFER, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			end(c);
			return;
		}
		for (ssize_t sent = 0; sent < n;) {
			ssize_t m = send(c->fd, buffer + sent, n - sent, MSG_NOSIGNAL);
			if (m < 0 && errno == EINTR)
				continue;
			if (m < 0 && errno == EAGAIN) {
				keep(c, buffer + sent, n - sent);
				return;
			}
			if (m < 0) {
				end(c);
				return;
			}
			sent += m;
		}
		if (n < BUFFER)
			return; // a short read has drained the socket
	}
}

static void accept_all(int listener) {
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && errno == EINTR)
			continue;
		if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED))
			return;
		if (fd < 0)
			die("accept4");
		int one = 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		struct conn *c = calloc(1, sizeof *c);
		if (!c)
			die("calloc");
		c->fd = fd;
		watch(c, EPOLL_CTL_ADD, EPOLLIN);
	}
}

int main(int argc, char **argv) {
	char *colon = argc == 2 ? strchr(argv[1], ':') : NULL;
	if (!colon) {
		fprintf(stderr, "usage: epoll_echo ADDR:PORT\n");
		return 2;
	}
	*colon = 0;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	struct sockaddr_in addr = {
	    .sin_family = AF_INET,
	    .sin_port = htons(atoi(colon + 1)),
	};
	if (inet_pton(AF_INET, argv[1], &addr.sin_addr) != 1)
		die(argv[1]);
	if (bind(listener, (struct sockaddr *)&addr, sizeof addr) < 0)
		die("bind");
	if (listen(listener, 4096) < 0)
		die("listen");
	epfd = epoll_create1(EPOLL_CLOEXEC);
	struct conn accepting = {.fd = listener};
	watch(&accepting, EPOLL_CTL_ADD, EPOLLIN);
	static struct epoll_event events[EVENTS];
	for (;;) {
		int n = epoll_wait(epfd, events, EVENTS, -1);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (c == &accepting)
				accept_all(listener);
			else if (c->rest)
				drain(c);
			else
				echo(c);
		}
	}
}
