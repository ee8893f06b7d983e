#include "go_asm.h"
#include "textflag.h"

// AES-GCM, NIST SP 800-38D, on registers of 512 bits: four blocks in each, sixteen blocks a step.
//
// The counter mode (§6.5) runs VAESENC over sixteen counter blocks at once.
//
// GHASH (§6.4) is Horner's rule over GF(2^128). Sixteen blocks are gathered before one reduction:
//
//	Y' = (Y + X1)·H^16 + X2·H^15 + … + X16·H
//
// The field's bit order is the reverse of the processor's. As Gueron and Kounavis show ("Intel Carry-Less Multiplication
// Instruction and its Usage for Computing the GCM Mode"), the product of two reflected operands is the reflected product
// shifted right by one bit; that one bit is put into the powers of H once per key. Octets are reversed by VPSHUFB, and the
// reduction modulo x^128 + x^127 + x^126 + x^121 + 1 is two carry-less multiplications by its high half, 0xc2 << 56.
//
// Registers throughout:
//
//	AX  schedule         Z0–Z3   counter blocks, key stream     Z12–Z15  products: low, high, middle, spare
//	SI  source           Z4–Z7   ciphertext, for GHASH          Z16–Z25  round keys 0–9
//	DI  destination      Z8      the next four counters         Z26–Z29  round keys 10–13, of the longer keys
//	CX  octets left      Z9      4 for each counter             Z30      the last round key
//	BX  powers of H      Z10     octet reversal                 Z31      Y, in its low 128 bits
//	R13 rounds           Z11     the reduction's polynomial

DATA reverse<>+0(SB)/8, $0x08090a0b0c0d0e0f
DATA reverse<>+8(SB)/8, $0x0001020304050607
GLOBL reverse<>(SB), RODATA, $16
DATA polynomial<>+0(SB)/8, $0x0000000000000001
DATA polynomial<>+8(SB)/8, $0xc200000000000000
GLOBL polynomial<>(SB), RODATA, $16
DATA oneToFour<>+0(SB)/8, $1
DATA oneToFour<>+8(SB)/8, $0
DATA oneToFour<>+16(SB)/8, $2
DATA oneToFour<>+24(SB)/8, $0
DATA oneToFour<>+32(SB)/8, $3
DATA oneToFour<>+40(SB)/8, $0
DATA oneToFour<>+48(SB)/8, $4
DATA oneToFour<>+56(SB)/8, $0
GLOBL oneToFour<>(SB), RODATA, $64
DATA four<>+0(SB)/8, $4
DATA four<>+8(SB)/8, $0
DATA four<>+16(SB)/8, $4
DATA four<>+24(SB)/8, $0
DATA four<>+32(SB)/8, $4
DATA four<>+40(SB)/8, $0
DATA four<>+48(SB)/8, $4
DATA four<>+56(SB)/8, $0
GLOBL four<>(SB), RODATA, $64

// Offsets into schedule.
#define LAST_KEY 224
#define ROUNDS 240
#define POWERS 256
#define H1 496
#define POWERS_END 512

// ---- AES in counter mode

#define ROUND4(key) \
	VAESENC key, Z0, Z0 \
	VAESENC key, Z1, Z1 \
	VAESENC key, Z2, Z2 \
	VAESENC key, Z3, Z3

// The next sixteen counter blocks and the first AddRoundKey. VPADDD adds to the counter's 32 bits alone, which is inc32 of §6.2
// with its wrap.
#define COUNTERS4 \
	VPSHUFB Z10, Z8, Z0 \
	VPADDD four<>(SB), Z8, Z8 \
	VPSHUFB Z10, Z8, Z1 \
	VPADDD four<>(SB), Z8, Z8 \
	VPSHUFB Z10, Z8, Z2 \
	VPADDD four<>(SB), Z8, Z8 \
	VPSHUFB Z10, Z8, Z3 \
	VPADDD four<>(SB), Z8, Z8 \
	VPXORQ Z16, Z0, Z0 \
	VPXORQ Z16, Z1, Z1 \
	VPXORQ Z16, Z2, Z2 \
	VPXORQ Z16, Z3, Z3

