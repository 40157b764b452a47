// Sorting, checksums and searching: programs as one would write them.

#include "oracle.h"

enum { N = 200 };

static uint32_t numbers[N];

static int unsigned_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static int signed_order(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

static void quicksort(uint32_t *v, int n, int (*order)(const void *, const void *))
{
	if (n < 2)
		return;
	uint32_t pivot = v[n / 2];
	int i = 0, j = n - 1;
	for (;;) {
		while (order(&v[i], &pivot) < 0)
			i++;
		while (order(&v[j], &pivot) > 0)
			j--;
		if (i >= j)
			break;
		uint32_t t = v[i];
		v[i++] = v[j];
		v[j--] = t;
	}
	quicksort(v, i, order);
	quicksort(v + i, n - i, order);
}

static uint32_t crc_table[256];

static void make_crc_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
		crc_table[i] = c;
	}
}

static uint32_t crc32(const uint8_t *p, int n)
{
	uint32_t c = ~0u;
	while (n-- > 0)
		c = crc_table[(c ^ *p++) & 0xff] ^ c >> 8;
	return ~c;
}

static uint16_t internet_checksum(const uint8_t *p, int n)
{
	uint32_t s = 0;
	for (; n > 1; n -= 2, p += 2)
		s += p[0] << 8 | p[1];
	if (n)
		s += *p << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return ~s;
}

static uint32_t adler(const uint8_t *p, int n)
{
	uint32_t a = 1, b = 0;
	while (n-- > 0) {
		a = (a + *p++) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

static uint32_t primes(void)
{
	static uint8_t composite[2000];
	uint32_t count = 0;
	for (uint32_t i = 2; i < sizeof composite; i++) {
		if (composite[i])
			continue;
		count++;
		for (uint32_t j = i * i; j < sizeof composite; j += i)
			composite[j] = 1;
	}
	return count;
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
	return b == 0 ? a : gcd(b, a % b);
}

void oracle(void)
{
	uint32_t state = 42;
	make_crc_table();
	for (int i = 0; i < N; i++)
		numbers[i] = next(&state);
	const uint8_t *bytes = (uint8_t *)numbers;
	show("crc32", crc32(bytes, sizeof numbers));
	show("crc32", crc32((const uint8_t *)"123456789", 9));
	show("internet", internet_checksum(bytes, 799));
	show("adler", adler(bytes, 300));
	quicksort(numbers, N, unsigned_order);
	show("sorted", crc32(bytes, sizeof numbers));
	for (int i = 1; i < N; i++)
		if (numbers[i - 1] > numbers[i])
			show("out of order", i);
	quicksort(numbers, N, signed_order);
	show("sorted", crc32(bytes, sizeof numbers));
	show("primes", primes());
	show("gcd", gcd(1071 * 6, 462 * 6));
}
