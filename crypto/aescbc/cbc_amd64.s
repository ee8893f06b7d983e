#include "go_asm.h"
#include "textflag.h"

// Decryption in cipher block chaining mode, NIST SP 800-38A §6.2, on registers of 512 bits: four blocks in each, sixteen blocks
// a step. All blocks of a step are read before one is written, so that it works in place.
//
// Registers throughout:
//
//	AX  schedule         Z0–Z3    blocks being deciphered             Z16–Z25  round keys 0–9
//	SI  source           Z4–Z7    the same blocks, still ciphertext   Z26–Z29  round keys 10–13, of the longer keys
//	DI  destination      Z8       the ciphertext before, in the       Z30      the last round key
//	CX  octets left               highest 128 bits
//	R13 rounds           Z9–Z12   the block before each block of Z0–Z3

#define ROUND4(key) \
	VAESDEC key, Z0, Z0 \
	VAESDEC key, Z1, Z1 \
	VAESDEC key, Z2, Z2 \
	VAESDEC key, Z3, Z3

// Z9–Z12 = the blocks before those of Z4–Z7, and the first AddRoundKey of Z0–Z3.
#define BEGIN4 \
	VALIGNQ $6, Z8, Z4, Z9 \
	VALIGNQ $6, Z4, Z5, Z10 \
	VALIGNQ $6, Z5, Z6, Z11 \
	VALIGNQ $6, Z6, Z7, Z12 \
	VPXORQ Z16, Z4, Z0 \
	VPXORQ Z16, Z5, Z1 \
	VPXORQ Z16, Z6, Z2 \
	VPXORQ Z16, Z7, Z3

// The other rounds: 10 are all for AES-128, 12 for AES-192, 14 for AES-256. The block before is added to the last round key, so
// that AddRoundKey adds both.
#define ROUNDS4(last) \
	ROUND4(Z17) \
	ROUND4(Z18) \
	ROUND4(Z19) \
	ROUND4(Z20) \
	ROUND4(Z21) \
	ROUND4(Z22) \
	ROUND4(Z23) \
	ROUND4(Z24) \
	ROUND4(Z25) \
	VPXORQ Z30, Z9, Z9 \
	VPXORQ Z30, Z10, Z10 \
	VPXORQ Z30, Z11, Z11 \
	VPXORQ Z30, Z12, Z12 \
	CMPQ R13, $12 \
	JLT last \
	ROUND4(Z26) \
	ROUND4(Z27) \
	JEQ last \
	ROUND4(Z28) \
	ROUND4(Z29) \
last: \
	VAESDECLAST Z9, Z0, Z0 \
	VAESDECLAST Z10, Z1, Z1 \
	VAESDECLAST Z11, Z2, Z2 \
	VAESDECLAST Z12, Z3, Z3

// func decryptBlocks(k *schedule, iv *[16]byte, dst, src *byte, n int)
TEXT ·decryptBlocks(SB), NOSPLIT, $0-40
	MOVQ k+0(FP), AX
	MOVQ iv+8(FP), DX
	MOVQ dst+16(FP), DI
	MOVQ src+24(FP), SI
	MOVQ n+32(FP), CX
	MOVQ schedule_rounds(AX), R13
	VBROADCASTI32X4 (DX), Z8
	VBROADCASTI32X4 0(AX), Z16
	VBROADCASTI32X4 16(AX), Z17
	VBROADCASTI32X4 32(AX), Z18
	VBROADCASTI32X4 48(AX), Z19
	VBROADCASTI32X4 64(AX), Z20
	VBROADCASTI32X4 80(AX), Z21
	VBROADCASTI32X4 96(AX), Z22
	VBROADCASTI32X4 112(AX), Z23
	VBROADCASTI32X4 128(AX), Z24
	VBROADCASTI32X4 144(AX), Z25
	VBROADCASTI32X4 schedule_last(AX), Z30
	CMPQ R13, $10
	JEQ  begin
	VBROADCASTI32X4 160(AX), Z26
	VBROADCASTI32X4 176(AX), Z27
	VBROADCASTI32X4 192(AX), Z28
	VBROADCASTI32X4 208(AX), Z29

begin:
	CMPQ CX, $256
	JLT  tail

loop:
	VMOVDQU64 0(SI), Z4
	VMOVDQU64 64(SI), Z5
	VMOVDQU64 128(SI), Z6
	VMOVDQU64 192(SI), Z7
	BEGIN4
	VMOVDQA64 Z7, Z8
	ROUNDS4(store)
	VMOVDQU64 Z0, 0(DI)
	VMOVDQU64 Z1, 64(DI)
	VMOVDQU64 Z2, 128(DI)
	VMOVDQU64 Z3, 192(DI)
	ADDQ      $256, SI
	ADDQ      $256, DI
	SUBQ      $256, CX
	CMPQ      CX, $256
	JGE       loop
	TESTQ     CX, CX
	JEQ       done

	// Up to fifteen blocks. K1–K4 = which 64-bit words of four registers are there.
tail:
	SHRQ  $3, CX
	MOVQ  $-1, R9
	BZHIQ CX, R9, R9
	KMOVB R9, K1
	SHRQ  $8, R9
	KMOVB R9, K2
	SHRQ  $8, R9
	KMOVB R9, K3
	SHRQ  $8, R9
	KMOVB R9, K4
	VMOVDQU64.Z 0(SI), K1, Z4
	VMOVDQU64.Z 64(SI), K2, Z5
	VMOVDQU64.Z 128(SI), K3, Z6
	VMOVDQU64.Z 192(SI), K4, Z7
	BEGIN4
	ROUNDS4(storeTail)
	VMOVDQU64 Z0, K1, 0(DI)
	VMOVDQU64 Z1, K2, 64(DI)
	VMOVDQU64 Z2, K3, 128(DI)
	VMOVDQU64 Z3, K4, 192(DI)

done:
	VZEROUPPER
	RET
