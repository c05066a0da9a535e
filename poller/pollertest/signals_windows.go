package pollertest

// signals skips: the system has none that would end a call early.
func (s *suite) signals() (stop func()) {
	s.Skip("Windows has no signals")
	return nil
}
