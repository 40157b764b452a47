// A list that items are pushed to at both ends and popped from at its head, for one thread;
// mtdeque.h has one for several. An item is part of what is listed, and in one list.
#ifndef DEQUE_H
#define DEQUE_H

#include "common.h"

struct deque_item {
	struct deque_item *next;
};

struct deque {
	struct deque_item *head, *tail;
};

// deque_entry returns what has the item, its member, that ptr points to.
#define deque_entry(ptr, type, member) container_of(ptr, type, member)

static inline void deque_init(struct deque *d)
{
	d->head = d->tail = 0;
}

static inline int deque_empty(struct deque *d)
{
	return d->head == 0;
}

static inline void deque_push(struct deque *d, struct deque_item *item)
{
	item->next = d->head;
	if (!d->head)
		d->tail = item;
	d->head = item;
}

static inline void deque_push_tail(struct deque *d, struct deque_item *item)
{
	item->next = 0;
	if (d->head)
		d->tail->next = item;
	else
		d->head = item;
	d->tail = item;
}

// deque_pop returns 0 if the list is empty.
static inline struct deque_item *deque_pop(struct deque *d)
{
	struct deque_item *item = d->head;
	if (item) {
		d->head = item->next;
		item->next = 0;
	}
	return item;
}

// deque_pops pops up to n items, and returns how many. *first is the first of them, 0 for
// none, and each points to the next.
int deque_pops(struct deque *d, struct deque_item **first, int n);

#endif
