// What the compiler calls for integers: division and shifts of 64 bits, and the counting of
// bits. Its own library is for cores that have more instructions.

#ifndef CONTEXT_SW

typedef unsigned long long u64;
typedef long long s64;

static u64 divide(u64 a, u64 b, u64 *rest)
{
	u64 quotient = 0, r = 0;
	for (int i = 0; i < 64; i++) {
		int carry = r >> 63;
		r = r << 1 | a >> 63;
		a <<= 1;
		quotient <<= 1;
		if (carry || r >= b) {
			r -= b;
			quotient |= 1;
		}
	}
	*rest = r;
	return quotient;
}

u64 __udivdi3(u64 a, u64 b)
{
	u64 rest;
	return divide(a, b, &rest);
}

u64 __umoddi3(u64 a, u64 b)
{
	u64 rest;
	divide(a, b, &rest);
	return rest;
}

static u64 magnitude(s64 x)
{
	return x < 0 ? -(u64)x : (u64)x;
}

s64 __divdi3(s64 a, s64 b)
{
	u64 rest, quotient = divide(magnitude(a), magnitude(b), &rest);
	return (a < 0) != (b < 0) ? -quotient : quotient;
}

s64 __moddi3(s64 a, s64 b)
{
	u64 rest;
	divide(magnitude(a), magnitude(b), &rest);
	return a < 0 ? -rest : rest;
}

// Shifts are by 0 to 63, and 32-bit ones by less than 32.
static u64 join(unsigned high, unsigned low)
{
	return (union { unsigned half[2]; u64 all; }){{high, low}}.all;
}

u64 __ashldi3(u64 x, int n)
{
	unsigned high = x >> 32, low = x;
	if (n >= 32)
		return join(low << (n - 32), 0);
	return n == 0 ? x : join(high << n | low >> (32 - n), low << n);
}

u64 __lshrdi3(u64 x, int n)
{
	unsigned high = x >> 32, low = x;
	if (n >= 32)
		return join(0, high >> (n - 32));
	return n == 0 ? x : join(high >> n, low >> n | high << (32 - n));
}

s64 __ashrdi3(s64 x, int n)
{
	int high = x >> 32;
	unsigned low = x;
	if (n >= 32)
		return join(high >> 31, high >> (n - 32));
	return n == 0 ? x : (s64)join(high >> n, low >> n | (unsigned)high << (32 - n));
}

int __clzsi2(unsigned x)
{
	int n = 0;
	for (; !(x & 0x80000000); x <<= 1)
		n++;
	return n;
}

int __ctzsi2(unsigned x)
{
	int n = 0;
	for (; !(x & 1); x >>= 1)
		n++;
	return n;
}

int __popcountsi2(unsigned x)
{
	int n = 0;
	for (; x; x &= x - 1)
		n++;
	return n;
}

unsigned __bswapsi2(unsigned x)
{
	return x << 24 | (x & 0xff00) << 8 | (x >> 8 & 0xff00) | x >> 24;
}

u64 __bswapdi2(u64 x)
{
	return (u64)__bswapsi2(x) << 32 | __bswapsi2(x >> 32);
}

#endif