// Rounds from the tenth on: 10 are all for AES-128, 12 for AES-192, 14 for AES-256.
#define FINISH4(last) \
	CMPQ R13, $12 \
	JLT last \
	ROUND4(Z26) \
	ROUND4(Z27) \
	JEQ last \
	ROUND4(Z28) \
	ROUND4(Z29) \
last: \
	VAESENCLAST Z30, Z0, Z0 \
	VAESENCLAST Z30, Z1, Z1 \
	VAESENCLAST Z30, Z2, Z2 \
	VAESENCLAST Z30, Z3, Z3

// Z0–Z3 = the next 256 octets of key stream.
#define STREAM4(last) \
	COUNTERS4 \
	ROUND4(Z17) \
	ROUND4(Z18) \
	ROUND4(Z19) \
	ROUND4(Z20) \
	ROUND4(Z21) \
	ROUND4(Z22) \
	ROUND4(Z23) \
	ROUND4(Z24) \
	ROUND4(Z25) \
	FINISH4(last)

// block = AES(block), in as many lanes as its register has.
#define ENCRYPT(block, k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11, k12, k13, k14, last) \
	VPXORQ k0, block, block \
	VAESENC k1, block, block \
	VAESENC k2, block, block \
	VAESENC k3, block, block \
	VAESENC k4, block, block \
	VAESENC k5, block, block \
	VAESENC k6, block, block \
	VAESENC k7, block, block \
	VAESENC k8, block, block \
	VAESENC k9, block, block \
	CMPQ R13, $12 \
	JLT last \
	VAESENC k10, block, block \
	VAESENC k11, block, block \
	JEQ last \
	VAESENC k12, block, block \
	VAESENC k13, block, block \
last: \
	VAESENCLAST k14, block, block

#define ENCRYPT_X0(last) ENCRYPT(X0, X16, X17, X18, X19, X20, X21, X22, X23, X24, X25, X26, X27, X28, X29, X30, last)
#define ENCRYPT_Z0(last) ENCRYPT(Z0, Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, last)

// ---- GHASH

// Products of four blocks with four powers, started and added to: low in Z12, high in Z13, the two middle ones in Z14.
#define PRODUCT(offset, data) \
	VPCLMULQDQ $0x00, offset(BX), data, Z12 \
	VPCLMULQDQ $0x11, offset(BX), data, Z13 \
	VPCLMULQDQ $0x01, offset(BX), data, Z14 \
	VPCLMULQDQ $0x10, offset(BX), data, Z15 \
	VPXORQ Z15, Z14, Z14

#define PRODUCT_ADD(offset, data) \
	VPCLMULQDQ $0x00, offset(BX), data, Z15 \
	VPXORQ Z15, Z12, Z12 \
	VPCLMULQDQ $0x11, offset(BX), data, Z15 \
	VPXORQ Z15, Z13, Z13 \
	VPCLMULQDQ $0x01, offset(BX), data, Z15 \
	VPXORQ Z15, Z14, Z14 \
	VPCLMULQDQ $0x10, offset(BX), data, Z15 \
	VPXORQ Z15, Z14, Z14

// Splits the middle product between low and high.
#define REDUCE_SPLIT \
	VPSLLDQ $8, Z14, Z15 \
	VPXORQ Z15, Z12, Z12 \
	VPSRLDQ $8, Z14, Z14 \
	VPXORQ Z14, Z13, Z13

// Takes 64 bits of the low product into the rest; twice makes all of it.
#define REDUCE_HALF \
	VPCLMULQDQ $0x10, Z11, Z12, Z14 \
	VPSHUFD $78, Z12, Z12 \
	VPXORQ Z14, Z12, Z12

#define REDUCE_END \
	VPCLMULQDQ $0x10, Z11, Z12, Z14 \
	VPSHUFD $78, Z12, Z12 \
	VPTERNLOGQ $0x96, Z12, Z14, Z13

