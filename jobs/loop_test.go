package jobs_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bide/jobs"
	"bide/poller/pollertest"
	"bide/waitctx"
)

// inBubble runs the test over a poller in memory, with time that passes only
// when nothing else does.
func inBubble(t *testing.T, fn func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory), opts ...jobs.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := pollertest.NewMemory()
		s, err := jobs.New(append(opts, jobs.WithPoller(m))...)
		if err != nil {
			t.Fatal(err)
		}
		fn(t, s, m)
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
		m.Close()
	})
}

// until runs turns until no job is live.
func until(t *testing.T, s *jobs.Scheduler) {
	t.Helper()
	for turn := 0; turn == 0 || s.Live() > 0; turn++ {
		if _, err := s.RunOnce(time.Hour); err != nil || turn > 100_000 {
			t.Fatalf("turn %d: RunOnce() = %v with %d jobs live", turn, err, s.Live())
		}
	}
}

func TestDeadlineReachesEveryKindOfWait(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var mu jobs.Mutex
		mu.TryLock()
		ch := jobs.NewChan[int](1)
		for name, wait := range map[string]func(jobs.Job) error{
			"wait":  func(j jobs.Job) error { return j.Wait(7, 0) },
			"sleep": func(j jobs.Job) error { return j.Sleep(time.Hour) },
			"park":  jobs.Job.Park,
			"mutex": mu.Lock,
			"chan":  func(j jobs.Job) error { _, err := ch.Recv(j); return err },
			"await": func(j jobs.Job) error {
				_, err := jobs.Await(j, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil })
				return err
			},
		} {
			begin := time.Now()
			var got, again, after error
			s.Go(func(j jobs.Job) error {
				j.SetDeadline(begin.Add(time.Minute))
				got, again = wait(j), wait(j)
				j.SetDeadline(time.Time{})
				after = j.Sleep(time.Second)
				return nil
			})
			until(t, s)
			if !errors.Is(got, os.ErrDeadlineExceeded) || !errors.Is(again, os.ErrDeadlineExceeded) {
				t.Errorf("%s: past the deadline = %v, then %v, want os.ErrDeadlineExceeded twice", name, got, again)
			}
			if after != nil {
				t.Errorf("%s: Sleep() with the deadline taken back = %v, want nil", name, after)
			}
			if took := time.Since(begin); took != time.Minute+time.Second {
				t.Errorf("%s: took %v, want a minute and a second", name, took)
			}
		}
	})
}

func TestDeadlineMovesLater(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		begin := time.Now()
		s.Go(func(j jobs.Job) error {
			j.SetDeadline(begin.Add(time.Minute))
			j.SetDeadline(begin.Add(time.Hour))
			if err := j.Park(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Hour {
				t.Errorf("Park() = %v after %v, want os.ErrDeadlineExceeded after an hour", err, time.Since(begin))
			}
			return nil
		})
		until(t, s)
	})
}

// A job's context is not ended by a deadline, neither one made before nor one
// made after it has passed.
func TestContextOutlastsADeadline(t *testing.T) {
	for _, early := range []bool{true, false} {
		inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
			s.Go(func(j jobs.Job) error {
				if early {
					j.Context()
				}
				j.SetDeadline(time.Now().Add(time.Second))
				if err := j.Sleep(time.Hour); err != os.ErrDeadlineExceeded {
					t.Errorf("Sleep() = %v, want os.ErrDeadlineExceeded", err)
				}
				ctx := j.Context()
				j.SetDeadline(time.Time{})
				if err := errors.Join(j.Sleep(time.Second), ctx.Err()); err != nil {
					t.Errorf("with the deadline taken back, of a context made before it %v: %v, want nil", early, err)
				}
				return nil
			})
			until(t, s)
		})
	}
}

