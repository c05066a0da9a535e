package jobnet_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"bide/jobs"
	"bide/jobs/jobnet"
)

// configs returns a server's and a client's configuration that go together.
var configs = sync.OnceValues(func() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bide.test"}, DNSNames: []string{"bide.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	cert, _ := x509.ParseCertificate(der)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return server, &tls.Config{RootCAs: roots, ServerName: "bide.test"}
})

// secure makes a TLS connection: ours is the server on s, theirs a tls.Conn of
// package net.
func (s loop) secure(t *testing.T, change func(*tls.Config)) (ours *jobnet.TLSConn, theirs *tls.Conn, raw *net.TCPConn) {
	t.Helper()
	ours, theirs, keeper := s.secureInPieces(t, change)
	return ours, theirs, keeper.TCPConn
}

// keeper keeps what is written to it, to be sent in pieces.
type keeper struct {
	*net.TCPConn
	keeps bool
	kept  []byte
}

func (c *keeper) Write(b []byte) (int, error) {
	if !c.keeps {
		return c.TCPConn.Write(b)
	}
	c.kept = append(c.kept, b...)
	return len(b), nil
}

// send sends the first n bytes of what was kept.
func (c *keeper) send(t *testing.T, n int) {
	t.Helper()
	if _, err := c.TCPConn.Write(c.kept[:n]); err != nil {
		t.Fatal(err)
	}
	c.kept = c.kept[n:]
}

// secureInPieces is secure with a client whose output may be kept.
func (s loop) secureInPieces(t *testing.T, change func(*tls.Config)) (ours *jobnet.TLSConn, theirs *tls.Conn, out *keeper) {
	t.Helper()
	serverConfig, clientConfig := configs()
	clientConfig = clientConfig.Clone()
	change(clientConfig)
	c, raw := s.half(t)
	accepted := s.begin(func(j jobs.Job) (err error) {
		ours, err = jobnet.ServerTLS(j, c, serverConfig)
		return err
	})
	out = &keeper{TCPConn: raw}
	theirs = tls.Client(out, clientConfig)
	if err := theirs.Handshake(); err != nil {
		t.Fatal("the client's handshake: ", err)
	}
	if err := await(t, accepted); err != nil {
		t.Fatal("the server's handshake: ", err)
	}
	return ours, theirs, out
}

func version(v uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.MinVersion, c.MaxVersion = v, v }
}

// eachTLS runs the test with TLS 1.2 and 1.3 on every backend.
func eachTLS(t *testing.T, fn func(t *testing.T, s loop, change func(*tls.Config))) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(strings.ReplaceAll(tls.VersionName(v), " ", ""), func(t *testing.T) {
			eachBackend(t, func(t *testing.T, s loop) { fn(t, s, version(v)) })
		})
	}
}

// echoIn echoes in one job that pauses.
func echoIn(s loop, c *jobnet.TLSConn) {
	s.Go(func(j jobs.Job) error {
		v := c.In(j)
		io.CopyBuffer(struct{ io.Writer }{v}, struct{ io.Reader }{v}, make([]byte, 4096))
		return v.(interface{ CloseWrite() error }).CloseWrite()
	})
}

// echoRested echoes with no job at rest.
func echoRested(s loop, c *jobnet.TLSConn) {
	run := func(j jobs.Job) error {
		for {
			n, err := c.TryRead(s.Buffer())
			if n > 0 {
				if err := c.WriteIn(j, bytes.Clone(s.Buffer()[:n])); err != nil {
					return err
				}
			}
			if err == error(jobnet.ErrWouldBlock) {
				return nil
			}
			if err != nil {
				c.Conn().ReadWatch().SetFunc(nil)
				return c.CloseWriteIn(j)
			}
		}
	}
	s.Go(func(j jobs.Job) error {
		err := run(j)
		c.Conn().ReadWatch().SetFunc(run)
		return err
	})
}

