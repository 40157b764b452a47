// The heap: blocks that follow each other without a gap, each behind a header that tells its
// size and whether it is taken. Taking one goes through them from the first, and joins those
// that are free and follow each other.

#include "support.h"

enum { UNIT = 8, TAKEN = 1 }; // blocks are multiples of UNIT, and what is handed out divisible by it

struct block {
	uint size; // with this header; its lowest bit is TAKEN
	uint unused;
};

#ifdef CONTEXT_SW
enum { HEAP_SIZE = 16 << 20 };
static char heap[HEAP_SIZE] __attribute__((aligned(UNIT)));
#else
// Main memory behind the stacks.
enum { HEAP_SIZE = 63 << 20 };
#define heap ((char *)0x04100000)
#endif

static int begun;

static struct block *after(struct block *b)
{
	return (struct block *)((char *)b + (b->size & ~TAKEN));
}

static int inside(struct block *b)
{
	return (char *)b < heap + HEAP_SIZE;
}

static void empty(void)
{
	((struct block *)heap)->size = HEAP_SIZE;
	begun = 1;
}

void sp_init_mem_single(void)
{
	nf_lock(MALLOCFREE_LOCK);
	empty();
	nf_unlock(MALLOCFREE_LOCK);
}

void sp_init_mem_pool(void)
{
}

// join makes one block of b, which is free, and the free ones behind it.
static void join(struct block *b)
{
	struct block *next;
	while (inside(next = after(b)) && !(next->size & TAKEN))
		b->size += next->size;
}

// cut takes the first size bytes of b, and leaves the rest, if any, as a free block.
static void cut(struct block *b, uint size)
{
	uint rest = b->size - size;
	b->size = size;
	if (rest > 0)
		after(b)->size = rest;
	b->size |= TAKEN;
}

void *sp_malloc(size_t size)
{
	if (size > HEAP_SIZE)
		return 0;
	uint need = (size + sizeof(struct block) + UNIT - 1) & ~(UNIT - 1);
	struct block *b;
	nf_lock(MALLOCFREE_LOCK);
	if (!begun)
		empty();
	for (b = (struct block *)heap; inside(b); b = after(b)) {
		if (b->size & TAKEN)
			continue;
		join(b);
		if (b->size >= need) {
			cut(b, need);
			break;
		}
	}
	nf_unlock(MALLOCFREE_LOCK);
	return inside(b) ? b + 1 : 0;
}

void sp_free(void *ptr)
{
	if (!ptr)
		return;
	nf_lock(MALLOCFREE_LOCK);
	((struct block *)ptr - 1)->size &= ~TAKEN;
	nf_unlock(MALLOCFREE_LOCK);
}

void *sp_realloc(void *ptr, int new_size)
{
	if (!ptr)
		return sp_malloc(new_size);
	uint has = (((struct block *)ptr - 1)->size & ~TAKEN) - sizeof(struct block);
	if (new_size >= 0 && (uint)new_size <= has)
		return ptr;
	void *to = new_size < 0 ? 0 : sp_malloc(new_size);
	if (to) {
		memcpy32(to, ptr, has);
		sp_free(ptr);
	}
	return to;
}
