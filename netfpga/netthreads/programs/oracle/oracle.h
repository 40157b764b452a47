// Programs that print what they compute, for the machine and for Linux on MIPS, built from the
// same source: both must print the same.
#ifndef ORACLE_H
#define ORACLE_H

#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

// oracle is the program.
void oracle(void);

// show prints a value.
void show(const char *what, uint32_t value);

static inline void show64(const char *what, uint64_t value)
{
	show(what, value >> 32);
	show(what, value);
}

// mix adds a value to a checksum of many.
static inline uint32_t mix(uint32_t sum, uint32_t value)
{
	return (sum << 5 | sum >> 27) ^ value;
}

// next returns the next of a series of numbers that look random.
static inline uint32_t next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

// EDGES are the values at which arithmetic goes wrong.
#define EDGES                                                                     \
	0, 1, 2, 3, 7, 10, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x10000,     \
		0x12345678, 0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001,       \
		0xdeadbeef, 0xffff8000, 0xfffffff9, 0xfffffffe, 0xffffffff

#endif