func TestTLSEcho(t *testing.T) {
	for name, echo := range map[string]func(loop, *jobnet.TLSConn){"job": echoIn, "rested": echoRested} {
		t.Run(name, func(t *testing.T) {
			eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
				ours, theirs, _ := s.secure(t, change)
				echo(s, ours)
				for _, b := range []byte("one byte a record") {
					if _, err := theirs.Write([]byte{b}); err != nil {
						t.Fatal(err)
					}
				}
				got := make([]byte, len("one byte a record"))
				if _, err := io.ReadFull(theirs, got); err != nil || string(got) != "one byte a record" {
					t.Fatalf("got %q, %v back", got, err)
				}
				if name == "rested" {
					s.idle(t)
				}
				want := make([]byte, 1<<20)
				rand.Read(want)
				go func() {
					theirs.Write(want)
					theirs.CloseWrite()
				}()
				got, err := io.ReadAll(theirs)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("got %d bytes back, %v, want the %d sent", len(got), err, len(want))
				}
				s.idle(t)
			})
		})
	}
}

func TestTLSClient(t *testing.T) {
	eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
		serverConfig, clientConfig := configs()
		clientConfig = clientConfig.Clone()
		change(clientConfig)
		ours, theirs := s.half(t)
		go func() {
			c := tls.Server(theirs, serverConfig)
			io.Copy(c, c)
			c.CloseWrite()
		}()
		if err := s.do(t, func(j jobs.Job) error {
			c, err := jobnet.ClientTLS(j, ours, clientConfig)
			if err != nil {
				return err
			}
			defer c.Close()
			v := c.In(j)
			if _, err := v.Write(bytes.Repeat([]byte("x"), 50_000)); err != nil {
				return err
			}
			wantRead(t, v, 50_000, 'x')
			// As golang.org/x/net/http2 asks for it.
			if !v.(interface{ ConnectionState() tls.ConnectionState }).ConnectionState().HandshakeComplete {
				t.Error("the handshake is not complete")
			}
			if err := c.CloseWriteIn(j); err != nil {
				return err
			}
			if n, err := v.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("Read() = %d, %v at the end, want 0, io.EOF", n, err)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}

// The client ends its stream and still reads its answer.
func TestTLSHalfClose(t *testing.T) {
	eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
		ours, theirs, _ := s.secure(t, change)
		ended := s.begin(func(j jobs.Job) error {
			ask, err := io.ReadAll(ours.In(j))
			if err != nil {
				return err
			}
			if err := ours.WriteIn(j, bytes.ToUpper(ask)); err != nil {
				return err
			}
			return ours.CloseWriteIn(j)
		})
		theirs.Write([]byte("ask"))
		theirs.CloseWrite()
		if got, err := io.ReadAll(theirs); string(got) != "ASK" || err != nil {
			t.Errorf("got %q, %v, want ASK and the end", got, err)
		}
		if err := await(t, ended); err != nil {
			t.Error(err)
		}
	})
}

// Whoever reads past the end, or an error, is told of it again.
func TestTLSEndStays(t *testing.T) {
	eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
		for name, end := range map[string]func(*tls.Conn, *net.TCPConn){
			"close_notify": func(c *tls.Conn, _ *net.TCPConn) { c.CloseWrite() }, // of TLS alone
			"bad record":   func(_ *tls.Conn, raw *net.TCPConn) { raw.Write(append([]byte{23, 3, 3, 0, 25}, make([]byte, 25)...)) },
		} {
			ours, theirs, raw := s.secure(t, change)
			end(theirs, raw)
			reading := s.begin(func(j jobs.Job) error {
				v, b := ours.In(j), make([]byte, 8)
				_, err := v.Read(b)
				for range 2 {
					if n, again := v.Read(b); n != 0 || again == nil || again.Error() != err.Error() {
						t.Errorf("%s: Read() = %d, %v, want 0, %v again", name, n, again, err)
					}
				}
				return err
			})
			if err := await(t, reading); err == nil || (err == io.EOF) != (name == "close_notify") {
				t.Errorf("%s: Read() = %v", name, err)
			}
			s.do(t, func(jobs.Job) error { return ours.Close() })
		}
	})
}

