//go:build cgo && linux

package state

// Pebble keeps blocks and memtables in memory of C. With an arena for each
// thread, glibc's default, the blocks of a cache took twice its size: what one
// thread frees another can't use. It must be told before there are threads.

/*
#include <malloc.h>

__attribute__((constructor)) static void oneArena(void) {
#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, 1);
#endif
}
*/
import "C"
