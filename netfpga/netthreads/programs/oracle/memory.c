// Loads and stores of all widths, aligned and not, structures, and the copying routines.

#include "oracle.h"

struct __attribute__((packed)) odd {
	uint8_t a;
	int32_t b;
	uint16_t c;
	int16_t d;
	uint64_t e;
	int8_t f;
};

struct fields {
	unsigned a : 3;
	int b : 7;
	unsigned c : 17;
	int d : 5;
	unsigned long long e : 40;
};

struct block {
	uint32_t words[11];
	uint8_t bytes[7];
};

static uint8_t memory[128], copy[128];

static uint32_t sum(const uint8_t *p, int n)
{
	uint32_t s = 0;
	while (n-- > 0)
		s = mix(s, *p++);
	return s;
}

static void fill(uint32_t seed)
{
	for (size_t i = 0; i < sizeof memory; i++) {
		memory[i] = next(&seed) >> 7;
		copy[i] = i;
	}
}

static void widths(void)
{
	uint32_t s = 0;
	volatile int8_t *b = (int8_t *)memory;
	volatile int16_t *h = (int16_t *)memory;
	volatile int32_t *w = (int32_t *)memory;
	for (int i = 0; i < 31; i++) {
		s = mix(s, b[i]);
		s = mix(s, (uint8_t)b[i]);
		s = mix(s, h[i]);
		s = mix(s, (uint16_t)h[i]);
		s = mix(s, w[i]);
		b[i + 1] = s;
		h[i + 1] = s >> 3;
		w[(i + 1) % 32] = s;
	}
	show("widths", s);
	show("widths", sum(memory, sizeof memory));
}

static void __attribute__((noinline)) odds(struct odd *to, const struct odd *from)
{
	to->a = from->f;
	to->b = from->b + from->d;
	to->c = from->c - from->a;
	to->d = from->d >> 1;
	to->e = from->e + from->b;
	to->f = from->f ^ 0x55;
	show("odd", from->b);
	show("odd", from->c);
	show("odd", from->d);
	show64("odd", from->e);
	show("odd", from->f);
}

static struct block __attribute__((noinline)) turned(struct block b)
{
	for (int i = 0; i < 11; i++)
		b.words[i] = ~b.words[10 - i];
	b.bytes[6] = b.bytes[0];
	return b;
}

void oracle(void)
{
	for (int i = 1; i < 6; i++) {
		fill(i);
		widths();
		for (int at = 0; at < 8; at++)
			odds((struct odd *)(memory + at), (struct odd *)(memory + 64 + at * 3));
		show("odd", sum(memory, sizeof memory));
	}
	fill(77);
	for (int to = 0; to < 4; to++)
		for (int from = 0; from < 4; from++)
			for (int n = 0; n < 100; n += n < 6 ? 1 : 17) {
				memcpy(copy + to, memory + from, n);
				show("memcpy", sum(copy, sizeof copy));
				memmove(memory + to, memory + from, n);
				show("memmove", sum(memory, sizeof memory));
				memset(copy + to + from, n, n);
				show("memset", sum(copy, sizeof copy));
				int c = memcmp(copy + to, memory + from, n);
				show("memcmp", (c > 0) - (c < 0));
				memcpy(copy + to, memory + from, 13); // of known length
				show("copy", sum(copy, sizeof copy));
			}
	struct fields f = {5, -3, 99999, -1, 0x123456789aull};
	for (int i = 0; i < 50; i++) {
		f.a += 3, f.b -= 7, f.c += 12345, f.d++, f.e = f.e << 3 | f.a;
		show("fields", f.a);
		show("fields", f.b);
		show("fields", f.c);
		show("fields", f.d);
		show64("fields", f.e);
	}
	struct block b;
	memcpy(&b, memory + 16, sizeof b);
	b.bytes[6] = 3;
	for (int i = 0; i < 3; i++) {
		b = turned(b);
		show("block", sum((uint8_t *)&b, 51));
	}
}
