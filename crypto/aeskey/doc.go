// Package aeskey is the key expansion of AES (FIPS 197 §5.2) by the processor, for the packages whose assembly needs round keys.
// It has code only for amd64, and needs AES-NI there.
package aeskey
