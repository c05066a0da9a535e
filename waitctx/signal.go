package waitctx

// Callback is OpenSSL 3's way to signal a paused job without a descriptor. It
// is called by the producer, on whatever goroutine it has, never by this
// package. The producer fetches it beforehand, where the context may be used. It
// must not resume the job, but tell the loop of the job's host to, such as by the
// poller's Wake.
type Callback func(arg any) error

// Status says what a producer can do with the callback.
type Status uint8

// The values of ASYNC_STATUS_*. Unless it is StatusOK, do not expect a callback.
const (
	StatusUnsupported Status = iota
	StatusErr
	StatusOK
	StatusEAgain // resume the job soon and try again
)

// SetCallback installs fn and its argument for the producer to find. A nil fn
// removes it.
func (c *WaitCtx) SetCallback(fn Callback, arg any) {
	m := c.extra()
	m.callback, m.arg = fn, arg
}

// Callback returns what SetCallback installed; ok is false if there is none.
func (c *WaitCtx) Callback() (fn Callback, arg any, ok bool) {
	if c.more == nil || c.more.callback == nil {
		return nil, nil, false
	}
	return c.more.callback, c.more.arg, true
}

// SetStatus stores the producer's status. It stays until set again, over
// pauses and from job to job.
func (c *WaitCtx) SetStatus(s Status) { c.extra().status = s }

// Status returns what SetStatus stored, at first StatusUnsupported.
func (c *WaitCtx) Status() Status {
	if c.more == nil {
		return StatusUnsupported
	}
	return c.more.status
}