// Y = the sum of the four lanes.
#define FOLD \
	VEXTRACTI64X4 $1, Z13, Y12 \
	VPXORQ Y12, Y13, Y13 \
	VEXTRACTI64X2 $1, Y13, X12 \
	VPXORQ X12, X13, X31

#define REDUCE \
	REDUCE_SPLIT \
	REDUCE_HALF \
	REDUCE_END \
	FOLD

// X31 = X31·power.
#define MULTIPLY(power) \
	VPCLMULQDQ $0x00, power, X31, X12 \
	VPCLMULQDQ $0x11, power, X31, X13 \
	VPCLMULQDQ $0x01, power, X31, X14 \
	VPCLMULQDQ $0x10, power, X31, X15 \
	VPXORQ X15, X14, X14 \
	VPSLLDQ $8, X14, X15 \
	VPXORQ X15, X12, X12 \
	VPSRLDQ $8, X14, X14 \
	VPXORQ X14, X13, X13 \
	VPCLMULQDQ $0x10, X11, X12, X14 \
	VPSHUFD $78, X12, X12 \
	VPXORQ X14, X12, X12 \
	VPCLMULQDQ $0x10, X11, X12, X14 \
	VPSHUFD $78, X12, X12 \
	VPTERNLOGQ $0x96, X12, X14, X13 \
	VMOVDQA64 X13, X31

#define REVERSE4 \
	VPSHUFB Z10, Z4, Z4 \
	VPSHUFB Z10, Z5, Z5 \
	VPSHUFB Z10, Z6, Z6 \
	VPSHUFB Z10, Z7, Z7

// The same for sixteen reversed blocks in Z4–Z7, in four parts. Sums of three are one VPTERNLOGQ, for which products wait in the
// registers of blocks already used and in Z9. After the last part the low product lacks Z5 and the high one Z6.
#define PRODUCT16_A \
	VPCLMULQDQ $0x00, 64(BX), Z5, Z12 \
	VPCLMULQDQ $0x11, 64(BX), Z5, Z13 \
	VPCLMULQDQ $0x01, 64(BX), Z5, Z14 \
	VPCLMULQDQ $0x10, 64(BX), Z5, Z15

#define PRODUCT16_B \
	VPCLMULQDQ $0x01, 128(BX), Z6, Z5 \
	VPCLMULQDQ $0x10, 128(BX), Z6, Z9 \
	VPTERNLOGQ $0x96, Z9, Z5, Z14 \
	VPCLMULQDQ $0x00, 128(BX), Z6, Z5 \
	VPCLMULQDQ $0x11, 128(BX), Z6, Z9

#define PRODUCT16_C \
	VPCLMULQDQ $0x01, 192(BX), Z7, Z6 \
	VPTERNLOGQ $0x96, Z15, Z6, Z14 \
	VPCLMULQDQ $0x10, 192(BX), Z7, Z15 \
	VPCLMULQDQ $0x00, 192(BX), Z7, Z6 \
	VPTERNLOGQ $0x96, Z5, Z6, Z12 \
	VPCLMULQDQ $0x11, 192(BX), Z7, Z6 \
	VPTERNLOGQ $0x96, Z9, Z6, Z13

#define PRODUCT16_D \
	VPXORQ Z31, Z4, Z4 \
	VPCLMULQDQ $0x01, 0(BX), Z4, Z5 \
	VPTERNLOGQ $0x96, Z15, Z5, Z14 \
	VPCLMULQDQ $0x10, 0(BX), Z4, Z5 \
	VPXORQ Z5, Z14, Z14 \
	VPCLMULQDQ $0x00, 0(BX), Z4, Z5 \
	VPCLMULQDQ $0x11, 0(BX), Z4, Z6

#define REDUCE16_SPLIT \
	VPSLLDQ $8, Z14, Z15 \
	VPTERNLOGQ $0x96, Z15, Z5, Z12 \
	VPSRLDQ $8, Z14, Z14 \
	VPTERNLOGQ $0x96, Z14, Z6, Z13

