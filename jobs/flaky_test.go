package jobs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"bide/jobs"
)

// flaky is asynciotest's filter as a net.Conn: every first call would block,
// which pauses the job, and the next lets at most one byte through.
type flaky struct {
	net.Conn // nil: what is not overridden is not called
	j        jobs.Job
	in, out  *bytes.Buffer
	tripped  struct{ read, write bool }
	blocked  int
}

// trip pauses at every first call.
func (f *flaky) trip(tripped *bool) error {
	*tripped = !*tripped
	if !*tripped {
		return nil
	}
	f.blocked++
	return f.j.Pause()
}

func (f *flaky) Read(p []byte) (int, error) {
	for {
		if err := f.trip(&f.tripped.read); err != nil {
			return 0, err
		}
		if !f.tripped.read && f.in.Len() > 0 {
			return f.in.Read(p[:1])
		}
	}
}

func (f *flaky) Write(p []byte) (int, error) {
	for {
		if err := f.trip(&f.tripped.write); err != nil {
			return 0, err
		}
		if !f.tripped.write {
			return f.out.Write(p)
		}
	}
}

func (f *flaky) SetDeadline(time.Time) error      { return nil }
func (f *flaky) SetReadDeadline(time.Time) error  { return nil }
func (f *flaky) SetWriteDeadline(time.Time) error { return nil }
func (f *flaky) Close() error                     { return nil }

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"flaky"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// asynciotest: a handshake and two messages each way over the filter, with
// stock crypto/tls and both ends jobs of one Pool.
func TestOpenSSLFlakyTransport(t *testing.T) {
	message := []byte("Test data\x00")
	cert := selfSigned(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			p := newPool(t, 2, 0)
			var toServer, toClient bytes.Buffer
			ends := []*flaky{{in: &toServer, out: &toClient}, {in: &toClient, out: &toServer}}
			config := &tls.Config{
				Certificates: []tls.Certificate{cert}, ServerName: "flaky", InsecureSkipVerify: true,
				MinVersion: version, MaxVersion: version,
			}
			var running []jobs.Job
			for i, make := range []func(net.Conn, *tls.Config) *tls.Conn{tls.Server, tls.Client} {
				j, status, err := p.Start(nil, func(j jobs.Job) error {
					ends[i].j = j
					c := make(ends[i], config)
					buf := bytes.Repeat([]byte{'?'}, len(message))
					for range 2 {
						if n, err := c.Write(message); n != len(message) || err != nil {
							t.Errorf("Write() = %d, %v, want %d, nil", n, err, len(message))
							return err
						}
						got := 0
						for got < len(buf) {
							n, err := c.Read(buf[got:])
							if err != nil {
								t.Errorf("Read() = %v", err)
								return err
							}
							got += n
						}
						if !bytes.Equal(buf, message) {
							t.Errorf("read %q, want %q", buf, message)
						}
					}
					return nil
				})
				if status != jobs.Paused {
					t.Fatalf("Start() = %v, %v, want Paused", status, err)
				}
				running = append(running, j)
			}
			resumes := 0
			for ; p.Live() > 0 && resumes < 100_000; resumes++ {
				j := running[resumes%2]
				if status, err := j.Resume(); status == jobs.Failed && err != jobs.ErrStale {
					t.Fatalf("Resume() = %v", err)
				}
			}
			if p.Live() != 0 {
				t.Fatalf("%d jobs left after %d resumes", p.Live(), resumes)
			}
			if ends[0].blocked < 100 || ends[1].blocked < 100 {
				t.Errorf("blocked %d and %d times: the filter did not filter", ends[0].blocked, ends[1].blocked)
			}
		})
	}
}

// asynctest 7, start_job_ex: what belongs to a job survives its pauses and does
// not reach its caller, nor the caller's the job.
func TestOpenSSLStartJobEx(t *testing.T) {
	p := newPool(t, 2, 0)
	body := func(name string) func(jobs.Job) error {
		return func(j jobs.Job) error {
			j.SetName(name)
			ctx := j.Context()
			for range 2 {
				j.Pause()
				if j.Name() != name || j.Context() != ctx || jobs.FromContext(ctx) != j {
					t.Errorf("after a pause: name %q, context changed %v", j.Name(), j.Context() != ctx)
				}
			}
			return nil
		}
	}
	a := mustStart(t, p, nil, body("a"), jobs.Paused)
	b := mustStart(t, p, nil, body("b"), jobs.Paused)
	ctx := a.Context()
	mustResume(t, a, jobs.Paused)
	mustResume(t, b, jobs.Paused)
	a.SetName("a") // the caller's view is the same job's
	mustResume(t, a, jobs.Finished)
	mustResume(t, b, jobs.Finished)
	if ctx.Err() == nil {
		t.Error("the job's context outlived it")
	}
	c := mustStart(t, p, nil, onlyPause, jobs.Paused)
	if c.Name() != "" || c.Context() == ctx {
		t.Errorf("a recycled job kept name %q or its context", c.Name())
	}
	mustResume(t, c, jobs.Finished)
}
