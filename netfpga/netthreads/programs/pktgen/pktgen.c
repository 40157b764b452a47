// The packet generator (tech doc section 5): sends packets that the driver describes, each
// at the time it asks for.
//
// The life of a packet:
//
//	pop_work        a thread takes a message from input memory, and queues a job for
//	                each packet in it that an output slot is free for
//	prepare_work    a thread copies a packet to the slot, and puts it in its place in
//	                prepared_pkts
//	manage_sending  thread 0 takes the packets from there in order, and when the
//	                departure of one is imminent
//	tight_send_loop leaves it to the hardware, which waits for the tick
//
// A message's slot is given back when all of its packets are prepared, and for every
// QUOTA_STEP of these the driver is told that it may send so many messages more.
//
// A packet whose time has passed is sent at once. If it was to leave less than HORIZON ticks
// after the one before, the schedule stays, so that those behind it catch up. Otherwise the
// schedule begins anew with it.
//
// Packets leave in the order in which they came, whatever their ports, and a relative
// departure counts from the packet before, by whichever port that left. What arrives from
// the wire is dropped.

#include <arpa/inet.h>

#include "support.h"
#include "memcpy.h"
#include "pktbuff.h"
#include "workqueue.h"
#include "drivercomm.h"

typedef unsigned long long ticks;

enum {
	NUM_PKT_OUTS = 8, // output slots for packets; the other two are for messages to the driver
	HORIZON = 5000,   // how many ticks before its departure a packet is launched
	QUOTA_STEP = 4,
};

enum { LOCK_JOBS = LOCK_DS0, LOCK_JOBS_WAIT, LOCK_FREE, LOCK_FREE_WAIT, LOCK_INPUT };

// pkt_out is an output slot, and the packet in it.
struct pkt_out {
	struct work_task task;    // its item links free slots, too
	t_addr *output_mem;
	uint used;                // bytes of the frame beyond which the slot is zero
	uint id;                  // counts the packets
	t_addr *input;            // the message that it is in
	const struct packet_hdr *hdr;
	ticks clock;              // departure
	int is_absolute;
	t_addr *end;              // of the packet in output memory
};

static struct pkt_out pkt_outs[NUM_PKT_OUTS];
static struct mtdeque free_pkts;
static struct pkt_out *volatile prepared_pkts[NUM_PKT_OUTS]; // by id % NUM_PKT_OUTS
static struct work_queue jobs_queue;

// The ids of the next packet to be queued, and to be sent.
static volatile uint next_pkt_id;
static uint next_pkt_tosend;

// Set by the thread that pops a reset, and cleared by the sending thread when all packets are
// forgotten and all messages freed.
static volatile int resetting;

// ---- Input memory (section 5.3)

static volatile uint pkts_popped; // messages
static volatile uint pkts_freed;

// How many packets of the message in a slot are not prepared yet, by the slot's address / 64.
static int input_refs[NF_MEM_SIZE / 64];

static void free_input_pkt(t_addr *pkt)
{
	nf_pktin_free(pkt);
	pkts_freed++;
}

// change_refs adds to the references of a message, and frees it when that makes none. They
// are added only when all of its packets are queued: until then they are negative.
static void change_refs(t_addr *pkt, int by)
{
	int *refs = &input_refs[(pkt - nf_input_mem) >> 6];
	nf_lock(LOCK_INPUT);
	*refs += by;
	if (*refs == 0)
		free_input_pkt(pkt);
	nf_unlock(LOCK_INPUT);
}

static void drop_input(t_addr *pkt)
{
	change_refs(pkt, 0);
}

// Messages that were popped while another one waited for an output slot. Only the thread
// that has the pop_work job looks at them.
static t_addr *arrived[16];
static uint arrived_first, arrived_end;

static int message_type(t_addr *pkt)
{
	struct ioq_header *ioq = (struct ioq_header *)pkt;
	return ntohs(ioq->byte_length) < sizeof(int) ? 0 : ntohl(*(uint *)(ioq + 1));
}

// pop_input returns a message from the driver, or 0. What comes from the wire is dropped.
static t_addr *pop_input(void)
{
	t_addr *pkt = nf_pktin_pop();
	if (!nf_pktin_is_valid(pkt)) {
		nf_pause();
		return 0;
	}
	int port = ntohs(((struct ioq_header *)pkt)->src_port);
	if ((port & 1) == 0) {
		nf_pktin_free(pkt);
		return 0;
	}
	pkts_popped++;
	return pkt;
}

static t_addr *next_input(void)
{
	if (arrived_first != arrived_end)
		return arrived[arrived_first++ % 16];
	return pop_input();
}

// ---- Jobs (section 5.1)

