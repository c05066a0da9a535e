package waitctx

import "testing"

// FuzzWaitCtx decodes three bytes to an operation of the model: what, on which
// key, and with what argument. The first byte chooses between few and many keys.
func FuzzWaitCtx(f *testing.F) {
	f.Add([]byte{0, opSet, 1, 2, opChanges, 0, 0, opClear, 1, 0, opChanges, 0, 0, opAck, 0, 1})
	f.Add([]byte{0, opSet, 1, 2, opChanges, 0, 0, opAck, 0, 1, opInterest, 1, 3, opChanges, 0, 0, opBind, 0, 0, opAck, 0, 255})
	f.Add([]byte{0, opSet, 1, 2, opChanges, 0, 0, opBind, 0, 0, opAck, 0, 1, opRelease, 1, 0, opChangesTwice, 0, 0, opAck, 0, 254})
	f.Add([]byte{0, opSet, 1, 2, opSet, 2, 2, opChanges, 0, 0, opClose, 0, 0, opSet, 3, 1, opAck, 0, 255, opChanges, 0, 0})
	many := []byte{1}
	for k := byte(0); k < 100; k++ {
		many = append(many, opSet, k, 1)
	}
	f.Add(append(many, opClear, 99, 0, opClose, 0, 0))
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) == 0 || len(ops) > 3000 {
			return
		}
		m := newModel(t, fewKeys)
		if ops[0]&1 != 0 {
			m = newModel(t, manyKeys)
		}
		for ops = ops[1:]; len(ops) >= 3; ops = ops[3:] {
			m.step(ops[0], ops[1], ops[2])
		}
		m.finish()
	})
}