// As with crypto/tls, the end of the stream is sent past the deadline too, and
// behind what is queued.
func TestTLSCloseWritePastTheDeadline(t *testing.T) {
	eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
		for _, full := range []bool{false, true} {
			ours, theirs, raw := s.secure(t, change)
			written := 0
			writing := s.begin(func(j jobs.Job) (err error) {
				if full {
					written, err = ours.In(j).Write(bytes.Repeat([]byte("x"), 16<<20))
				}
				return err
			})
			if full {
				s.stuck(t, writing)
			}
			err := s.do(t, func(j jobs.Job) error { return ours.In(j).SetWriteDeadline(time.Now()) })
			if err := errors.Join(err, await(t, writing)); full != errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Write() = %v", err)
			}
			end := func(j jobs.Job) error { return ours.CloseWriteIn(j) }
			if err := s.do(t, end); err != nil && !(full && errors.Is(err, os.ErrDeadlineExceeded)) {
				t.Errorf("CloseWriteIn() = %v, socket full %v", err, full)
			}
			if got, err := io.ReadAll(theirs); len(got) != written || err != nil {
				t.Errorf("the client read %d bytes, %v, want %d and the end", len(got), err, written)
			}
			if full {
				if err := s.do(t, end); err != nil {
					t.Errorf("CloseWriteIn() = %v once the client has read, want nil", err)
				}
			}
			if n, err := raw.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("Read() = %d, %v beneath TLS, want 0, io.EOF", n, err)
			}
			if err := s.do(t, func(jobs.Job) error { return ours.Close() }); err != nil {
				t.Errorf("Close() = %v", err)
			}
			if err := s.do(t, end); !errors.Is(err, net.ErrClosed) {
				t.Errorf("CloseWriteIn() = %v after Close, want net.ErrClosed", err)
			}
		}
	})
}

// A deadline that passes leaves the connection as it was.
func TestTLSDeadlines(t *testing.T) {
	eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
		ours, theirs, _ := s.secure(t, change)
		const size = 16 << 20 // more than the sockets hold
		if err := s.do(t, func(j jobs.Job) error {
			v := ours.In(j)
			v.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := v.Read(make([]byte, 1))
			v.SetDeadline(time.Time{})
			return err
		}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read() = %v, want os.ErrDeadlineExceeded", err)
		}

		n := 0
		writing := s.begin(func(j jobs.Job) (err error) {
			n, err = ours.In(j).Write(bytes.Repeat([]byte("x"), size))
			return err
		})
		s.stuck(t, writing) // the client does not read
		s.do(t, func(j jobs.Job) error { return ours.In(j).SetWriteDeadline(time.Now()) })
		if err := await(t, writing); !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == size {
			t.Errorf("Write() = %d, %v, want some, os.ErrDeadlineExceeded", n, err)
		}

		goOn := s.begin(func(j jobs.Job) error {
			v := ours.In(j)
			v.SetWriteDeadline(time.Time{})
			if _, err := io.ReadFull(v, make([]byte, len("go on"))); err != nil {
				return err
			}
			_, err := v.Write(bytes.Repeat([]byte("x"), size-n))
			return err
		})
		theirs.Write([]byte("go on"))
		wantRead(t, theirs, size, 'x')
		if err := await(t, goOn); err != nil {
			t.Error(err)
		}
	})
}

// What a Write says is written arrives, whenever the deadline passes meanwhile.
func TestTLSWriteAtTheDeadline(t *testing.T) {
	eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
		ours, theirs, _ := s.secure(t, change)
		b := bytes.Repeat([]byte("x"), 20_000) // the socket has room for it
		for d := time.Duration(0); d < 300*time.Microsecond; d += time.Microsecond {
			n := 0
			err := s.do(t, func(j jobs.Job) (err error) {
				v := ours.In(j)
				v.SetWriteDeadline(time.Now().Add(d))
				n, err = v.Write(b)
				return err
			})
			if err != nil && (n != 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
				t.Errorf("Write() = %d, %v with %v to the deadline", n, err, d)
			}
			wantRead(t, theirs, n, 'x')
		}
	})
}

