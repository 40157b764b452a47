// Multiplication and division of 32 and 64 bits, which the machine has to put together.

#include "oracle.h"

static const uint32_t edges[] = {EDGES};
enum { N = sizeof edges / sizeof *edges };

static void multiply(uint32_t a, uint32_t b)
{
	show("mul", a * b);
	show64("umul", (uint64_t)a * b);
	show64("smul", (int64_t)(int32_t)a * (int32_t)b);
}

static void divide(uint32_t a, uint32_t b)
{
	if (b == 0)
		return;
	show("udiv", a / b);
	show("umod", a % b);
	if (a == 0x80000000 && b == 0xffffffff)
		return;
	show("sdiv", (int32_t)a / (int32_t)b);
	show("smod", (int32_t)a % (int32_t)b);
}

static uint32_t wide(uint64_t a, uint64_t b)
{
	uint32_t sum = 0;
	uint64_t results[] = {a + b, a - b, a * b, -a, a & b, a | b, a ^ b, ~a};
	for (size_t i = 0; i < sizeof results / sizeof *results; i++)
		sum = mix(mix(sum, results[i] >> 32), results[i]);
	sum = mix(sum, (a < b) | (a <= b) << 1 | ((int64_t)a < (int64_t)b) << 2 | (a == b) << 3);
	if (b != 0 && !(a == 1ull << 63 && b == ~0ull)) {
		uint64_t quotients[] = {a / b, a % b, (int64_t)a / (int64_t)b, (int64_t)a % (int64_t)b};
		for (int i = 0; i < 4; i++)
			sum = mix(mix(sum, quotients[i] >> 32), quotients[i]);
	}
	return sum;
}

void oracle(void)
{
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			multiply(edges[i], edges[j]);
			divide(edges[i], edges[j]);
		}
	uint32_t state = 1;
	for (int i = 0; i < 200; i++) {
		uint32_t a = next(&state), b = next(&state) >> (i & 31);
		multiply(a, b);
		divide(a, b);
	}
	for (int i = 0; i < N; i += 2)
		for (int j = 0; j < N; j += 3) {
			uint64_t a = (uint64_t)edges[i] << 32 | edges[j], b = (uint64_t)edges[j] << (i & 31);
			show("wide", wide(a, b));
			show("wide", wide(b, edges[i]));
		}
	// Constants make the compiler multiply by a reciprocal, or shift.
	for (int i = 0; i < N; i++) {
		uint32_t u = edges[i];
		int32_t s = u;
		show("by 3", u / 3);
		show("by 7", u % 7);
		show("by 10", s / 10);
		show("by -16", s / -16);
		show("by 1000", s % 1000);
		show("by 641", u * 641);
	}
}
