package jobs_test

import (
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"bide/jobs"
	"bide/poller/pollertest"
	"bide/waitctx"
)

func TestMutexGoesInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var m jobs.Mutex
		var order []int
		for i := range 5 {
			s.Go(func(j jobs.Job) error {
				if err := m.Lock(j); err != nil {
					return err
				}
				defer m.Unlock()
				order = append(order, i)
				return j.Sleep(time.Second)
			})
		}
		until(t, s)
		if !slices.Equal(order, []int{0, 1, 2, 3, 4}) || !m.TryLock() {
			t.Errorf("order = %v, want 0 to 4 and the mutex free", order)
		}
	})
}

// A job that is handed the lock and canceled in one turn hands it on.
func TestMutexHandedToACanceledJob(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var m jobs.Mutex
		var got error
		s.Go(func(j jobs.Job) error {
			m.Lock(j)
			j.Sleep(time.Second)
			m.Unlock()
			return nil
		})
		loser := s.Go(func(j jobs.Job) error { got = m.Lock(j); return nil })
		s.RunOnce(0)
		s.Go(func(j jobs.Job) error {
			j.Sleep(time.Second)
			loser.Cancel(nil)
			return nil
		})
		until(t, s)
		if got != jobs.ErrCanceled || !m.TryLock() {
			t.Errorf("Lock() = %v, want ErrCanceled and the mutex free", got)
		}
	})
}

// A job that was stopped before it came to wait was handed nothing, and has
// nothing to give back.
func TestStoppedJobGivesNothingBack(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var m jobs.Mutex
		m.TryLock()
		sem := jobs.NewSemaphore(0)
		var lock, acquire error
		s.Go(func(j jobs.Job) error {
			lock, acquire = m.Lock(j), sem.Acquire(j)
			return nil
		}).Cancel(nil)
		until(t, s)
		if lock != jobs.ErrCanceled || acquire != jobs.ErrCanceled {
			t.Errorf("Lock() = %v, Acquire() = %v, want ErrCanceled twice", lock, acquire)
		}
		if m.TryLock() {
			t.Error("TryLock() = true of a mutex that somebody else has")
		}
		s.Go(func(j jobs.Job) error {
			j.SetDeadline(time.Now().Add(time.Second))
			acquire = sem.Acquire(j)
			return nil
		})
		until(t, s)
		if acquire != os.ErrDeadlineExceeded {
			t.Errorf("Acquire() = %v of a semaphore without places, want os.ErrDeadlineExceeded", acquire)
		}
	})
}

func TestSemaphoreBounds(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		sem := jobs.NewSemaphore(3)
		in, most := 0, 0
		for range 10 {
			s.Go(func(j jobs.Job) error {
				if err := sem.Acquire(j); err != nil {
					return err
				}
				defer sem.Release()
				in++
				most = max(most, in)
				err := j.Sleep(time.Second)
				in--
				return err
			})
		}
		until(t, s)
		if most != 3 {
			t.Errorf("%d jobs at a time, want 3", most)
		}
	})
}

// A place that was handed to a waiter is taken, also before that has run.
func TestTryAcquire(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		sem := jobs.NewSemaphore(1)
		if !sem.TryAcquire() || sem.TryAcquire() {
			t.Error("of one place not just one was taken")
		}
		s.Go(sem.Acquire)
		s.Go(func(jobs.Job) error {
			sem.Release()
			if sem.TryAcquire() {
				t.Error("TryAcquire() = true of a place that was handed over")
			}
			return nil
		})
		until(t, s)
		sem.Release()
		if !sem.TryAcquire() {
			t.Error("TryAcquire() = false of a free place")
		}
	})
}

func TestWaitGroupWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var wg jobs.WaitGroup
		done, seen := 0, 0
		wg.Add(3)
		s.Go(func(j jobs.Job) error { err := wg.Wait(j); seen = done; return err })
		for i := range 3 {
			s.Go(func(j jobs.Job) error {
				defer wg.Done()
				err := j.Sleep(time.Duration(i) * time.Second)
				done++
				return err
			})
		}
		until(t, s)
		if seen != 3 {
			t.Errorf("Wait() returned after %d of 3", seen)
		}
	})
}

func TestChanCarriesEverything(t *testing.T) {
	for _, room := range []int{0, 1, 3, 100} {
		inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
			ch := jobs.NewChan[int](room)
			var got []int
			var end error
			senders := 0
			for k := range 4 {
				senders++
				s.Go(func(j jobs.Job) error {
					for i := range 25 {
						if err := ch.Send(j, 100*k+i); err != nil {
							return err
						}
					}
					if senders--; senders == 0 {
						ch.Close()
					}
					return nil
				})
			}
			s.Go(func(j jobs.Job) error {
				for {
					v, err := ch.Recv(j)
					if err != nil {
						end = err
						return nil
					}
					got = append(got, v)
					if len(got)%7 == 0 {
						j.Sleep(time.Millisecond)
					}
					if ch.Len() > room {
						t.Errorf("Len() = %d with room for %d", ch.Len(), room)
					}
				}
			})
			until(t, s)
			last := map[int]int{0: -1, 1: -1, 2: -1, 3: -1}
			for _, v := range got {
				if v%100 <= last[v/100] {
					t.Fatalf("room %d: %d came after %d of its sender", room, v%100, last[v/100])
				}
				last[v/100] = v % 100
			}
			if len(got) != 100 || end != io.EOF {
				t.Errorf("room %d: received %d items, then %v; want 100, io.EOF", room, len(got), end)
			}
			if err := ch.Send(jobs.Job{}, 1); err != jobs.ErrClosed {
				t.Errorf("Send() after Close = %v, want ErrClosed", err)
			}
		})
	}
}

