// Of the C library, what the headers declare and programs for the card use: the functions of
// string.h on memory and short texts, and those of byte order, which is the network's.

#include "support.h"

uint16_t htons(uint16_t x) { return x; }
uint16_t ntohs(uint16_t x) { return x; }
uint32_t htonl(uint32_t x) { return x; }
uint32_t ntohl(uint32_t x) { return x; }

void *memcpy(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;
	if ((((uintptr_t)to | (uintptr_t)from) & 3) == 0)
		return memcpy32(to, from, n);
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
	uint all = c & 0xff;
	all |= all << 8;
	all |= all << 16;
	for (; n >= 16; n -= 16, t += 16) {
		uint *w = (uint *)t;
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

size_t strlen(const char *s)
{
	size_t n = 0;
	while (s[n])
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n > 0; n--, a++, b++)
		if (*a != *b || !*a)
			return (unsigned char)*a - (unsigned char)*b;
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, ~(size_t)0);
}

char *strncpy(char *to, const char *from, size_t n)
{
	size_t i = 0;
	for (; i < n && from[i]; i++)
		to[i] = from[i];
	for (; i < n; i++)
		to[i] = 0;
	return to;
}

char *strcpy(char *to, const char *from)
{
	return memcpy(to, from, strlen(from) + 1);
}
