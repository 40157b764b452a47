// Lists: of one thread, and of several that wait for items.

#include "support.h"
#include "deque.h"
#include "mtdeque.h"

enum { ITEMS = 400, FROM = LOCK_DS0, FROM_WAIT, TO, TO_WAIT, END = -1 };

struct number {
	int value;
	struct deque_item item;
};

static struct number numbers[ITEMS + NF_THREADS];
static struct mtdeque from, to;

static int value(struct deque_item *item)
{
	return deque_entry(item, struct number, item)->value;
}

static void one_thread(void)
{
	struct deque d;
	struct deque_item *first;
	deque_init(&d);
	log("empty %d, pops %d, pop %d\n", deque_empty(&d), deque_pops(&d, &first, 3), deque_pop(&d) != 0);
	for (int i = 1; i <= 4; i++) {
		numbers[i].value = i;
		deque_push_tail(&d, &numbers[i].item);
	}
	deque_push(&d, &numbers[0].item);
	int n = deque_pops(&d, &first, 3);
	log("%d: %d %d %d, then %d\n", n, value(first), value(first->next), value(first->next->next), first->next->next->next != 0);
	n = deque_pops(&d, &first, 9);
	log("%d: %d %d, empty %d\n", n, value(first), value(first->next), deque_empty(&d));
	deque_push_tail(&d, &numbers[3].item);
	first = deque_pop(&d);
	log("%d, empty %d\n", value(first), deque_empty(&d));
}

// pass takes numbers from one list to the other until it gets an END.
static void pass(void)
{
	for (;;) {
		struct deque_item *item = mtdeque_pop(&from, CAN_BLOCK);
		int last = value(item) == END;
		mtdeque_push_tail(&to, item);
		if (last)
			return;
	}
}

int main(void)
{
	if (nf_tid() != 0) {
		nf_stall_a_bit();
		nf_lock(LOCK_INIT);
		nf_unlock(LOCK_INIT);
		pass();
		return 0;
	}
	nf_lock(LOCK_INIT);
	one_thread();
	mtdeque_init(&from, FROM, FROM_WAIT);
	mtdeque_init(&to, TO, TO_WAIT);
	nf_unlock(LOCK_INIT);

	struct deque_item *item;
	log("empty %d, no item %d, none %d\n", mtdeque_empty(&to), mtdeque_pop(&to, NO_BLOCK) == 0,
	    mtdeque_pops(&to, &item, 5, NO_BLOCK));
	for (int i = 0; i < ITEMS + NF_THREADS - 1; i++) {
		numbers[i].value = i < ITEMS ? i : END;
		if (i % 3 == 0) {
			mtdeque_lock(&from);
			mtdeque_push_tail_nolock(&from, &numbers[i].item);
			mtdeque_unlock(&from);
		} else {
			mtdeque_push_tail(&from, &numbers[i].item);
		}
		if (i % 50 == 0)
			relax();
	}
	int count = 0, sum = 0, ends = 0;
	while (ends < NF_THREADS - 1) {
		int n = mtdeque_pops(&to, &item, 7, CAN_BLOCK);
		for (; n > 0; n--, item = item->next) {
			if (value(item) == END) {
				ends++;
				continue;
			}
			count++;
			sum += value(item);
		}
	}
	log("%d numbers, sum %d, empty %d %d\n", count, sum, mtdeque_empty(&from), mtdeque_empty(&to));
	log("end\n");
	return 0;
}