// WriteBuffers writes what the buffers say in order, small ones in one record, and
// leaves what it did not write.
func TestTLSWriteBuffers(t *testing.T) {
	eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
		ours, theirs, _ := s.secure(t, change)
		write := func(v *net.Buffers) (n int64, err error) {
			err = s.do(t, func(j jobs.Job) (err error) {
				n, err = ours.In(j).(jobnet.BuffersWriter).WriteBuffers(v)
				return err
			})
			return n, err
		}
		v := net.Buffers{nil, []byte("ab"), nil, []byte("c"), nil}
		if n, err := write(&v); n != 3 || err != nil || len(v) != 0 {
			t.Errorf("WriteBuffers() = %d, %v and leaves %d, want 3, nil and none", n, err, len(v))
		}
		got := make([]byte, 100)
		if n, err := theirs.Read(got); string(got[:n]) != "abc" || err != nil {
			t.Errorf("the peer's Read() = %q, %v, want abc at once", got[:n], err)
		}
		if n, err := write(&v); n != 0 || err != nil {
			t.Errorf("WriteBuffers() = %d, %v of none, want 0, nil", n, err)
		}

		var want []byte
		for i, size := range []int{10, 40 << 10, 1, 32 << 10, 30 << 10, 30 << 10, 0, 16 << 20} {
			b := bytes.Repeat([]byte{'a' + byte(i)}, size)
			v, want = append(v, b), append(want, b...)
		}
		n := int64(0)
		writing := s.begin(func(j jobs.Job) (err error) {
			n, err = ours.In(j).(jobnet.BuffersWriter).WriteBuffers(&v)
			return err
		})
		s.stuck(t, writing) // the client does not read
		s.do(t, func(j jobs.Job) error { return ours.In(j).SetWriteDeadline(time.Now()) })
		if err := await(t, writing); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("WriteBuffers() = %v, want os.ErrDeadlineExceeded", err)
		}
		left := 0
		for _, b := range v {
			left += len(b)
		}
		if n == 0 || int(n)+left != len(want) {
			t.Errorf("%d bytes were written and %d are left, want %d together", n, left, len(want))
		}
		goOn := s.begin(func(j jobs.Job) error {
			ours.In(j).SetWriteDeadline(time.Time{})
			_, err := ours.In(j).(jobnet.BuffersWriter).WriteBuffers(&v)
			return err
		})
		got = make([]byte, len(want))
		if n, err := io.ReadFull(theirs, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("the peer got %d other bytes, %v, want %d", n, err, len(want))
		}
		if err := await(t, goOn); err != nil {
			t.Error(err)
		}
	})
}

// A client that stops reading and then sends a bad record stops nobody: the
// reader hears of the record while a writer waits, and the loop goes on.
func TestTLSBadRecordWhileOutputIsStuck(t *testing.T) {
	eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
		ours, _, raw := s.secure(t, change)
		writing := s.begin(func(j jobs.Job) error { return ours.WriteIn(j, make([]byte, 16<<20)) })
		reading := s.begin(func(j jobs.Job) error { _, err := ours.In(j).Read(make([]byte, 1)); return err })
		s.stuck(t, writing)
		raw.Write(append([]byte{23, 3, 3, 0, 25}, make([]byte, 25)...))
		if err := await(t, reading); err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("Read() = %v, want what is wrong with the record", err)
		}
		if err := s.do(t, func(jobs.Job) error { return ours.Close() }); err != nil {
			t.Errorf("Close() = %v", err)
		}
		if err := await(t, writing); !errors.Is(err, net.ErrClosed) {
			t.Errorf("WriteIn() = %v, want net.ErrClosed", err)
		}
		raw.Close()
		s.idle(t)
	})
}

// stuck waits until the jobs that are there have nothing to do but wait.
func (s loop) stuck(t *testing.T, writing chan error) {
	t.Helper()
	for quiet, last := 0, uint64(0); quiet < 50; {
		st := s.Stats()
		if quiet++; st.Resumes != last {
			quiet, last = 0, st.Resumes
		}
	}
	select {
	case err := <-writing:
		t.Fatalf("the write is not stuck: %v", err)
	default:
	}
}