// A timer that nobody waits for any more does not stay until its time, and those
// that somebody waits for do.
func TestLapsedTimersGo(t *testing.T) {
	for name, lapse := range map[string]func(j jobs.Job) error{
		"job that ended": func(j jobs.Job) error { return j.SetDeadline(time.Now().Add(time.Hour)) },
		"job that is renewed": func(j jobs.Job) error {
			j.SetDeadline(time.Now().Add(time.Hour))
			_, err := j.Renew()
			return err
		},
		"Watch that was stopped": func(j jobs.Job) error {
			w, err := j.Scheduler().Watch(new(waitctx.WaitCtx), nil)
			w.SetDeadline(time.Now().Add(time.Hour))
			w.Stop()
			return err
		},
		"sleep that was ended": func(j jobs.Job) error {
			j.Scheduler().Post(func() { j.Cancel(nil) })
			if err := j.Sleep(time.Hour); err != jobs.ErrCanceled {
				return err
			}
			return nil
		},
		"deadline that moved": func(j jobs.Job) error {
			j.SetDeadline(time.Now().Add(2 * time.Hour))
			return j.SetDeadline(time.Now().Add(time.Hour))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
				const live, lapsed, most = 100, 10_000, 400
				begin := time.Now()
				woken := 0
				woke := func(err error, after time.Duration) {
					if took := time.Since(begin); err != nil || took != after {
						t.Errorf("woken after %v, %v, want %v, nil", took, err, after)
					}
					woken++
				}
				for i := range live {
					after := time.Duration(live-i) * time.Second
					switch i % 3 {
					case 0:
						s.Go(func(j jobs.Job) error { woke(j.Sleep(after), after); return nil })
					case 1:
						s.Go(func(j jobs.Job) error {
							j.SetDeadline(begin.Add(after))
							if err := j.Park(); err != os.ErrDeadlineExceeded {
								return err
							}
							woke(nil, after)
							return nil
						})
					case 2:
						w, err := s.Watch(new(waitctx.WaitCtx), func(jobs.Job) error { woke(nil, after); return nil })
						if err != nil {
							t.Fatal(err)
						}
						w.SetDeadline(begin.Add(after))
					}
				}
				for range lapsed {
					s.Go(func(j jobs.Job) error {
						if err := lapse(j); err != nil {
							t.Error(err)
						}
						return nil
					})
				}
				for range 5 {
					s.RunOnce(0)
				}
				if n := jobs.Timers(s); n > most {
					t.Errorf("%d timers for %d that are awaited, want %d at most", n, live, most)
				}
				until(t, s)
				for woken < live && time.Since(begin) < time.Hour {
					s.RunOnce(time.Minute)
				}
				if woken != live {
					t.Errorf("%d woken, want %d", woken, live)
				}
			})
		})
	}
}

// A deadline that is too far away to be counted in nanoseconds is none.
func TestDeadlineAtTheEndOfTime(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		never := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		j := s.Go(func(j jobs.Job) error {
			j.SetDeadline(never)
			return j.Park()
		})
		begin := time.Now()
		time.AfterFunc(2*time.Hour, func() { j.Cancel(nil) }) // ends a turn that does not end by itself
		s.RunOnce(0)
		s.RunOnce(time.Hour)
		if took := time.Since(begin); took != time.Hour {
			t.Errorf("RunOnce() of an hour took %v", took)
		}
		if at, ok := s.Next(); ok {
			t.Errorf("Next() = %v, true, want false", at)
		}
		until(t, s)
	})
}

// A cancel that comes when the deadline has passed already stays, whatever
// becomes of the deadline.
func TestCancelOutlastsADeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		at := time.Now().Add(time.Second)
		var late jobs.Job
		s.GoLow(func(j jobs.Job) error {
			j.SetDeadline(at)
			j.Park()
			late.Cancel(nil) // which is runnable, but one heavy step is enough for a turn
			return nil
		})
		late = s.GoLow(func(j jobs.Job) error {
			j.SetDeadline(at)
			j.Park()
			j.SetDeadline(time.Time{})
			if err := j.Sleep(time.Second); err != jobs.ErrCanceled {
				t.Errorf("Sleep() = %v, want ErrCanceled", err)
			}
			return nil
		})
		until(t, s)
	})
}

func TestRunnableJobsDoNotWait(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		begin := time.Now()
		for _, start := range []func(func(jobs.Job) error) jobs.Job{s.Go, s.GoLow} {
			start(func(j jobs.Job) error { return j.Sleep(0) })
			until(t, s)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("the loop slept for %v with a job runnable", took)
		}
	})
}

