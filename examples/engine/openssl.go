//go:build openssl && linux && cgo

package main

/*
#cgo LDFLAGS: -lssl -lcrypto -lpthread
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <openssl/async.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

static const char key; // of the wait: its address

static void cleanup(ASYNC_WAIT_CTX *ctx, const void *k, OSSL_ASYNC_FD fd, void *data) {
	close(fd);
}

static void *work(void *arg) { // on another thread, as a device would
	uint64_t one = 1;
	ssize_t n = write((int)(intptr_t)arg, &one, sizeof one);
	(void)n;
	return NULL;
}

// pauses counts; of the one thread that runs the jobs.
static long pauses;

// detour is the asynchronous party: it has another thread work, and pauses until
// the wait fd says that this is done. The fd stays registered from one to the
// next. Outside a job it does nothing.
static int detour(void) {
	ASYNC_JOB *job = ASYNC_get_current_job();
	if (job == NULL) return 1;
	ASYNC_WAIT_CTX *ctx = ASYNC_get_wait_ctx(job);
	OSSL_ASYNC_FD fd;
	void *data;
	if (!ASYNC_WAIT_CTX_get_fd(ctx, &key, &fd, &data)) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fd < 0) return 0;
		if (!ASYNC_WAIT_CTX_set_wait_fd(ctx, &key, fd, NULL, cleanup)) {
			close(fd);
			return 0;
		}
	}
	pthread_t thread;
	if (pthread_create(&thread, NULL, work, (void *)(intptr_t)fd) != 0) return 0;
	uint64_t count;
	do { // a resume need not mean that the fd is readable
		pauses++;
		ASYNC_pause_job();
	} while (read(fd, &count, sizeof count) != sizeof count);
	pthread_join(thread, NULL);
	return 1;
}

static int servername(SSL *s, int *alert, void *arg) {
	return detour() ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void message(int write_p, int version, int type, const void *buf, size_t len, SSL *s, void *arg) {
	if (write_p && type == SSL3_RT_HEADER && SSL_is_init_finished(s)) detour();
}

// certify gives the context a key and a certificate of its own making.
static int certify(SSL_CTX *ctx) {
	int ok = 0;
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	if (pkey != NULL && x != NULL) {
		ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
		X509_gmtime_adj(X509_getm_notBefore(x), -60);
		X509_gmtime_adj(X509_getm_notAfter(x), 3600);
		X509_set_pubkey(x, pkey);
		X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
		X509_set_issuer_name(x, X509_get_subject_name(x));
		ok = X509_sign(x, pkey, EVP_sha256()) > 0 && SSL_CTX_use_certificate(ctx, x) == 1 && SSL_CTX_use_PrivateKey(ctx, pkey) == 1;
	}
	X509_free(x);
	EVP_PKEY_free(pkey);
	return ok;
}

// connect2 makes a server, whose calls are jobs, and a client, joined by memory.
static int connect2(SSL **server, SSL **client) {
	SSL_CTX *sc = SSL_CTX_new(TLS_server_method()), *cc = SSL_CTX_new(TLS_client_method());
	BIO *a, *b;
	int ok = 0;
	if (sc != NULL && cc != NULL && certify(sc) && BIO_new_bio_pair(&a, 1 << 17, &b, 1 << 17)) {
		SSL_CTX_set_tlsext_servername_callback(sc, servername);
		SSL_CTX_set_msg_callback(sc, message);
		SSL_CTX_set_mode(sc, SSL_MODE_ASYNC);
		*server = SSL_new(sc);
		*client = SSL_new(cc);
		SSL_set_bio(*server, a, a);
		SSL_set_bio(*client, b, b);
		SSL_set_accept_state(*server);
		SSL_set_connect_state(*client);
		ok = SSL_set_tlsext_host_name(*client, "localhost");
	}
	SSL_CTX_free(sc);
	SSL_CTX_free(cc);
	return ok;
}

static long paused(void) { return pauses; }
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"bide/waitctx"
)

// tls is a server whose calls OpenSSL runs as jobs, and the client it talks to,
// in one thread. What the server's jobs wait for goes through a WaitCtx and a
// poller of bide's.
type tls struct {
	server, client *C.SSL
	w              waiting
}

// newTLS returns the pair. OpenSSL's jobs belong to a thread: the goroutine, or
// that of the loop if it is called by a job, must be locked to its own.
func newTLS(w waiting) (*tls, error) {
	t := &tls{w: w}
	if C.connect2(&t.server, &t.client) == 0 {
		C.SSL_free(t.server)
		C.SSL_free(t.client)
		return nil, errors.New("engine: OpenSSL would not begin")
	}
	return t, nil
}

// close has the poller let go of what OpenSSL is about to close.
func (t *tls) close() error {
	var fds []any // which are their keys
	for key := range t.w.ctx().All() {
		fds = append(fds, key)
	}
	for _, fd := range fds {
		t.w.ctx().Clear(fd)
	}
	err := t.w.apply()
	C.SSL_free(t.server) // runs cleanups
	C.SSL_free(t.client)
	return err
}

// cleanupThread frees the jobs that OpenSSL keeps for the thread.
func cleanupThread() { C.ASYNC_cleanup_thread() }

// paused is how often a callback has paused its job.
func paused() int { return int(C.paused()) }

// job calls a function of the server's until it is done, or wants the client: it
// reports which. Each time the function's job has paused, what changed is applied,
// and the function is called again once the poller says so.
func (t *tls) job(call func() C.int) (done bool, err error) {
	for {
		ret := call()
		if ret > 0 {
			return true, nil
		}
		switch C.SSL_get_error(t.server, ret) {
		case C.SSL_ERROR_WANT_READ, C.SSL_ERROR_WANT_WRITE:
			return false, nil
		case C.SSL_ERROR_WANT_ASYNC:
		default:
			return false, fmt.Errorf("engine: SSL_get_error() of %d: %#x", ret, C.ERR_get_error())
		}
		if err := t.take(); err != nil {
			return false, err
		}
		if err := t.w.pause(); err != nil {
			return false, err
		}
	}
}

// take hands on what SSL_get_changed_async_fds reports. It reports the same again
// until the job is resumed, so a wait fd is its own key.
func (t *tls) take() error {
	var added, deleted [8]C.OSSL_ASYNC_FD
	var adds, deletes C.size_t
	if C.SSL_get_changed_async_fds(t.server, nil, &adds, nil, &deletes) != 1 || adds > 8 || deletes > 8 ||
		C.SSL_get_changed_async_fds(t.server, &added[0], &adds, &deleted[0], &deletes) != 1 {
		return fmt.Errorf("engine: %d and %d changed fds", adds, deletes)
	}
	for _, fd := range deleted[:deletes] {
		t.w.ctx().Clear(waitctx.FD(fd))
	}
	for _, fd := range added[:adds] {
		err := t.w.ctx().Set(waitctx.FD(fd), waitctx.Wait{FD: waitctx.FD(fd)})
		if err != nil && !errors.Is(err, waitctx.ErrKeyExists) {
			return err
		}
	}
	return nil
}

// handshake runs both sides until they agree.
func (t *tls) handshake() error {
	for {
		ours, err := t.job(func() C.int { return C.SSL_do_handshake(t.server) })
		if err != nil {
			return err
		}
		theirs := C.SSL_do_handshake(t.client)
		switch {
		case ours && theirs == 1:
			return nil
		case theirs != 1 && C.SSL_get_error(t.client, theirs) != C.SSL_ERROR_WANT_READ:
			return errors.New("engine: the client's handshake failed")
		}
	}
}

// send writes a record from the server and reads it at the client.
func (t *tls) send(b []byte) ([]byte, error) {
	in := C.CBytes(b) // which stays where it is while the job is paused
	defer C.free(in)
	if done, err := t.job(func() C.int { return C.SSL_write(t.server, in, C.int(len(b))) }); !done {
		return nil, fmt.Errorf("engine: SSL_write is not done: %v", err)
	}
	got := make([]byte, 2*len(b))
	n := C.SSL_read(t.client, unsafe.Pointer(&got[0]), C.int(len(got)))
	if n <= 0 {
		return nil, errors.New("engine: the client reads nothing")
	}
	return got[:n], nil
}