// take_pkt_out waits for a free slot, and does other jobs meanwhile. It returns 0 if a reset
// comes first, which is then the next message.
static struct pkt_out *take_pkt_out(void)
{
	struct deque_item *item;
	while (!(item = mtdeque_pop(&free_pkts, NO_BLOCK))) {
		workq_try(&jobs_queue);
		t_addr *pkt = pop_input();
		if (!pkt)
			continue;
		if (message_type(pkt) == MSG_RESET) {
			resetting = 1;
			while (arrived_first != arrived_end)
				drop_input(arrived[arrived_first++ % 16]);
			arrived[arrived_end++ % 16] = pkt;
			return 0;
		}
		arrived[arrived_end++ % 16] = pkt;
	}
	return deque_entry(item, struct pkt_out, task.item);
}

// has_packet reports whether the header and the bytes of a packet lie before the message's
// end, and their lengths make sense.
static int has_packet(const struct packet_hdr *hdr, t_addr *end)
{
	if ((char *)(hdr + 1) > end)
		return 0;
	uint len = ntohs(hdr->len), wire_len = ntohs(hdr->wire_len), next = ntohs(hdr->next_pkt);
	return (char *)(hdr + 1) + len <= end &&
	       wire_len - MIN_WIRE <= MAX_WIRE - MIN_WIRE && len <= wire_len && hdr->port < 4 &&
	       (next == 0 || ((next & 7) == 0 && next >= sizeof *hdr + len));
}

// process_pkt_pkts queues a job for each packet of a message. What is in front of a
// contradiction is still sent.
static void prepare_work(unsigned long data);

static void __attribute__((noinline)) process_pkt_pkts(t_addr *pkt)
{
	t_addr *msg = pkt + sizeof(struct ioq_header);
	t_addr *end = msg + ntohs(((struct ioq_header *)pkt)->byte_length);
	const struct packet_hdr *hdr = (struct packet_hdr *)(msg + FIRST_PKT);
	struct pkt_out *po;
	int n = 0;
	while (has_packet(hdr, end) && (po = take_pkt_out())) {
		po->input = pkt;
		po->hdr = hdr;
		po->id = next_pkt_id++;
		workq_add_task(&jobs_queue, &po->task, prepare_work, (unsigned long)po);
		n++;
		uint next = ntohs(hdr->next_pkt);
		if (next == 0)
			break;
		hdr = (struct packet_hdr *)((char *)hdr + next);
	}
	change_refs(pkt, n);
}

static struct work_task pop_task;

// pop_work waits for a message while there is no other job. Only one thread does at a time,
// so that packets stay in order.
static void pop_work(unsigned long unused)
{
	(void)unused;
	t_addr *pkt;
	while (!(pkt = next_input()) && workq_empty(&jobs_queue))
		;
	if (pkt) {
		switch (message_type(pkt)) {
		case MSG_PKTS:
			process_pkt_pkts(pkt);
			break;
		case MSG_RESET:
			resetting = 1;
			drop_input(pkt);
			while (resetting)
				if (!workq_try(&jobs_queue))
					nf_pause();
			break;
		default:
			drop_input(pkt);
		}
	}
	workq_add_task(&jobs_queue, &pop_task, pop_work, 0);
}

// prepare_work puts a packet together in output memory. What is on the wire beyond the bytes
// carried is zero.
static void prepare_work(unsigned long data)
{
	struct pkt_out *po = (struct pkt_out *)data;
	const struct packet_hdr *hdr = po->hdr;
	uint len = ntohs(hdr->len), wire_len = ntohs(hdr->wire_len);
	char *frame = po->output_mem + sizeof(struct ioq_header);
	uint end = (len + 3) & ~3;
	copy_words(frame, hdr + 1, end >> 2);
	while (len < end)
		frame[len++] = 0;
	if (end < po->used)
		memset(frame + end, 0, po->used - end);
	po->used = end;
	fill_ioq((struct ioq_header *)po->output_mem, mac_port(hdr->port), wire_len);
	po->end = frame + wire_len;
	po->clock = (ticks)ntohl(hdr->clock_hi) << 32 | ntohl(hdr->clock_lo);
	po->is_absolute = hdr->is_absolute;
	nf_publish();
	prepared_pkts[po->id % NUM_PKT_OUTS] = po;
	change_refs(po->input, -1);
}

// ---- Time (section 5.4), which the sending thread keeps

static uint time_hi, time_lo;

static void update_time(void)
{
	uint now = nf_time();
	if (now < time_lo)
		time_hi++;
	time_lo = now;
}

static ticks current_time(void)
{
	return (ticks)time_hi << 32 | time_lo;
}

// ---- Sending