// Two of three waits are ready at once: the job is resumed once and hears of
// both; the third is not among them.
func TestReadyNamesTheKeys(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var got []any
		resumes := 0
		s.Go(func(j jobs.Job) error {
			for i, key := range []string{"a", "b", "c"} {
				if err := j.WaitCtx().Set(key, waitctx.Wait{FD: waitctx.FD(i)}); err != nil {
					return err
				}
			}
			err := j.Pause()
			resumes++
			for key, ready := range j.Ready() {
				if ready&waitctx.ReadyIn == 0 {
					t.Errorf("%v is ready for %v, want ReadyIn", key, ready)
				}
				got = append(got, key)
			}
			return err
		})
		s.RunOnce(0)
		m.SetReady(0, waitctx.ReadyIn)
		m.SetReady(2, waitctx.ReadyIn)
		until(t, s)
		if resumes != 1 || len(got) != 2 || !slices.Contains(got, any("a")) || !slices.Contains(got, any("c")) {
			t.Errorf("resumed %d times with %v, want once with a and c", resumes, got)
		}
	})
}

// A job that pauses while it goes over the keys hears of no others after that.
func TestReadyEndsWhenTheJobPauses(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var got []any
		s.Go(func(j jobs.Job) error {
			for i, key := range []string{"a", "b", "c"} {
				if err := j.WaitCtx().Set(key, waitctx.Wait{FD: waitctx.FD(i)}); err != nil {
					return err
				}
			}
			err := j.Pause()
			for key := range j.Ready() {
				if got = append(got, key); len(got) == 3 {
					j.Pause() // rearms what it goes over
				}
			}
			return err
		})
		s.RunOnce(0)
		for fd := range waitctx.FD(3) {
			m.SetReady(fd, waitctx.ReadyIn)
		}
		until(t, s)
		if len(got) != 3 {
			t.Errorf("Ready() went on to %v, want three keys", got)
		}
	})
}

// What was ready of a wait that is gone is not told of the one in its place.
func TestReadyForgetsWhatIsGone(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		const gone, fd, later = 1, 2, 3
		var got []any
		s.Go(func(j jobs.Job) error {
			wc := j.WaitCtx()
			err := errors.Join(wc.Set("gone", waitctx.Wait{FD: gone}), wc.Set("key", waitctx.Wait{FD: fd}))
			place := wc.Place("gone")
			err = errors.Join(err, j.Sleep(time.Second)) // meanwhile it is ready, unawaited
			wc.Clear("gone")
			err = errors.Join(err, j.Sleep(time.Second), wc.Set("later", waitctx.Wait{FD: later}))
			if wc.Place("later") != place {
				t.Errorf("the places are %d and %d, want one", place, wc.Place("later"))
			}
			m.SetReady(fd, waitctx.ReadyIn)
			err = errors.Join(err, j.WaitKey("key"))
			for key := range j.Ready() {
				got = append(got, key)
			}
			return err
		})
		m.SetReady(gone, waitctx.ReadyIn)
		until(t, s)
		if !slices.Equal(got, []any{"key"}) {
			t.Errorf("Ready() = %v, want key alone", got)
		}
	})
}

// A job that awaits one key is not resumed for the others of its context, nor
// does the loop hear of them twice.
func TestWaitKeyAwaitsOneWait(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var got, refused error
		steps := 0
		s.Go(func(j jobs.Job) error {
			wc := j.WaitCtx()
			wc.Set("a", waitctx.Wait{FD: 1})
			wc.Set("b", waitctx.Wait{FD: 2})
			for range 2 {
				if got = j.WaitKey("a"); got != nil {
					return got
				}
				steps++
				for key := range j.Ready() {
					if key != "a" {
						t.Errorf("resumed by %v, want a", key)
					}
					break
				}
			}
			refused = j.WaitKey("c")
			got = j.WaitKey("b") // ready all along
			steps++
			return got
		})
		turn := func(want int) {
			t.Helper()
			for range 3 {
				s.RunOnce(0)
			}
			if steps != want {
				t.Fatalf("step %d, want %d", steps, want)
			}
		}
		turn(0)
		m.SetReady(2, waitctx.ReadyIn)
		turn(0)
		m.SetReady(1, waitctx.ReadyIn) // and stays so
		turn(3)
		until(t, s)
		if got != nil || !errors.Is(refused, waitctx.ErrNoKey) || !strings.Contains(refused.Error(), "key c:") {
			t.Errorf("WaitKey() = %v, and %v for key c, which is not set; want nil, ErrNoKey", got, refused)
		}
	})
}

