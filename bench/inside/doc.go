// Package inside measures parts of the data path within one process, without system calls: the cipher against the
// standard library's, the whole packet against the cipher, and the engine over one SA against many.
//
// What is compared takes turns of a few milliseconds, and the figure is the median of the turns: what else the machine does falls
// on both sides. Time is that of the thread's CPU, so that being put aside for another program does not count.
package inside
