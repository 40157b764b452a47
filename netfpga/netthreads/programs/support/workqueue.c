#include "workqueue.h"

void workq_init(struct work_queue *q, int lock1, int lock2)
{
	mtdeque_init(&q->tasks, lock1, lock2);
}

void workq_add_task(struct work_queue *q, struct work_task *task, work_t work, unsigned long data)
{
	workq_lock(q);
	workq_add_task_nolock(q, task, work, data);
	workq_unlock(q);
}

static int serve(struct work_queue *q, int can_block)
{
	struct deque_item *item = mtdeque_pop(&q->tasks, can_block);
	if (!item)
		return 0;
	struct work_task *task = deque_entry(item, struct work_task, item);
	task->work(task->data);
	return 1;
}

int workq_try(struct work_queue *q)
{
	return serve(q, NO_BLOCK);
}

void workq_serve(struct work_queue *q, int n)
{
	for (; n != 0; n -= n > 0)
		serve(q, CAN_BLOCK);
}