func TestWaitKeyIsStopped(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var got error
		j := s.Go(func(j jobs.Job) error {
			j.WaitCtx().Set("a", waitctx.Wait{FD: 1})
			got = j.WaitKey("a")
			return got
		})
		s.RunOnce(0)
		j.Cancel(io.EOF)
		until(t, s)
		if got != io.EOF {
			t.Errorf("WaitKey() = %v, want io.EOF", got)
		}
	})
}

// A job that a Watch started is told by what.
func TestReadyInAWatchsJob(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var wc waitctx.WaitCtx
		wc.Set("x", waitctx.Wait{FD: 4})
		wc.Set("y", waitctx.Wait{FD: 5})
		var got []any
		w, err := s.Watch(&wc, func(j jobs.Job) error {
			for key := range j.Ready() {
				got = append(got, key)
			}
			m.SetReady(5, 0)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		m.SetReady(5, waitctx.ReadyIn)
		s.RunOnce(0)
		until(t, s)
		if !slices.Equal(got, []any{"y"}) {
			t.Errorf("Ready() = %v, want [y]", got)
		}
		w.Stop()
	})
}

// What was registered but is not awaited does not resume the job, and is
// reported once the job awaits it.
func TestRegisteredIsNotAwaited(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var order []string
		s.Go(func(j jobs.Job) error {
			j.WaitCtx().Set("other", waitctx.Wait{FD: 9})
			if err := j.Sleep(time.Second); err != nil {
				return err
			}
			order = append(order, "slept")
			err := j.Pause()
			order = append(order, "other")
			return err
		})
		m.SetReady(9, waitctx.ReadyIn)
		begin := time.Now()
		until(t, s)
		if !slices.Equal(order, []string{"slept", "other"}) || time.Since(begin) != time.Second {
			t.Errorf("order %v after %v, want [slept other] after a second", order, time.Since(begin))
		}
	})
}

func TestQuietLoopGivesUpItsCoroutines(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		for range 50 {
			s.Go(jobs.Job.Park)
		}
		s.Go(func(jobs.Job) error { return nil })
		s.RunOnce(0)
		if n := coroutines(); n != 51 {
			t.Errorf("%d coroutines for 50 paused jobs and one that ended, want 51", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		s.Run(ctx)
		if n := coroutines(); n != 50 {
			t.Errorf("%d coroutines after ten quiet seconds, want those of the 50 paused jobs", n)
		}
	})
}

// coroutines counts those of the process in a dump of its goroutines.
func coroutines() int {
	buf := make([]byte, 1<<20)
	for n := runtime.Stack(buf, true); ; n = runtime.Stack(buf, true) {
		if n < len(buf) {
			return strings.Count(string(buf[:n]), "[coroutine")
		}
		buf = make([]byte, 2*len(buf))
	}
}

// WithMaxIdle holds for a host that sleeps itself, too.
func TestIdleCoroutinesAreBounded(t *testing.T) {
	const most = 3
	for _, timeout := range []time.Duration{0, time.Millisecond} {
		inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
			for range 50 {
				s.Go(func(j jobs.Job) error { return j.Sleep(time.Second) })
			}
			s.RunOnce(0)
			time.Sleep(time.Second)
			for range 3 { // busy enough not to be quiet
				s.Go(func(jobs.Job) error { return nil })
				s.RunOnce(timeout)
				s.RunOnce(timeout)
			}
			if n := coroutines(); n != most {
				t.Errorf("%d coroutines after turns of %v, want the %d that may be idle", n, timeout, most)
			}
		}, jobs.WithMaxIdle(most))
	}
}

