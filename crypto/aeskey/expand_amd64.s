#include "textflag.h"

// func subWord(w uint32) uint32
TEXT ·subWord(SB), NOSPLIT, $0-12
	MOVL w+0(FP), AX
	MOVQ AX, X0
	PSHUFD $0, X0, X0
	AESKEYGENASSIST $0, X0, X0
	MOVQ X0, AX
	MOVL AX, ret+8(FP)
	RET

// func InvMixColumns(block *[16]byte)
TEXT ·InvMixColumns(SB), NOSPLIT, $0-8
	MOVQ   block+0(FP), AX
	MOVOU  (AX), X0
	AESIMC X0, X0
	MOVOU  X0, (AX)
	RET