// Y = GHASH of the sixteen reversed blocks in Z4–Z7.
#define HASH16 \
	PRODUCT16_A \
	PRODUCT16_B \
	PRODUCT16_C \
	PRODUCT16_D \
	REDUCE16_SPLIT \
	REDUCE_HALF \
	REDUCE_END \
	FOLD

// Both at once, so that neither waits for its latency: the next 256 octets of key stream without the last rounds, and HASH16.
#define STREAM4_HASH16 \
	COUNTERS4 \
	ROUND4(Z17) \
	PRODUCT16_A \
	ROUND4(Z18) \
	PRODUCT16_B \
	ROUND4(Z19) \
	PRODUCT16_C \
	ROUND4(Z20) \
	PRODUCT16_D \
	ROUND4(Z21) \
	REDUCE16_SPLIT \
	ROUND4(Z22) \
	REDUCE_HALF \
	ROUND4(Z23) \
	REDUCE_END \
	ROUND4(Z24) \
	FOLD \
	ROUND4(Z25)

// ---- the last, short step

// K1–K4 = which octets of four registers are there, CX < 256.
#define MASKS \
	MOVQ $-1, R9 \
	XORQ R11, R11 \
	BZHIQ CX, R9, R10 \
	KMOVQ R10, K1 \
	MOVQ CX, R12 \
	SUBQ $64, R12 \
	CMOVQLT R11, R12 \
	BZHIQ R12, R9, R10 \
	KMOVQ R10, K2 \
	MOVQ CX, R12 \
	SUBQ $128, R12 \
	CMOVQLT R11, R12 \
	BZHIQ R12, R9, R10 \
	KMOVQ R10, K3 \
	MOVQ CX, R12 \
	SUBQ $192, R12 \
	CMOVQLT R11, R12 \
	BZHIQ R12, R9, R10 \
	KMOVQ R10, K4

#define LOAD_MASKED \
	VMOVDQU8.Z 0(SI), K1, Z4 \
	VMOVDQU8.Z 64(SI), K2, Z5 \
	VMOVDQU8.Z 128(SI), K3, Z6 \
	VMOVDQU8.Z 192(SI), K4, Z7

#define STORE_MASKED \
	VMOVDQU8 Z0, K1, 0(DI) \
	VMOVDQU8 Z1, K2, 64(DI) \
	VMOVDQU8 Z2, K3, 128(DI) \
	VMOVDQU8 Z3, K4, 192(DI)

// [len(A)]64 || [len(C)]64 of §7.1 step 5, in bits and reversed. Clobbers R9.
#define LENGTHS(x) \
	MOVQ n+56(FP), R9 \
	SHLQ $3, R9 \
	VMOVQ R9, x \
	MOVQ aadLen+32(FP), R9 \
	SHLQ $3, R9 \
	VPINSRQ $1, R9, x, x

// Y = GHASH of CX < 256 octets, reversed in Z4–Z7 with zeros behind them, and of the lengths. Up to 240 octets leave a block for
// the lengths, and the powers begin with as many as there are blocks. Clobbers R9–R12 and K1–K4.
#define HASH_TAIL(big, reduce, done) \
	CMPQ CX, $240 \
	JGT big \
	LENGTHS(X15) \
	LEAQ 15(CX), R12 \
	SHRQ $4, R12 \
	LEAQ 1(R12), R11 \
	ADDQ R12, R12 \
	MOVQ $3, R9 \
	SHLXQ R12, R9, R9 \
	KMOVB R9, K1 \
	SHRQ $8, R9 \
	KMOVB R9, K2 \
	SHRQ $8, R9 \
	KMOVB R9, K3 \
	SHRQ $8, R9 \
	KMOVB R9, K4 \
	VSHUFI64X2 $0, Z15, Z15, K1, Z4 \
	VSHUFI64X2 $0, Z15, Z15, K2, Z5 \
	VSHUFI64X2 $0, Z15, Z15, K3, Z6 \
	VSHUFI64X2 $0, Z15, Z15, K4, Z7 \
	VPXORQ Z31, Z4, Z4 \
	LEAQ POWERS_END(AX), BX \
	MOVQ R11, R10 \
	SHLQ $4, R10 \
	SUBQ R10, BX \
	PRODUCT(0, Z4) \
	CMPQ R11, $4 \
	JLE reduce \
	PRODUCT_ADD(64, Z5) \
	CMPQ R11, $8 \
	JLE reduce \
	PRODUCT_ADD(128, Z6) \
	CMPQ R11, $12 \
	JLE reduce \
	PRODUCT_ADD(192, Z7) \
