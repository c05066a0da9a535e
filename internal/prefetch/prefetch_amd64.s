#include "textflag.h"

// Of a goroutine, a switch touches the fields stack to sched, atomicstatus to
// coroexit, lockedm, and coroarg: from 0, 144, 208 and 384 in Go 1.26. Should
// they move, less is gained.

// func Job(sp, goroutine, next, yield, rest, wc uintptr)
TEXT ·Job(SB), NOSPLIT, $0-48
	MOVQ	sp+0(FP), AX
	MOVQ	goroutine+8(FP), BX
	MOVQ	next+16(FP), CX
	MOVQ	yield+24(FP), DX
	MOVQ	rest+32(FP), SI
	MOVQ	wc+40(FP), DI
	PREFETCHT0	(CX)
	PREFETCHT0	(BX)
	PREFETCHT0	64(BX)
	PREFETCHT0	128(BX)
	PREFETCHT0	208(BX)
	PREFETCHT0	384(BX)
	PREFETCHT0	-128(AX)
	PREFETCHT0	-64(AX)
	PREFETCHT0	(AX)
	PREFETCHT0	64(AX)
	PREFETCHT0	128(AX)
	PREFETCHT0	192(AX)
	PREFETCHT0	256(AX)
	PREFETCHT0	320(AX)
	PREFETCHT0	(SI)
	PREFETCHT0	-64(DI)
	PREFETCHT0	(DI)
	PREFETCHT0	(DX)
	RET

// func G() uintptr
TEXT ·G(SB), NOSPLIT, $0-8
	MOVQ	(TLS), AX
	MOVQ	AX, ret+0(FP)
	RET