func TestErrorsAreReported(t *testing.T) {
	var names []string
	var errs []error
	opt := jobs.WithErrors(func(name string, err error) {
		names, errs = append(names, name), append(errs, err)
	})
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		s.Go(func(j jobs.Job) error { j.SetName("bad"); return io.ErrNoProgress })
		s.Go(func(j jobs.Job) error { j.SetName("good"); return nil })
		s.Go(func(j jobs.Job) error { j.SetName("worse"); panic("boom") })
		until(t, s)
		var p *jobs.PanicError
		if !slices.Equal(names, []string{"bad", "worse"}) || errs[0] != io.ErrNoProgress || !errors.As(errs[1], &p) {
			t.Errorf("reported %v of %v, want the error of bad and the panic of worse", errs, names)
		}
		if !strings.Contains(string(p.Stack), "TestErrorsAreReported") {
			t.Errorf("the stack of the panic is not the job's:\n%s", p.Stack)
		}
	}, opt)
}

func TestListTellsWhatJobsWaitFor(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var m jobs.Mutex
		m.TryLock()
		var wg jobs.WaitGroup
		wg.Add(1)
		key := func(keys ...any) func(jobs.Job) error {
			return func(j jobs.Job) error {
				for i, key := range keys {
					j.WaitCtx().Set(key, waitctx.Wait{FD: waitctx.FD(5 + i)})
				}
				if len(keys) > 1 {
					return j.Pause()
				}
				return j.WaitKey(keys[0])
			}
		}
		want := map[string]string{}
		for _, tc := range []struct {
			waits string
			wait  func(jobs.Job) error
		}{
			{"fd 5 (read)", func(j jobs.Job) error { return j.Wait(5, 0) }},
			{"fd 6 (write)", func(j jobs.Job) error { return j.Wait(6, waitctx.Writable) }},
			{"fd 7 (read, priority)", func(j jobs.Job) error {
				return j.Wait(7, waitctx.Readable|waitctx.Priority|waitctx.Edge)
			}},
			{"fd 5 (signal)", key("signal")},
			{"fd 5 (9)", key(waitctx.FD(9))},
			{"fd 5 (1m0s)", key(time.Minute)},
			{"fd 5 (*jobs.Mutex)", key(&m)},
			{"fd 5 (one) and fd 6 (struct {})", key("one", struct{}{})},
			{"sleep", func(j jobs.Job) error { return j.Sleep(time.Hour) }},
			{"waker", jobs.Job.Park},
			{"await", func(j jobs.Job) error {
				_, err := jobs.Await(j, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil })
				return err
			}},
			{"mutex", m.Lock},
			{"cond", new(jobs.Cond).Wait},
			{"semaphore", jobs.NewSemaphore(0).Acquire},
			{"waitgroup", wg.Wait},
			{"chan", func(j jobs.Job) error { return jobs.NewChan[int](0).Send(j, 1) }},
			{"tasks", func(j jobs.Job) error {
				tasks, err := jobs.NewTasks(j)
				tasks.Go(jobs.Job.Park).SetName("waker")
				return errors.Join(err, tasks.Wait())
			}},
		} {
			name := tc.waits
			want[name] = name
			s.Go(func(j jobs.Job) error { j.SetName(name); return tc.wait(j) })
		}
		for range 3 {
			s.RunOnce(0)
		}
		time.Sleep(time.Minute)
		list := make(chan []jobs.JobInfo, 1)
		go func() { list <- s.List() }()
		synctest.Wait()
		s.RunOnce(0)
		got := map[string]string{}
		for _, job := range <-list {
			got[job.Name] = strings.Join(job.Waits, " and ")
			if job.Age != time.Minute {
				t.Errorf("Age of %s = %v, want a minute", job.Name, job.Age)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("List() = %q, want %q", got, want)
		}
	})
}

