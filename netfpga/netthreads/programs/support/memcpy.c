#include "memcpy.h"

#include <stdint.h>

typedef uint32_t word;

void copy_words(void *to, const void *from, size_t n)
{
	word *t = to;
	const word *f = from;
	for (; n >= 16; n -= 16, t += 16, f += 16) {
		word a = f[0], b = f[1], c = f[2], d = f[3], e = f[4], g = f[5], h = f[6], i = f[7];
		t[0] = a, t[1] = b, t[2] = c, t[3] = d, t[4] = e, t[5] = g, t[6] = h, t[7] = i;
		a = f[8], b = f[9], c = f[10], d = f[11], e = f[12], g = f[13], h = f[14], i = f[15];
		t[8] = a, t[9] = b, t[10] = c, t[11] = d, t[12] = e, t[13] = g, t[14] = h, t[15] = i;
	}
	for (; n >= 4; n -= 4, t += 4, f += 4) {
		word a = f[0], b = f[1], c = f[2], d = f[3];
		t[0] = a, t[1] = b, t[2] = c, t[3] = d;
	}
	for (; n > 0; n--)
		*t++ = *f++;
}

// The C library of this computer has the rest.
#ifndef CONTEXT_SW

void *memcpy(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;
	if ((((uintptr_t)to | (uintptr_t)from) & 3) == 0) {
		copy_words(t, f, n >> 2);
		t += n & ~3, f += n & ~3, n &= 3;
	}
	while (n-- > 0)
		*t++ = *f++;
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;
	if (t < f)
		for (; n > 0; n--)
			*t++ = *f++;
	else
		while (n-- > 0)
			t[n] = f[n];
	return to;
}

void *memset(void *to, int c, size_t n)
{
	char *t = to;
	for (; n > 0 && ((uintptr_t)t & 3) != 0; n--)
		*t++ = c;
	word all = c & 0xff;
	all |= all << 8;
	all |= all << 16;
	for (; n >= 16; n -= 16, t += 16) {
		word *w = (word *)t;
		w[0] = all, w[1] = all, w[2] = all, w[3] = all;
	}
	for (; n > 0; n--)
		*t++ = c;
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;
	for (; n > 0; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

#endif