// What is in the queue at Close is sent still, and the client sees whole
// records and a proper end, whatever deadline was set before.
func TestTLSCloseSendsWhatIsQueued(t *testing.T) {
	for name, late := range map[string]func(*testing.T, *jobnet.TLSConn, jobs.Job){
		"the loop hears of the deadline later": func(t *testing.T, ours *jobnet.TLSConn, _ jobs.Job) {
			set := make(chan error)
			go func() { set <- ours.Conn().SetDeadline(time.Now()) }()
			if err := <-set; err != nil {
				t.Errorf("SetDeadline() = %v, want nil", err)
			}
		},
		"the deadline starts a flush": func(_ *testing.T, ours *jobnet.TLSConn, j jobs.Job) {
			ours.In(j).SetDeadline(time.Now())
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
				ours, theirs, _ := s.secure(t, change)
				var job jobs.Job
				written := 0
				writing := s.begin(func(j jobs.Job) (err error) {
					job = j
					written, err = ours.In(j).Write(bytes.Repeat([]byte("x"), 16<<20))
					return err
				})
				s.stuck(t, writing)
				job.Cancel(nil)
				if err := await(t, writing); !errors.Is(err, jobs.ErrCanceled) {
					t.Fatalf("Write() = %v, want jobs.ErrCanceled", err)
				}
				s.do(t, func(j jobs.Job) error {
					late(t, ours, j)
					return ours.Close()
				})
				got, err := io.ReadAll(theirs)
				if err != nil || len(got) != written {
					t.Errorf("the client read %d bytes, %v, want %d and the end", len(got), err, written)
				}
				s.idle(t)
			})
		})
	}
}

// A client that never takes what is queued does not keep a closed connection, whatever
// deadline was set before, of which the loop hears afterwards.
func TestTLSCloseEnds(t *testing.T) {
	t.Cleanup(jobnet.ShortenLinger(10 * time.Millisecond)) // once no loop is left
	eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
		ours, _, _ := s.secure(t, change)
		writing := s.begin(func(j jobs.Job) error { return ours.WriteIn(j, make([]byte, 16<<20)) })
		s.stuck(t, writing)
		err := s.do(t, func(jobs.Job) error {
			set := make(chan error)
			go func() { set <- ours.Conn().SetDeadline(time.Now().Add(time.Hour)) }()
			return errors.Join(<-set, ours.Close())
		})
		if err != nil {
			t.Errorf("SetDeadline() and Close() = %v", err)
		}
		if err := await(t, writing); !errors.Is(err, net.ErrClosed) {
			t.Errorf("WriteIn() = %v, want net.ErrClosed", err)
		}
		for deadline := time.Now().Add(patience); !ours.Conn().Gone(); s.Stats() {
			if time.Now().After(deadline) {
				t.Fatal("the connection is still there")
			}
		}
	})
}

func TestTLSHandshakeFailures(t *testing.T) {
	serverConfig, _ := configs()
	eachBackend(t, func(t *testing.T, s loop) {
		for name, break_ := range map[string]func(raw *net.TCPConn, j jobs.Job){
			"garbage":  func(raw *net.TCPConn, _ jobs.Job) { raw.Write([]byte("GET / HTTP/1.0\r\n\r\n")) },
			"vanishes": func(raw *net.TCPConn, _ jobs.Job) { raw.Write([]byte{22, 3, 1}); raw.Close() },
			"canceled": func(_ *net.TCPConn, j jobs.Job) { j.Cancel(os.ErrDeadlineExceeded) },
		} {
			ours, raw := s.half(t)
			job := make(chan jobs.Job, 1)
			ended := s.begin(func(j jobs.Job) error {
				job <- j
				_, err := jobnet.ServerTLS(j, ours, serverConfig)
				return err
			})
			break_(raw, <-job)
			err := await(t, ended)
			if err == nil || name == "canceled" && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: ServerTLS() = %v", name, err)
			}
			if err := ours.Close(); err != nil {
				t.Errorf("%s: Close() = %v", name, err)
			}
		}
		s.idle(t)
	})
}

// Handshakes' callbacks find the job and may pause it.
func TestTLSSignerPausesTheHandshake(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		serverConfig, clientConfig := configs()
		paused := false
		config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if err := jobs.FromContext(hello.Context()).Sleep(time.Millisecond); err != nil {
				return nil, err
			}
			paused = true
			return &serverConfig.Certificates[0], nil
		}}
		ours, raw := s.half(t)
		ended := s.begin(func(j jobs.Job) error {
			_, err := jobnet.ServerTLS(j, ours, config)
			return err
		})
		if err := tls.Client(raw, clientConfig).Handshake(); err != nil {
			t.Error(err)
		}
		if err := await(t, ended); err != nil || !paused {
			t.Errorf("ServerTLS() = %v, paused %v", err, paused)
		}
	})
}