// A job of the loop asks on another goroutine.
func TestJobAsksForStatsAndList(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		s.Go(func(j jobs.Job) error {
			j.SetName("asks")
			st, err := jobs.Await(j, func(context.Context) (jobs.Stats, error) { return s.Stats(), nil })
			if err != nil || st.Live != 1 || st.Started != 1 {
				t.Errorf("Stats() = %+v, %v, want one job live and started", st, err)
			}
			list, err := jobs.Await(j, func(context.Context) ([]jobs.JobInfo, error) { return s.List(), nil })
			if err != nil || len(list) != 1 || list[0].Name != "asks" || !slices.Equal(list[0].Waits, []string{"await"}) {
				t.Errorf("List() = %v, %v, want the job that asks and its Await", list, err)
			}
			return nil
		})
		turns(t, s, idle(s))
	})
}

// Errors of refused waits name the wait, however they are heard of.
func TestRefusedWaitsAreNamed(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		set := func(wc *waitctx.WaitCtx) *waitctx.WaitCtx {
			wc.Set("key", waitctx.Wait{FD: 12345})
			return wc
		}
		tell := func(what string, err error, name string) {
			if !errors.Is(err, errBadFD) || !strings.HasPrefix(err.Error(), "jobs: "+name+": ") {
				t.Errorf("%s = %v, want EBADF of %s", what, err, name)
			}
		}
		asked := 0
		if _, err := s.Watch(set(new(waitctx.WaitCtx)), func(j jobs.Job) error {
			asked++
			tell("Reason() of a Watch's job", j.Reason(), "fd 12345 (key)")
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		w, err := s.Watch(set(new(waitctx.WaitCtx)), nil)
		if err != nil {
			t.Fatal(err)
		}
		for what, wait := range map[string]func(jobs.Job) error{
			"Watch.Wait":    w.Wait,
			"Pause":         func(j jobs.Job) error { set(j.WaitCtx()); return j.Pause() },
			"WaitKey":       func(j jobs.Job) error { set(j.WaitCtx()); return j.WaitKey("key") },
			"WaitKey again": func(j jobs.Job) error { set(j.WaitCtx()); j.Sleep(0); return j.WaitKey("key") },
			"Err":           func(j jobs.Job) error { set(j.WaitCtx()); j.Pause(); return j.WaitCtx().Err("key") },
		} {
			s.Go(func(j jobs.Job) error {
				asked++
				tell(what, wait(j), "fd 12345 (key)")
				return nil
			})
		}
		s.Go(func(j jobs.Job) error {
			asked++
			tell("Wait", j.Wait(12345, waitctx.Writable), "fd 12345 (write)")
			err := j.Wait(waitctx.BadFD, 0)
			if !errors.Is(err, waitctx.ErrBadFD) || !strings.HasPrefix(err.Error(), "jobs: fd -1 (read): ") {
				t.Errorf("Wait() for no descriptor = %v, want ErrBadFD of fd -1", err)
			}
			return nil
		})
		turns(t, s, func() bool { return s.Live() == 0 && asked == 7 })
	})
}

func TestWatchdogReportsALongTurn(t *testing.T) {
	stalls := make(chan jobs.Stall, 10)
	opt := jobs.WithWatchdog(100*time.Millisecond, func(s jobs.Stall) {
		select {
		case stalls <- s:
		default: // the count tells that there were too many
		}
	})
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		for range 100 { // none of them is long
			s.Go(func(j jobs.Job) error { time.Sleep(10 * time.Millisecond); return nil })
			until(t, s)
		}
		if len(stalls) != 0 {
			t.Fatalf("reported %v, want nothing for short turns", <-stalls)
		}
		time.Sleep(time.Hour) // the watchdog rests by now
		s.Go(func(j jobs.Job) error { j.SetName("blocker"); blocks(); return nil })
		until(t, s)
		if len(stalls) != 1 {
			t.Fatalf("%d reports of one long turn, want 1", len(stalls))
		}
		got := <-stalls
		if got.Job != "blocker" || got.For < 100*time.Millisecond || got.For > 200*time.Millisecond {
			t.Errorf("reported job %q after %v, want blocker after 100 to 200 ms", got.Job, got.For)
		}
		if !strings.Contains(string(got.Stack), "jobs_test.blocks") || strings.Contains(got.String(), "watchdog).watch") {
			t.Errorf("the stack is not the job's:\n%s", got)
		}
	}, opt)
}

//go:noinline
func blocks() { time.Sleep(time.Second) }

