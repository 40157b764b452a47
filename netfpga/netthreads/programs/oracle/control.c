// Calls, recursion, function pointers, jump tables, and arguments on the stack.

#include "oracle.h"
#include <stdarg.h>

static uint32_t fibonacci(uint32_t n)
{
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint32_t ackermann(uint32_t m, uint32_t n)
{
	if (m == 0)
		return n + 1;
	return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

static uint32_t moves;

static void hanoi(int n, int from, int to)
{
	if (n == 0)
		return;
	hanoi(n - 1, from, 3 - from - to);
	moves = mix(moves, from << 4 | to);
	hanoi(n - 1, 3 - from - to, to);
}

static uint32_t add(uint32_t a, uint32_t b) { return a + b; }
static uint32_t sub(uint32_t a, uint32_t b) { return a - b; }
static uint32_t xor(uint32_t a, uint32_t b) { return a ^ b; }
static uint32_t left(uint32_t a, uint32_t b) { return a << (b & 31); }

static uint32_t (*const operations[])(uint32_t, uint32_t) = {add, sub, xor, left};

// A machine of its own: its switch becomes a jump table.
static uint32_t interpret(const char *code, uint32_t x)
{
	uint32_t stack[16], top = 0;
	for (; *code; code++) {
		switch (*code) {
		case 'a': x += 1; break;
		case 'b': x <<= 1; break;
		case 'c': x = ~x; break;
		case 'd': stack[top++ & 15] = x; break;
		case 'e': x ^= stack[--top & 15]; break;
		case 'f': x = x >> 5 | x << 27; break;
		case 'g': if (x & 1) code++; break;
		case 'h': x -= 0x1234; break;
		default: return 0xbad;
		}
	}
	return x;
}

static uint32_t __attribute__((noinline)) many(uint32_t a, uint64_t b, uint32_t c, int8_t d, uint16_t e, uint64_t f, uint32_t g)
{
	return mix(mix(mix(mix(mix(mix(a, b), b >> 32), c), d), e), mix(mix(f >> 32, f), g));
}

static uint32_t __attribute__((noinline)) variable(int n, ...)
{
	va_list args;
	va_start(args, n);
	uint32_t s = n;
	for (int i = 0; i < n; i++)
		s = i % 3 == 2 ? mix(s, va_arg(args, uint64_t) >> 16) : mix(s, va_arg(args, uint32_t));
	va_end(args);
	return s;
}

void oracle(void)
{
	show("fibonacci", fibonacci(17));
	show("ackermann", ackermann(2, 9));
	hanoi(9, 0, 2);
	show("hanoi", moves);
	uint32_t state = 5, x = 0;
	for (int i = 0; i < 500; i++)
		x = operations[next(&state) & 3](x, next(&state));
	show("pointers", x);
	show("interpret", interpret("abcdabfhgcedabhgfcbdeaghf", 99));
	show("interpret", interpret("abz", 1));
	show("many", many(1, 0x123456789abcdef0, 3, -4, 50000, 0xfedcba9876543210, 7));
	show("variable", variable(8, 1, 2, 3ull << 33, 4, 5, 6ull << 20, 7, 8));
	static void *const labels[] = {&&one, &&two, &&three, &&done};
	int at = 0;
	goto *labels[at];
one:
	show("one", at);
	goto *labels[++at];
two:
	show("two", at);
	goto *labels[++at];
three:
	show("three", at);
	goto *labels[++at];
done:
	show("done", at);
}