static struct pkt_out *launched;          // the last; 0 if that was a message to the driver
static t_addr *quota_pkt, *quota_spare;   // slots for the next messages to it
static uint quota_sent;                   // of pkts_freed

// collect takes back the slot that was launched before po, which is in output memory at sent.
// It is faster than the list of support.c.
static inline void collect(t_addr *sent, struct pkt_out *po)
{
	if (launched) {
		mtdeque_push(&free_pkts, &launched->task.item);
	} else {
		quota_spare = quota_pkt;
		quota_pkt = sent;
	}
	launched = po;
}

// send_special sends a message to the driver.
static void send_special(int type, int quota)
{
	t_addr *pkt = quota_pkt;
	quota_pkt = quota_spare;
	struct reply *reply = (struct reply *)(pkt + sizeof(struct ioq_header));
	fill_ioq((struct ioq_header *)pkt, host_port(0), sizeof *reply);
	memset(reply, 0, sizeof *reply);
	reply->type = htonl(type);
	reply->pkt_quota = htonl(quota);
	reply->time_hi = htonl(time_hi);
	reply->time_lo = htonl(time_lo);
	nf_pktout_send_setup(pkt, (char *)(reply + 1));
	collect(nf_pktout_launch(), 0);
}

static void send_quota(void)
{
	uint freed = pkts_freed;
	send_special(MSG_QUOTA, freed - quota_sent);
	quota_sent = freed;
}

// forget drops all packets that were not sent, and answers the reset.
static void forget(void)
{
	while (next_pkt_tosend != next_pkt_id) {
		uint place = next_pkt_tosend % NUM_PKT_OUTS;
		struct pkt_out *po = prepared_pkts[place];
		if (!po) {
			nf_pause();
			continue;
		}
		prepared_pkts[place] = 0;
		next_pkt_tosend++;
		mtdeque_push(&free_pkts, &po->task.item);
	}
	while (pkts_freed != pkts_popped)
		nf_pause();
	quota_sent = pkts_freed;
	update_time();
	send_special(MSG_RESET_DONE, START_QUOTA);
	resetting = 0;
}

// tight_send_loop launches a packet, and returns the departure that the next one is relative
// to. The hardware waits for the tick.
static ticks tight_send_loop(struct pkt_out *po, ticks departure, ticks last)
{
	nf_pktout_send_setup(po->output_mem, po->end);
	if (departure >= current_time()) {
		nf_pktout_send_schedule(departure);
		collect(nf_pktout_launch(), po);
		return departure;
	}
	t_addr *sent = nf_pktout_launch();
	update_time();
	if (departure >= last + HORIZON)
		departure = current_time();
	collect(sent, po);
	return departure;
}

// manage_sending never returns. It and process_pkt_pkts are seen by name in a profile.
static void __attribute__((noinline)) manage_sending(void)
{
	ticks last = 0; // when the packet before was scheduled
	for (;;) {
		update_time();
		if (resetting) {
			forget();
			last = current_time();
		}
		if (pkts_freed - quota_sent >= QUOTA_STEP)
			send_quota();
		uint place = next_pkt_tosend % NUM_PKT_OUTS;
		struct pkt_out *po = prepared_pkts[place];
		if (!po) {
			nf_pause();
			continue;
		}
		ticks departure = po->clock;
		if (!po->is_absolute) {
			departure += last;
			if (departure < last)
				departure = ~0ull; // the end of time
		}
		if (departure > current_time() + HORIZON)
			continue;
		prepared_pkts[place] = 0;
		next_pkt_tosend++;
		last = tight_send_loop(po, departure, last);
	}
}

static void init(void)
{
	nf_pktin_init();
	nf_pktout_init();
	mtdeque_init(&free_pkts, LOCK_FREE, LOCK_FREE_WAIT);
	workq_init(&jobs_queue, LOCK_JOBS, LOCK_JOBS_WAIT);
	quota_pkt = nf_pktout_alloc(1520);
	for (int i = 0; i < NUM_PKT_OUTS; i++) {
		struct pkt_out *po = pkt_outs + i;
		po->output_mem = nf_pktout_alloc(1520);
		memset(po->output_mem, 0, NF_SLOT_SIZE);
		mtdeque_push(&free_pkts, &po->task.item);
	}
	workq_add_task(&jobs_queue, &pop_task, pop_work, 0);
}

int main(void)
{
	if (nf_tid() == 0) {
		nf_lock(LOCK_INIT);
		init();
		nf_unlock(LOCK_INIT);
		manage_sending();
	} else {
		nf_stall_a_bit();
		nf_lock(LOCK_INIT);
		nf_unlock(LOCK_INIT);
		workq_serve(&jobs_queue, -1);
	}
	return 0;
}