// A job may be named by another, also before it begins, and that keeps its own name.
func TestNameOfAnotherJob(t *testing.T) {
	stalls := make(chan jobs.Stall, 10)
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		s.Go(func(j jobs.Job) error {
			j.SetName("parent")
			s.Go(jobs.Job.Park).SetName("child")
			blocks()
			return nil
		})
		s.RunOnce(0)
		s.RunOnce(0)
		if len(stalls) != 1 {
			t.Fatalf("%d reports of one long turn, want 1", len(stalls))
		}
		if got := (<-stalls).Job; got != "parent" {
			t.Errorf("reported job %q, want parent", got)
		}
	}, jobs.WithWatchdog(100*time.Millisecond, func(s jobs.Stall) { stalls <- s }))
}

// A turn that begins while the watchdog goes to rest is not overlooked.
func TestWatchdogDoesNotRestInATurn(t *testing.T) {
	if jobs.RestsInATurn() {
		t.Error("the watchdog rests while a turn is under way")
	}
}

// Ready jobs, wakes, timers, new jobs and heavy ones all make progress while
// some job is ready in every turn.
func TestNobodyStarves(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		stop := false
		spin := func(j jobs.Job) error {
			for !stop {
				if err := j.Sleep(0); err != nil {
					return err
				}
			}
			return nil
		}
		s.Go(spin)
		s.GoLow(spin)
		done := make(map[string]bool)
		finish := func(name string, wait func(jobs.Job) error) func(jobs.Job) error {
			return func(j jobs.Job) error {
				err := wait(j)
				done[name] = err == nil
				return err
			}
		}
		m.SetReady(3, waitctx.ReadyIn)
		s.Go(finish("ready", func(j jobs.Job) error { return j.Wait(3, 0) }))
		s.Go(finish("timer", func(j jobs.Job) error { return j.Sleep(time.Nanosecond) }))
		wakers := make(chan jobs.Waker, 1)
		s.Go(finish("waker", func(j jobs.Job) error { wakers <- j.Waker(); return j.Park() }))
		s.GoLow(finish("low", func(jobs.Job) error { return nil }))
		for range 10 {
			s.RunOnce(0)
		}
		(<-wakers).Wake()
		s.Go(finish("new", func(jobs.Job) error { return nil }))
		time.Sleep(time.Nanosecond)
		for range 3 {
			s.RunOnce(0)
		}
		for _, name := range []string{"ready", "timer", "waker", "low", "new"} {
			if !done[name] {
				t.Errorf("%s made no progress", name)
			}
		}
		stop = true
		until(t, s)
	})
}

// A context that was dirty, clean and dirty again within one job's step is
// applied once.
func TestSetTakenBackAndSetAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		s.Go(func(j jobs.Job) error {
			for range 3 {
				j.WaitCtx().Set("k", waitctx.Wait{FD: 5})
				j.WaitCtx().Clear("k")
			}
			j.WaitCtx().Set("k", waitctx.Wait{FD: 5})
			return j.Pause()
		})
		s.RunOnce(0)
		if log := m.Log(); len(log) != 1 || log[0].Err != nil {
			t.Errorf("applied %+v, want one add", log)
		}
		m.SetReady(5, waitctx.ReadyIn)
		until(t, s)
	})
}

// stale tells one event of a registration that has ended.
type stale struct {
	*pollertest.Memory
	token waitctx.Token
	tell  bool
}

func (p *stale) Wait(dst []waitctx.Event, timeout time.Duration) (int, error) {
	if p.tell {
		dst[0] = waitctx.Event{Token: p.token, Ready: waitctx.ReadyIn}
		p.tell = false
		return 1, nil
	}
	return p.Memory.Wait(dst, timeout)
}

