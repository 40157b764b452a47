// Threads pass items through two lists and count them; half of them sleep while there is none.
// Each begins after a delay of its own, which the test writes into the image, and every item
// must be seen once a round. In the end each gets an item that says so.

#include "support.h"
#include "mtdeque.h"

enum { LOCK_LEFT = LOCK_DS0, LOCK_RIGHT, LOCK_SUM, LOCK_WAIT_LEFT, LOCK_WAIT_RIGHT, ITEMS = 12, ROUNDS = 10 };

struct number {
	struct deque_item item;
	uint value;
	uint seen;
};

volatile uint delays[16]; // in ticks
volatile uint threads = NF_THREADS;

static struct number numbers[ITEMS], stops[16];
static struct mtdeque left, right;
static volatile int ready;
static volatile uint sum, passed, done;

// pass reports whether there are more.
static int pass(void)
{
	struct number *n = (struct number *)mtdeque_pop(&left, nf_tid() % 2 ? CAN_BLOCK : NO_BLOCK);
	if (!n)
		return 1;
	if (n->value == 0)
		return 0;
	n->seen++;
	nf_lock(LOCK_SUM);
	sum += n->value;
	int last = ++passed == ITEMS * ROUNDS;
	nf_unlock(LOCK_SUM);
	mtdeque_push_tail(n->seen < ROUNDS ? &left : &right, &n->item);
	for (uint i = 0; last && i < threads; i++)
		mtdeque_push_tail(&left, &stops[i].item);
	return 1;
}

int main(void)
{
	nf_sleep(delays[nf_tid()]);
	if (nf_tid() == 0) {
		mtdeque_init(&left, LOCK_LEFT, LOCK_WAIT_LEFT);
		mtdeque_init(&right, LOCK_RIGHT, LOCK_WAIT_RIGHT);
		for (uint i = 0; i < ITEMS; i++) {
			numbers[i].value = 1 << i;
			mtdeque_push_tail(&left, &numbers[i].item);
		}
		ready = 1;
	}
	while (!ready)
		nf_pause();
	while (pass())
		;
	nf_lock(LOCK_SUM);
	int last = ++done == threads;
	nf_unlock(LOCK_SUM);
	if (!last)
		return 0;
	uint found = 0;
	for (struct number *n; found < ITEMS;)
		if ((n = (struct number *)mtdeque_pop(&right, NO_BLOCK)))
			found += n->seen == ROUNDS;
	log("sum %u, passed %u, found %u, empty %d\n", sum, passed, found,
	    mtdeque_empty(&left) && mtdeque_empty(&right));
	return 0;
}
