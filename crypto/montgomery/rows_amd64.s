#include "textflag.h"

// LIMB adds one limb's product to t: hi·2^64 + t[at] = t[at] + x[at]·y + carry, the carry being what the limb before left
// in low. One carry flag takes the sum of products, the other the sum with t, and neither waits for the other.
#define LIMB(at, low, high) \
	MULXQ at(SI), R8, high; \
	ADCXQ low, R8; \
	ADOXQ at(DI), R8; \
	MOVQ  R8, at(DI)

// ROW adds a number's n limbs at SI, n in CX a multiple of four, times DX to the limbs at DI, and leaves in R9 the limb
// that does not fit. It changes SI, DI, CX; nothing in it touches a flag but MULX's two companions.
#define ROW(loop, done) \
	XORQ R9, R9; \
loop: \
	LIMB(0, R9, R10); \
	LIMB(8, R10, R9); \
	LIMB(16, R9, R10); \
	LIMB(24, R10, R9); \
	LEAQ 32(SI), SI; \
	LEAQ 32(DI), DI; \
	LEAQ -4(CX), CX; \
	JCXZQ done; \
	JMP  loop; \
done: \
	MOVQ $0, R8; \
	ADCXQ R8, R9; \
	ADOXQ R8, R9

// func addRows(t, x, y, m *uint64, inv uint64, n int) (carry uint64)
TEXT ·addRows(SB), NOSPLIT, $0-56
	MOVQ t+0(FP), R11
	MOVQ y+16(FP), R12
	MOVQ n+40(FP), R13
	XORQ R14, R14          // the carry from limb to limb of t's upper half
	MOVQ R13, R15          // rows to go

row:
	MOVQ (R12), DX
	MOVQ x+8(FP), SI
	MOVQ R11, DI
	MOVQ R13, CX
	ROW(product, reduction)
	MOVQ R9, BX

	// The multiple of m that makes the lowest limb zero.
	MOVQ (R11), DX
	IMULQ inv+32(FP), DX
	MOVQ m+24(FP), SI
	MOVQ R11, DI
	MOVQ R13, CX
	ROW(multiple, next)

	// t[n] = R14 + BX + R9.
	ADDQ R14, BX
	MOVQ $0, R14
	ADCQ $0, R14
	ADDQ R9, BX
	ADCQ $0, R14
	MOVQ BX, (DI)
	ADDQ $8, R11
	ADDQ $8, R12
	DECQ R15
	JNE  row

	MOVQ R14, carry+48(FP)
	RET
