//go:build openssl && linux && cgo

#include "loops.h"

#include <stdlib.h>
#include <time.h>
#include <openssl/async.h>

static int64_t clock_now(void) {
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// job is what a job is given, a pointer to it since OpenSSL copies the argument.
struct job {
	long waits, ran;
	int stop, failed;
};

static int pausing(void *arg) {
	struct job *j = *(struct job **)arg;
	while (!j->stop) {
		ASYNC_pause_job();
		j->ran++;
	}
	return 1;
}

static int ending(void *arg) {
	struct job *j = *(struct job **)arg;
	j->ran++;
	return 1;
}

static int changing(void *arg) {
	struct job *j = *(struct job **)arg;
	ASYNC_WAIT_CTX *ctx = ASYNC_get_wait_ctx(ASYNC_get_current_job());
	char *keys = malloc(j->waits);
	for (long i = 0; i < j->waits; i++)
		if (!ASYNC_WAIT_CTX_set_wait_fd(ctx, &keys[i], 100 + i, NULL, NULL)) j->failed = 1;
	ASYNC_pause_job();
	char *key = &keys[j->waits - 1];
	while (!j->stop) {
		OSSL_ASYNC_FD add[1], del[1];
		size_t adds = 0, dels = 0;
		if (!ASYNC_WAIT_CTX_clear_fd(ctx, key) || !ASYNC_WAIT_CTX_set_wait_fd(ctx, key, 1, NULL, NULL) ||
		    !ASYNC_WAIT_CTX_get_changed_fds(ctx, add, &adds, del, &dels) || adds != 1 || dels != 1)
			j->failed = 1;
		ASYNC_pause_job();
		j->ran++;
	}
	free(keys);
	return 1;
}

// steps resumes a job of a function n times, once it has paused warmup times.
static int64_t steps(int (*fn)(void *), long waits, long n) {
	enum { warmup = 3 };
	struct job j = {.waits = waits}, *arg = &j;
	ASYNC_JOB *job = NULL;
	int ret = 0;
	if (!ASYNC_init_thread(1, 1)) return -1;
	ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
	if (ctx == NULL) return -1;
	for (int i = 0; i < warmup; i++)
		if (ASYNC_start_job(&job, ctx, &ret, fn, &arg, sizeof arg) != ASYNC_PAUSE) return -1;
	long before = j.ran;
	int64_t t = clock_now();
	for (long i = 0; i < n; i++)
		if (ASYNC_start_job(&job, ctx, &ret, fn, &arg, sizeof arg) != ASYNC_PAUSE) return -1;
	t = clock_now() - t;
	if (j.failed || j.ran - before != n) return -1;
	j.stop = 1;
	if (ASYNC_start_job(&job, ctx, &ret, fn, &arg, sizeof arg) != ASYNC_FINISH || ret != 1) return -1;
	ASYNC_WAIT_CTX_free(ctx);
	ASYNC_cleanup_thread();
	return t;
}

int64_t resume(long n) { return steps(pausing, 0, n); }

int64_t diff(long n, long waits) { return steps(changing, waits, n); }

int64_t start_finish(long n) {
	struct job j = {0}, *arg = &j;
	ASYNC_JOB *job = NULL;
	int ret = 0;
	if (!ASYNC_init_thread(1, 1)) return -1;
	ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
	if (ctx == NULL) return -1;
	int64_t t = clock_now();
	for (long i = 0; i < n; i++)
		if (ASYNC_start_job(&job, ctx, &ret, ending, &arg, sizeof arg) != ASYNC_FINISH || ret != 1) return -1;
	t = clock_now() - t;
	ASYNC_WAIT_CTX_free(ctx);
	ASYNC_cleanup_thread();
	return j.ran == n ? t : -1;
}

int64_t pause_jobs(long n) {
	static struct job j, *arg = &j;
	for (long i = 0; i < n; i++) {
		ASYNC_JOB *job = NULL;
		ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
		int ret;
		if (ctx == NULL || ASYNC_start_job(&job, ctx, &ret, pausing, &arg, sizeof arg) != ASYNC_PAUSE) return -1;
	}
	return 0;
}

int64_t new_wait_ctxs(long n) {
	for (long i = 0; i < n; i++) {
		ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
		if (ctx == NULL || !ASYNC_WAIT_CTX_set_wait_fd(ctx, ctx, 1, NULL, NULL)) return -1;
	}
	return 0;
}
