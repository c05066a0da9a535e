package jobnet_test

import (
	"net"
	"runtime"
	"testing"
	"unsafe"

	"bide/jobs"
	"bide/jobs/jobnet"
)

// What a connection holds from its accept on, garbage included: a heap of a few
// megabytes is not collected. The limit is what there is on 64-bit systems, and
// a tenth.
func TestConnectionAtRestIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(jobnet.Conn{}); n > 176 {
		t.Errorf("a Conn has %d bytes, want at most 176", n)
	}
	const conns, limit = 512, 320
	s := newLoop(t, "epoll")
	l := s.listen(t, "tcp")
	allocated := func() uint64 {
		s.Stats() // the turn has ended
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.TotalAlloc
	}
	for round := range 3 { // the first two find the lists that the loop fills in turn too short
		for range conns {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		var ours [conns]*jobnet.Conn
		before := allocated()
		err := s.do(t, func(j jobs.Job) (err error) {
			for i := range ours {
				if ours[i], err = l.TryAccept(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if each := (allocated() - before) / conns; round == 2 && each > limit {
			t.Errorf("%d bytes were allocated for each connection, want at most %d", each, limit)
		} else {
			t.Logf("%d bytes", each)
		}
		for _, c := range ours {
			defer c.Close()
		}
	}
}