reduce: \
	REDUCE \
	JMP done \
big: \
	HASH16 \
	HASH_LENGTHS \
done:

#define HASH_LENGTHS \
	LENGTHS(X15) \
	VPXORQ X15, X31, X31 \
	MULTIPLY(H1(AX))

// ---- beginning and end

// Loads the constants and the key schedule, and the counter block J0 = nonce || counter of §7.1 step 2, of which Z8 gets the next
// four and mask-16(SP) what the tag is hidden with.
#define BEGIN(skip, last) \
	MOVQ k+0(FP), AX \
	MOVQ nonce+8(FP), DX \
	MOVL counter+16(FP), R9 \
	MOVQ dst+40(FP), DI \
	MOVQ src+48(FP), SI \
	MOVQ n+56(FP), CX \
	MOVQ ROUNDS(AX), R13 \
	BSWAPL R9 \
	VMOVD 0(DX), X0 \
	VPINSRD $1, 4(DX), X0, X0 \
	VPINSRD $2, 8(DX), X0, X0 \
	VPINSRD $3, R9, X0, X0 \
	VBROADCASTI32X4 reverse<>(SB), Z10 \
	VBROADCASTI32X4 polynomial<>(SB), Z11 \
	VSHUFI64X2 $0, Z0, Z0, Z8 \
	VPSHUFB Z10, Z8, Z8 \
	VPADDD oneToFour<>(SB), Z8, Z8 \
	VBROADCASTI32X4 0(AX), Z16 \
	VBROADCASTI32X4 16(AX), Z17 \
	VBROADCASTI32X4 32(AX), Z18 \
	VBROADCASTI32X4 48(AX), Z19 \
	VBROADCASTI32X4 64(AX), Z20 \
	VBROADCASTI32X4 80(AX), Z21 \
	VBROADCASTI32X4 96(AX), Z22 \
	VBROADCASTI32X4 112(AX), Z23 \
	VBROADCASTI32X4 128(AX), Z24 \
	VBROADCASTI32X4 144(AX), Z25 \
	VBROADCASTI32X4 LAST_KEY(AX), Z30 \
	CMPQ R13, $10 \
	JEQ skip \
	VBROADCASTI32X4 160(AX), Z26 \
	VBROADCASTI32X4 176(AX), Z27 \
	VBROADCASTI32X4 192(AX), Z28 \
	VBROADCASTI32X4 208(AX), Z29 \
skip: \
	ENCRYPT_X0(last) \
	VMOVDQU64 X0, mask-16(SP) \
	LEAQ POWERS(AX), BX

// Y = GHASH of the additional data, whose last block is filled with zeros. Clobbers DX, R9–R11.
#define HASH_AAD(loop, tail, done) \
	MOVQ aad+24(FP), DX \
	MOVQ aadLen+32(FP), R10 \
	VPXORQ X31, X31, X31 \
	TESTQ R10, R10 \
	JEQ done \
loop: \
	CMPQ R10, $16 \
	JLE tail \
	VMOVDQU64 (DX), X12 \
	VPSHUFB X10, X12, X12 \
	VPXORQ X12, X31, X31 \
	MULTIPLY(H1(AX)) \
	ADDQ $16, DX \
	SUBQ $16, R10 \
	JMP loop \
tail: \
	MOVQ $-1, R9 \
	BZHIQ R10, R9, R9 \
	KMOVW R9, K1 \
	VMOVDQU8.Z (DX), K1, X12 \
	VPSHUFB X10, X12, X12 \
	VPXORQ X12, X31, X31 \
	MULTIPLY(H1(AX)) \