// An event whose token is of an ended job must not resume the job that has its
// slot now.
func TestTokensOfAnEndedJobAreStale(t *testing.T) {
	p := &stale{Memory: pollertest.NewMemory()}
	s, err := jobs.New(jobs.WithPoller(p))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p.SetReady(5, waitctx.ReadyIn)
	s.Go(func(j jobs.Job) error { return j.Wait(5, 0) })
	until(t, s)
	old := p.Log()[0].Token
	resumed := false
	s.Go(func(j jobs.Job) error {
		err := j.Wait(6, 0)
		resumed = err == nil
		return err
	})
	s.RunOnce(0)
	if now := p.Log(); now[len(now)-1].Token&0xff_ffff_ffff != old&0xff_ffff_ffff {
		t.Fatalf("tokens %#x, then %#x: the slot was not used again", old, now[len(now)-1].Token)
	}
	p.token, p.tell = old, true
	s.RunOnce(0)
	s.RunOnce(0)
	if resumed {
		t.Error("the event of the ended job resumed the next one")
	}
}

// refuser refuses every add.
type refuser struct{ *pollertest.Memory }

var errRefused = errors.New("refused")

func (p refuser) Apply(changes []waitctx.Change) error {
	var err error
	for i := range changes {
		if changes[i].Op == waitctx.OpAdd {
			changes[i].Err, err = errRefused, errRefused
		}
	}
	return err
}

// What rests on a wait that the kernel refuses must hear of it.
func TestRefusedWatchStartsItsFunction(t *testing.T) {
	s, err := jobs.New(jobs.WithPoller(refuser{pollertest.NewMemory()}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var wc waitctx.WaitCtx
	cleaned := false
	wc.Set("k", waitctx.Wait{FD: 5, Cleanup: func(any, waitctx.Wait) { cleaned = true }})
	var got []error
	w, err := s.Watch(&wc, func(j jobs.Job) error { got = append(got, j.Reason()); return nil })
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.RunOnce(0)
	}
	if len(got) != 1 || !errors.Is(got[0], errRefused) || !cleaned {
		t.Errorf("started for %v, cleaned up %v, want once for %v, true", got, cleaned, errRefused)
	}
	w.Stop()
}

// quitter is a poller that can no longer watch what it tells of.
type quitter struct{ *pollertest.Memory }

func (p quitter) Wait(events []waitctx.Event, timeout time.Duration) (int, error) {
	n, err := p.Memory.Wait(events, timeout)
	for i := range n {
		events[i].Err = errRefused
	}
	return n, err
}

// What the poller gives up is named as what it refuses.
func TestWaitThatIsGivenUp(t *testing.T) {
	m := pollertest.NewMemory()
	s, err := jobs.New(jobs.WithPoller(quitter{m}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m.SetReady(5, waitctx.ReadyIn)
	var got error
	s.Go(func(j jobs.Job) error { got = j.Wait(5, 0); return nil })
	for range 3 {
		s.RunOnce(0)
	}
	if !errors.Is(got, errRefused) || got.Error() != "jobs: fd 5 (read): refused" {
		t.Errorf("Wait() = %v, want %v of fd 5 (read)", got, errRefused)
	}
}

// forgetter is a poller that gives up what it tells of next, once, and tells nothing
// more of that registration.
type forgetter struct {
	*pollertest.Memory
	gaveUp bool
	token  waitctx.Token
}

func (p *forgetter) Wait(events []waitctx.Event, timeout time.Duration) (int, error) {
	n, err := p.Memory.Wait(events, timeout)
	kept := 0
	for _, ev := range events[:n] {
		switch {
		case !p.gaveUp:
			p.gaveUp, p.token = true, ev.Token
			ev.Err = errRefused
		case ev.Token == p.token:
			continue
		}
		events[kept] = ev
		kept++
	}
	return kept, err
}

// The Wait after one that was given up registers anew.
func TestWaitAfterOneThatWasGivenUp(t *testing.T) {
	m := pollertest.NewMemory()
	s, err := jobs.New(jobs.WithPoller(&forgetter{Memory: m}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m.SetReady(5, waitctx.ReadyIn)
	var got []error
	s.Go(func(j jobs.Job) error {
		for range 2 {
			got = append(got, j.Wait(5, 0))
		}
		return nil
	})
	for range 6 {
		s.RunOnce(0)
	}
	if len(got) != 2 || !errors.Is(got[0], errRefused) || got[1] != nil {
		t.Errorf("Wait() = %v, want %v, then nil", got, errRefused)
	}
}