// An unbuffered Send returns only when its item was received; a canceled one
// takes the item back.
func TestChanWithoutRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		ch := jobs.NewChan[string](0)
		var sent error
		took := time.Duration(0)
		begin := time.Now()
		loser := s.Go(func(j jobs.Job) error { sent = ch.Send(j, "lost"); return nil })
		s.Go(func(j jobs.Job) error {
			err := ch.Send(j, "kept")
			took = time.Since(begin)
			return err
		})
		s.RunOnce(0)
		loser.Cancel(nil)
		var got string
		s.Go(func(j jobs.Job) error {
			j.Sleep(time.Minute)
			got, _ = ch.Recv(j)
			return nil
		})
		until(t, s)
		if sent != jobs.ErrCanceled || got != "kept" || took != time.Minute {
			t.Errorf("canceled Send() = %v, received %q after %v; want ErrCanceled, kept, a minute", sent, got, took)
		}
	})
}

// A signal for a job that is stopped in the same turn goes to the next.
func TestCondSignalledAndCanceled(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var c jobs.Cond
		items, got := 0, 0
		wait := func(j jobs.Job) error {
			for items == 0 {
				if err := c.Wait(j); err != nil {
					return err
				}
			}
			items--
			got++
			return nil
		}
		first := s.Go(wait)
		second := s.Go(wait)
		s.RunOnce(0)
		s.Post(func() {
			items++
			c.Signal()
		})
		first.Cancel(nil)
		for range 5 {
			s.RunOnce(0)
		}
		if got != 1 {
			t.Error("the signal was lost with the job that it reached first")
		}
		second.Cancel(nil)
		until(t, s)
	})
}

// Who waits for zero hears of it though the count has grown by the time it runs.
func TestWaitGroupGrowsAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var w jobs.WaitGroup
		w.Add(1)
		var done bool
		j := s.Go(func(j jobs.Job) error { err := w.Wait(j); done = true; return err })
		s.RunOnce(0)
		s.Post(func() { w.Done(); w.Add(1) })
		for range 3 {
			s.RunOnce(0)
		}
		if !done {
			t.Error("Wait() goes on though the count has been zero")
		}
		j.Cancel(nil)
		until(t, s)
	})
}

// Close ends an unbuffered Send that waits for its item to be received.
func TestChanWithoutRoomCloses(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		ch := jobs.NewChan[int](0)
		var sent, received error
		j := s.Go(func(j jobs.Job) error { sent = ch.Send(j, 1); return nil })
		s.RunOnce(0)
		s.Post(ch.Close)
		for range 3 {
			s.RunOnce(0)
		}
		if sent != jobs.ErrClosed {
			t.Errorf("Send() = %v, want ErrClosed", sent)
		}
		j.Cancel(nil)
		s.Go(func(j jobs.Job) error { _, received = ch.Recv(j); return nil })
		until(t, s)
		if received != io.EOF {
			t.Errorf("Recv() after that = %v, want io.EOF", received)
		}
	})
}

// In a function of Post there is no job: what is free is taken.
func TestZeroJobTakesWhatIsFree(t *testing.T) {
	var m jobs.Mutex
	sem := jobs.NewSemaphore(1)
	for _, want := range []error{nil, jobs.ErrNotLoop} {
		if lock, acquire := m.Lock(jobs.Job{}), sem.Acquire(jobs.Job{}); lock != want || acquire != want {
			t.Errorf("Lock() = %v, Acquire() = %v, want %v twice", lock, acquire, want)
		}
	}
}

// What a job waits for in vain before it is stopped does not count against it.
func TestStopCountsAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var mu jobs.Mutex
		mu.TryLock()
		var wc waitctx.WaitCtx
		wc.Set("k", waitctx.Wait{FD: 5})
		var w jobs.Watch
		var in jobs.Job
		w, err := s.Watch(&wc, func(j jobs.Job) error {
			in = j
			w.Stop()
			for range 1000 {
				j.Pause()
			}
			return mu.Lock(j)
		})
		if err != nil {
			t.Fatal(err)
		}
		m.SetReady(5, waitctx.ReadyIn)
		for range 3 {
			s.RunOnce(0)
		}
		s.Post(mu.Unlock)
		in.Cancel(nil)
		until(t, s)
		if !mu.TryLock() {
			t.Error("the mutex went with a job that was ended by force in Lock")
		}
	})
}
