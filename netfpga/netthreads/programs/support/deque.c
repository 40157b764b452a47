#include "deque.h"

int deque_pops(struct deque *d, struct deque_item **first, int n)
{
	struct deque_item *last = 0;
	int count = 0;
	for (struct deque_item *i = d->head; i && count < n; i = i->next, count++)
		last = i;
	*first = count ? d->head : 0;
	if (last) {
		d->head = last->next;
		last->next = 0;
	}
	return count;
}