done:

// X31 = the tag, §7.1 step 6.
#define TAG \
	VPSHUFB X10, X31, X31 \
	VPXORQ mask-16(SP), X31, X31

// "…if T = T', then return P; else return FAIL"  SP 800-38D §7.2 step 8. T is behind the source's CX octets; all its bits are
// compared at once. What refuses is told by the label; the difference of a truncated tag is made elsewhere.
#define COMPARE(truncated, compare, refuse) \
	TAG \
	MOVL tagMask+20(FP), R9 \
	CMPL R9, $0xffff \
	JNE truncated \
	VPXORQ (SI)(CX*1), X31, X31 \
compare: \
	VPTESTMQ X31, X31, K1 \
	KMOVB K1, R9 \
	TESTQ R9, R9 \
	JNE refuse

// X31 = the difference of as many octets as tagMask, in R9, has bits.
#define TRUNCATED(compare) \
	KMOVW R9, K2 \
	VMOVDQU8.Z (SI)(CX*1), K2, X12 \
	VPXORQ X12, X31, X31 \
	VMOVDQU8.Z X31, K2, X31 \
	JMP compare

// func seal(k *schedule, nonce *[12]byte, counter, tagMask uint32, aad *byte, aadLen int, dst, src *byte, n int)
TEXT ·seal(SB), NOSPLIT, $16-64
	BEGIN(sealKeys, sealMask)
	HASH_AAD(sealAAD, sealAADTail, sealAADDone)
	CMPQ CX, $64
	JLE  sealShort
	STREAM4(sealFirst)
	CMPQ CX, $256
	JLT  sealTail

sealLoop:
	VPXORQ    0(SI), Z0, Z4
	VPXORQ    64(SI), Z1, Z5
	VPXORQ    128(SI), Z2, Z6
	VPXORQ    192(SI), Z3, Z7
	VMOVDQU64 Z4, 0(DI)
	VMOVDQU64 Z5, 64(DI)
	VMOVDQU64 Z6, 128(DI)
	VMOVDQU64 Z7, 192(DI)
	ADDQ      $256, SI
	ADDQ      $256, DI
	REVERSE4

	// The key stream of the next step and GHASH of this one.
	STREAM4_HASH16
	FINISH4(sealNext)
	SUBQ $256, CX
	CMPQ CX, $256
	JGE  sealLoop
	TESTQ CX, CX
	JEQ  sealEven

sealTail:
	MASKS
	LOAD_MASKED
	VPXORQ Z4, Z0, Z0
	VPXORQ Z5, Z1, Z1
	VPXORQ Z6, Z2, Z2
	VPXORQ Z7, Z3, Z3
	STORE_MASKED
	VMOVDQU8.Z Z0, K1, Z4
	VMOVDQU8.Z Z1, K2, Z5
	VMOVDQU8.Z Z2, K3, Z6
	VMOVDQU8.Z Z3, K4, Z7
	REVERSE4
	HASH_TAIL(sealBig, sealReduce, sealHashed)
	JMP sealTag

sealEven:
	HASH_LENGTHS

sealTag:
	TAG
	MOVL tagMask+20(FP), R9
	CMPL R9, $0xffff
	JNE  sealTruncated
	VMOVDQU64 X31, (DI)(CX*1)
	VZEROUPPER
	RET

sealTruncated:
	KMOVW    R9, K1
	VMOVDQU8 X31, K1, (DI)(CX*1)
	VZEROUPPER
	RET

	// Up to 64 octets: one register.
sealShort:
	VPSHUFB Z10, Z8, Z0
	ENCRYPT_Z0(sealOne)
	MOVQ  $-1, R9
	BZHIQ CX, R9, R10
	KMOVQ R10, K1
	VMOVDQU8.Z 0(SI), K1, Z4
	VPXORQ Z4, Z0, Z0
	VMOVDQU8 Z0, K1, 0(DI)
	VMOVDQU8.Z Z0, K1, Z4
	VPSHUFB Z10, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPXORQ Z6, Z6, Z6
	VPXORQ Z7, Z7, Z7
	HASH_TAIL(sealShortBig, sealShortReduce, sealShortHashed)
	JMP sealTag

