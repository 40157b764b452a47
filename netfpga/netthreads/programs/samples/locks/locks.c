// Readers and writers, and a heap that all threads take from.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { ROUNDS = 30, WORDS = 4, LOCK_DONE = LOCK_PREDEF };

static rw_lock rw;
static volatile uint words[WORDS], broken, done;

static void read_or_write(int round)
{
	if (round % 4 == nf_tid() % 4) {
		writer_lock(&rw);
		for (int i = 0; i < WORDS; i++)
			words[i]++;
		writer_unlock(&rw);
		return;
	}
	reader_lock(&rw);
	for (int i = 1; i < WORDS; i++)
		if (words[i] != words[0])
			broken++;
	reader_unlock(&rw);
}

// use_heap reports whether what it puts into the heap stays as it is.
static int use_heap(int round)
{
	int good = 1, size = 1 + (round * 37 + nf_tid() * 11) % 200;
	unsigned char *p = sp_malloc(size), mark = 16 * nf_tid() + round % 16;
	memset(p, mark, size);
	relax();
	p = sp_realloc(p, 2 * size);
	memset(p + size, mark, size);
	relax();
	for (int i = 0; i < 2 * size; i++)
		good &= p[i] == mark;
	sp_free(p);
	return good;
}

int main(void)
{
	if (nf_tid() != 0) {
		nf_stall_a_bit();
		nf_lock(LOCK_INIT);
	} else {
		nf_lock(LOCK_INIT);
		rw_lock_init(&rw, LOCK_DS0);
		sp_init_mem_single();
		sp_init_mem_pool();
	}
	nf_unlock(LOCK_INIT);
	for (int i = 0; i < ROUNDS; i++) {
		read_or_write(i);
		if (!use_heap(i))
			broken++;
	}
	nf_lock(LOCK_DONE);
	int last = ++done == NF_THREADS;
	nf_unlock(LOCK_DONE);
	if (!last)
		return 0;
	char *all = sp_malloc(15 << 20), *none = sp_malloc(64 << 20);
	log("%u written, %u broken, all free %d, too much %d\n", words[0], broken, all != NULL, none != NULL);
	log("end\n");
	return 0;
}
