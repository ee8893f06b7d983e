#include "textflag.h"

// The Internet checksum's sum on registers of 512 and of 256 bits. "…the sum … can be computed using 32-bit or larger words, deferring the
// carries": RFC 1071 §2 (C). Each word of 32 bits is added to a lane of 64, where its carries have room, so that there is no
// end-around carry until the caller folds.
//
//	Z0–Z3  sums: even and odd words of the first 64 octets of a step, and of the second
//	Z7     the low half of each lane
//
// With 256 bits Y0 and Y2 have the even words and Y1 and Y3 the odd ones, of every second 32 octets.

#define ADD(data, spare, even, odd) \
	VPANDQ Z7, data, spare \
	VPSRLQ $32, data, data \
	VPADDQ spare, even, even \
	VPADDQ data, odd, odd

// func sum512(p *byte, n int) uint64
TEXT ·sum512(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	MOVQ $0x00000000ffffffff, AX
	VPBROADCASTQ AX, Z7
	CMPQ CX, $128
	JLT  tail

loop:
	VMOVDQU64 (SI), Z4
	VMOVDQU64 64(SI), Z5
	ADD(Z4, Z6, Z0, Z1)
	ADD(Z5, Z8, Z2, Z3)
	ADDQ $128, SI
	SUBQ $128, CX
	CMPQ CX, $128
	JGE  loop

tail:
	TESTQ CX, CX
	JEQ   fold

	// Up to 127 octets, and zeros for the others.
	MOVQ    $-1, R9
	XORQ    R11, R11
	BZHIQ   CX, R9, R10
	KMOVQ   R10, K1
	SUBQ    $64, CX
	CMOVQLT R11, CX
	BZHIQ   CX, R9, R10
	KMOVQ   R10, K2
	VMOVDQU8.Z (SI), K1, Z4
	VMOVDQU8.Z 64(SI), K2, Z5
	ADD(Z4, Z6, Z0, Z1)
	ADD(Z5, Z8, Z2, Z3)

fold:
	VPADDQ Z1, Z0, Z0
	VPADDQ Z3, Z2, Z2
	VPADDQ Z2, Z0, Z0
	VEXTRACTI64X4 $1, Z0, Y1
	VPADDQ Y1, Y0, Y0
	VEXTRACTI64X2 $1, Y0, X1
	VPADDQ X1, X0, X0
	VPSRLDQ $8, X0, X1
	VPADDQ X1, X0, X0
	VMOVQ X0, AX
	MOVQ  AX, ret+16(FP)
	VZEROUPPER
	RET

#define ADD256(offset, even, odd) \
	VMOVDQU offset(SI), Y4 \
	VPAND Y7, Y4, Y5 \
	VPSRLQ $32, Y4, Y4 \
	VPADDQ Y5, even, even \
	VPADDQ Y4, odd, odd

// func sum256(p *byte, n int) uint64
TEXT ·sum256(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPCMPEQD Y7, Y7, Y7
	VPSRLQ $32, Y7, Y7
	SUBQ $128, CX
	JLT  rest

loop:
	ADD256(0, Y0, Y1)
	ADD256(32, Y2, Y3)
	ADD256(64, Y0, Y1)
	ADD256(96, Y2, Y3)
	ADDQ $128, SI
	SUBQ $128, CX
	JGE  loop

rest:
	ADDQ $128, CX
	JEQ  fold

one:
	ADD256(0, Y0, Y1)
	ADDQ $32, SI
	SUBQ $32, CX
	JNE  one

fold:
	VPADDQ Y1, Y0, Y0
	VPADDQ Y3, Y2, Y2
	VPADDQ Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDQ X1, X0, X0
	VPSRLDQ $8, X0, X1
	VPADDQ X1, X0, X0
	VMOVQ X0, AX
	MOVQ  AX, ret+16(FP)
	VZEROUPPER
	RET
