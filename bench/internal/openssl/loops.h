#include <stdint.h>

// The loops return what n steps took of the thread's CPU time in nanoseconds, or
// -1 if OpenSSL did not do what they expect. Each begins with a pool of its own,
// and ends it.

// resume resumes a job, which pauses again.
int64_t resume(long n);

// start_finish starts a job of the pool, which ends without a pause.
int64_t start_finish(long n);

// diff resumes a job that clears one of its wait fds, sets it anew and asks what
// changed, and pauses.
int64_t diff(long n, long waits);

// pause_jobs leaves n jobs paused, each with a context. It returns 0.
int64_t pause_jobs(long n);

// new_wait_ctxs leaves n contexts of one wait fd each. It returns 0.
int64_t new_wait_ctxs(long n);
