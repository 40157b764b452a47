// Shifts, comparisons and logic of words, halfwords, bytes and 64 bits.

#include "oracle.h"

static const uint32_t edges[] = {EDGES};
enum { N = sizeof edges / sizeof *edges };

static void shifts(uint32_t x)
{
	uint32_t left = 0, right = 0, arithmetic = 0, rotated = 0;
	for (int n = 0; n < 32; n++) {
		left = mix(left, x << n);
		right = mix(right, x >> n);
		arithmetic = mix(arithmetic, (int32_t)x >> n);
		rotated = mix(rotated, x << n | x >> (-n & 31));
	}
	show("left", left);
	show("right", right);
	show("arithmetic", arithmetic);
	show("rotated", rotated);
	uint64_t wide = (uint64_t)x << 32 | ~x;
	uint32_t sum = 0;
	for (int n = 0; n < 64; n++) {
		uint64_t all = (wide << n) ^ (wide >> n) ^ (uint64_t)((int64_t)wide >> n);
		sum = mix(mix(sum, all >> 32), all);
	}
	show("wide", sum);
	show("constant", (x << 3) + (x >> 29) + ((int32_t)x >> 31) + (uint32_t)((int16_t)x >> 4) + (uint32_t)((int8_t)x >> 2));
}

static void compare(uint32_t a, uint32_t b)
{
	int32_t s = a, t = b;
	uint32_t r = 0;
	r = r << 1 | (a < b), r = r << 1 | (a <= b), r = r << 1 | (a > b), r = r << 1 | (a >= b);
	r = r << 1 | (s < t), r = r << 1 | (s <= t), r = r << 1 | (s > t), r = r << 1 | (s >= t);
	r = r << 1 | (a == b), r = r << 1 | (a != b);
	r = r << 1 | (s < 0), r = r << 1 | (s <= 0), r = r << 1 | (s > 0), r = r << 1 | (s >= 0);
	r = r << 1 | (s < 100), r = r << 1 | (a < 100), r = r << 1 | (s < -100), r = r << 1 | (a < (uint32_t)-100);
	r = r << 1 | ((int16_t)a < (int16_t)b), r = r << 1 | ((uint8_t)a < (uint8_t)b), r = r << 1 | ((int8_t)a < (int8_t)b);
	show("compare", r);
	show("logic", (a & b) + (a | b) * 3 + (a ^ b) * 5 + ~(a | b) + (a & 0xff0f) + (b | 0x8001) + (a ^ 0xffff));
}

void oracle(void)
{
	for (int i = 0; i < N; i++) {
		shifts(edges[i]);
		for (int j = 0; j < N; j++)
			compare(edges[i], edges[j]);
		show("ones", __builtin_popcount(edges[i]));
		show("swapped", __builtin_bswap32(edges[i]));
		if (edges[i] != 0) {
			show("leading", __builtin_clz(edges[i]));
			show("trailing", __builtin_ctz(edges[i]));
		}
	}
}