// func open(k *schedule, nonce *[12]byte, counter, tagMask uint32, aad *byte, aadLen int, dst, src *byte, n int) bool
TEXT ·open(SB), NOSPLIT, $16-65
	BEGIN(openKeys, openMask)
	HASH_AAD(openAAD, openAADTail, openAADDone)
	CMPQ CX, $64
	JLE  openShort
	CMPQ CX, $const_heldLen
	JLE  openMiddle

	// Longer: GHASH and the key stream in one pass, and Open clears what it wrote if the tag turns out wrong.
	CMPQ CX, $256
	JLT  openTail

openLoop:
	VMOVDQU64 0(SI), Z4
	VMOVDQU64 64(SI), Z5
	VMOVDQU64 128(SI), Z6
	VMOVDQU64 192(SI), Z7
	REVERSE4
	STREAM4_HASH16
	FINISH4(openNext)
	VPXORQ    0(SI), Z0, Z0
	VPXORQ    64(SI), Z1, Z1
	VPXORQ    128(SI), Z2, Z2
	VPXORQ    192(SI), Z3, Z3
	VMOVDQU64 Z0, 0(DI)
	VMOVDQU64 Z1, 64(DI)
	VMOVDQU64 Z2, 128(DI)
	VMOVDQU64 Z3, 192(DI)
	ADDQ      $256, SI
	ADDQ      $256, DI
	SUBQ      $256, CX
	CMPQ      CX, $256
	JGE       openLoop
	TESTQ     CX, CX
	JEQ       openEven

openTail:
	STREAM4(openLast)
	MASKS
	LOAD_MASKED
	VPXORQ Z4, Z0, Z0
	VPXORQ Z5, Z1, Z1
	VPXORQ Z6, Z2, Z2
	VPXORQ Z7, Z3, Z3
	STORE_MASKED
	REVERSE4
	HASH_TAIL(openBig, openReduce, openHashed)
	JMP openCompare

openEven:
	HASH_LENGTHS

openCompare:
	COMPARE(openTruncated, openCompared, openRefuse)

openDone:
	VZEROUPPER
	MOVB $1, ret+64(FP)
	RET

	// Up to heldLen octets stay in registers, deciphered, until the tag was compared.
openMiddle:
	STREAM4(openAll)
	MASKS
	LOAD_MASKED
	VPXORQ Z4, Z0, Z0
	VPXORQ Z5, Z1, Z1
	VPXORQ Z6, Z2, Z2
	VPXORQ Z7, Z3, Z3
	REVERSE4
	JMP openHeld

	// Up to 64 octets: one register.
openShort:
	VPSHUFB Z10, Z8, Z0
	ENCRYPT_Z0(openOne)
	MOVQ  $-1, R9
	BZHIQ CX, R9, R10
	KMOVQ R10, K1
	VMOVDQU8.Z 0(SI), K1, Z4
	VPXORQ Z4, Z0, Z0
	VPSHUFB Z10, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPXORQ Z6, Z6, Z6
	VPXORQ Z7, Z7, Z7

openHeld:
	HASH_TAIL(openHeldBig, openHeldReduce, openHeldHashed)
	COMPARE(openHeldTruncated, openHeldCompared, openRefuse)
	MASKS
	STORE_MASKED
	JMP openDone

openRefuse:
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VZEROUPPER
	MOVB $0, ret+64(FP)
	RET

openTruncated:
	TRUNCATED(openCompared)

openHeldTruncated:
	TRUNCATED(openHeldCompared)

// func multiply(product, a, b *[16]byte)
TEXT ·multiply(SB), NOSPLIT, $0-24
	MOVQ product+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	VMOVDQU64 polynomial<>(SB), X11
	VMOVDQU64 (SI), X31
	MULTIPLY((DX))
	VMOVDQU64 X31, (DI)
	RET
