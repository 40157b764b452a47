#include "memcpy.h"

// copy_words copies n words between aligned addresses that do not overlap.
void copy_words(void *to, const void *from, size_t n)
{
	uint *t = to;
	const uint *f = from;
	for (; n >= 16; n -= 16, t += 16, f += 16) {
		uint a = f[0], b = f[1], c = f[2], d = f[3], e = f[4], g = f[5], h = f[6], i = f[7];
		t[0] = a, t[1] = b, t[2] = c, t[3] = d, t[4] = e, t[5] = g, t[6] = h, t[7] = i;
		a = f[8], b = f[9], c = f[10], d = f[11], e = f[12], g = f[13], h = f[14], i = f[15];
		t[8] = a, t[9] = b, t[10] = c, t[11] = d, t[12] = e, t[13] = g, t[14] = h, t[15] = i;
	}
	for (; n >= 4; n -= 4, t += 4, f += 4) {
		uint a = f[0], b = f[1], c = f[2], d = f[3];
		t[0] = a, t[1] = b, t[2] = c, t[3] = d;
	}
	for (; n > 0; n--)
		*t++ = *f++;
}

void *memcpy32(void *dst, const void *src, size_t count)
{
	copy_words(dst, src, count >> 2);
	char *t = (char *)dst + (count & ~3);
	const char *f = (const char *)src + (count & ~3);
	for (count &= 3; count > 0; count--)
		*t++ = *f++;
	return dst;
}
