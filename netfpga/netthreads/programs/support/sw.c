// The context sw (tech doc section 4.3): a program of the card as one of this computer, a
// POSIX thread for each of its threads.
//
//	NAME [-p PORT] [-i IN.pcap] [-o OUT.pcap]
//
// The packets of IN arrive at port PORT (0 is MAC 0, 1 is host 0, and so on) as fast as
// slots are free. What is sent is written to OUT, at the time it was scheduled for or sent,
// in one file whatever the port. Time is not waited for. The program ends when all its
// threads have returned from main, or, if it had packets, when all have been taken and it has
// used the processor for a second without sending anything.
//
// Packets in memory are as on the card, in big-endian byte order.

#define SW_C
#include "support.h"
#include "pktbuff.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

t_addr nf_input_mem[NF_MEM_SIZE] __attribute__((aligned(64)));
t_addr nf_output_mem[NF_MEM_SIZE] __attribute__((aligned(64)));

static struct {
	pthread_mutex_t mutex; // of all that follows
	FILE *in, *out;
	int port;              // that packets arrive at
	int swapped;           // the input file has the other byte order
	int free_in[NUM_INPUT_BUFS], free_out[NUM_OUTPUT_BUFS];
	char *start, *end;     // of the packet to be sent
	t_addr *sent;          // the slot launched last
	int scheduled;
	uint trigger;
	uint64_t idle_since;
} sw = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static volatile int locks[NF_LOCKS];
static __thread int tid;

static void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static uint64_t nanoseconds(clockid_t clock)
{
	struct timespec t = {0};
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

// How long something lasts is taken in the time that the processor works at it, wherever a
// busy computer shall not be taken for a program that has nothing to do.
static uint64_t worked(void)
{
	return nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
}

static uint64_t started;

static uint64_t ticks(void)
{
	return (nanoseconds(CLOCK_MONOTONIC) - started) / 8;
}

uint sw_time(void)
{
	return ticks();
}

int sw_tid(void)
{
	return tid;
}

// begun is set when thread 0 has called nf_lock, or has ended; clock0 is the time that it works,
// if it has one.
static volatile int begun, has_clock0;
static clockid_t clock0;

void nf_stall_a_bit(void)
{
	if (tid == 0)
		begun = 1;
	while (!begun && !(has_clock0 && nanoseconds(clock0) > 100000000))
		sched_yield();
}

void relax(void)
{
	sched_yield();
}

void sw_lock(int id)
{
	while (__atomic_exchange_n(&locks[id % NF_LOCKS], 1, __ATOMIC_ACQUIRE))
		sched_yield();
	if (tid == 0)
		begun = 1;
}

void sw_unlock(int id)
{
	__atomic_store_n(&locks[id % NF_LOCKS], 0, __ATOMIC_RELEASE);
}

// ---- Receiving

static int slot_of(t_addr *mem, t_addr *addr)
{
	int slot = (addr - mem) / NF_SLOT_SIZE;
	if (addr < mem || slot >= NUM_INPUT_BUFS || mem + slot * NF_SLOT_SIZE != addr)
		fail("a packet that is at no slot");
	return slot;
}

void nf_pktin_init(void)
{
	for (int i = 0; i < NUM_INPUT_BUFS; i++)
		nf_pktin_free(nf_input_mem + i * NF_SLOT_SIZE);
}

void sw_free(t_addr *val)
{
	pthread_mutex_lock(&sw.mutex);
	int slot = slot_of(nf_input_mem, val);
	if (sw.free_in[slot]++)
		fail("an input slot is given back twice");
	pthread_mutex_unlock(&sw.mutex);
}

static uint32_t of_file(uint32_t x)
{
	return sw.swapped ? __builtin_bswap32(x) : x;
}

// read_packet reads the next packet of the file into a slot, or returns 0 at the end.
static int read_packet(t_addr *slot)
{
	uint32_t record[4]; // seconds, nanoseconds, bytes here, bytes on the wire
	if (!sw.in || fread(record, sizeof record, 1, sw.in) != 1)
		return 0;
	struct ioq_header *ioq = (struct ioq_header *)slot;
	uint n = of_file(record[2]);
	if (n == 0 || n > NF_SLOT_SIZE - sizeof *ioq)
		fail("a packet in the file that fits no slot");
	if (fread(slot + sizeof *ioq, n, 1, sw.in) != 1)
		fail("the file ends in a packet");
	fill_ioq(ioq, sw.port, n);
	ioq->dst_port = 0;
	return 1;
}

t_addr *sw_pop(void)
{
	t_addr *packet = 0;
	pthread_mutex_lock(&sw.mutex);
	for (int i = 0; i < NUM_INPUT_BUFS && !packet; i++) {
		if (!sw.free_in[i])
			continue;
		if (read_packet(nf_input_mem + i * NF_SLOT_SIZE)) {
			packet = nf_input_mem + i * NF_SLOT_SIZE;
			sw.free_in[i] = 0;
			sw.idle_since = worked();
		} else if (sw.in && worked() - sw.idle_since > 1000000000) {
			exit(0);
		}
		break;
	}
	pthread_mutex_unlock(&sw.mutex);
	if (!packet)
		sched_yield();
	return packet;
}

// ---- Sending

void nf_pktout_init(void)
{
	sw.sent = nf_output_mem; // as on the card
	for (int i = 1; i < NUM_OUTPUT_BUFS; i++)
		sw.free_out[i] = 1;
}

t_addr *nf_pktout_alloc(uint size)
{
	(void)size;
	t_addr *slot = 0;
	pthread_mutex_lock(&sw.mutex);
	for (int i = 0; i < NUM_OUTPUT_BUFS && !slot; i++) {
		if (sw.free_out[i]) {
			sw.free_out[i] = 0;
			slot = nf_output_mem + i * NF_SLOT_SIZE;
		}
	}
	pthread_mutex_unlock(&sw.mutex);
	return slot;
}

void nf_pktout_free(t_addr *addr)
{
	pthread_mutex_lock(&sw.mutex);
	sw.free_out[slot_of(nf_output_mem, addr)] = 1;
	pthread_mutex_unlock(&sw.mutex);
}

void sw_bounds(char *start_addr, char *end_addr)
{
	sw.start = start_addr;
	sw.end = end_addr;
}

void sw_time_trigger(uint time)
{
	sw.trigger = time;
	sw.scheduled = 1;
}

t_addr *sw_launch(void)
{
	pthread_mutex_lock(&sw.mutex);
	struct ioq_header *ioq = (struct ioq_header *)sw.start;
	uint32_t n = sw.end - sw.start - sizeof *ioq;
	if (n > NF_SLOT_SIZE || ntohs(ioq->byte_length) != n)
		fail("a packet whose header has another length");
	uint64_t now = ticks();
	int wait = sw.trigger - (uint)now;
	if (sw.scheduled && wait > 0)
		now += wait;
	sw.scheduled = 0;
	uint32_t record[4] = {now / 125000000, now % 125000000 * 8, n, n};
	if (sw.out && (fwrite(record, sizeof record, 1, sw.out) != 1 ||
		       fwrite(sw.start + sizeof *ioq, n, 1, sw.out) != 1))
		fail("cannot write the output");
	t_addr *sent = sw.sent;
	sw.sent = sw.start;
	sw.idle_since = worked();
	pthread_mutex_unlock(&sw.mutex);
	return sent;
}

void nf_pktout_send_finish(void)
{
	nf_pktout_free(sw_launch());
}

void nf_pktout_send(char *start_addr, char *end_addr)
{
	nf_lock(SENDING_LOCK);
	sw_bounds(start_addr, end_addr);
	t_addr *sent = sw_launch();
	nf_unlock(SENDING_LOCK);
	nf_pktout_free(sent);
}

// ---- The program

static void *run(void *id)
{
	tid = (intptr_t)id;
	if (tid == 0 && pthread_getcpuclockid(pthread_self(), &clock0) == 0)
		__atomic_store_n(&has_clock0, 1, __ATOMIC_RELEASE);
	nf_main();
	if (tid == 0) {
		begun = 1;
		has_clock0 = 0;
	}
	return 0;
}

enum { MAGIC = 0xa1b23c4d, MAGIC_MICRO = 0xa1b2c3d4 }; // of pcap files

static void open_files(const char *in, const char *out)
{
	uint32_t header[6] = {MAGIC, 4 << 16 | 2, 0, 0, 65535, 1};
	if (out && (!(sw.out = fopen(out, "wb")) || fwrite(header, sizeof header, 1, sw.out) != 1))
		fail("cannot write the output");
	if (!in)
		return;
	if (!(sw.in = fopen(in, "rb")) || fread(header, sizeof header, 1, sw.in) != 1)
		fail("cannot read the input");
	sw.swapped = header[0] == __builtin_bswap32(MAGIC) || header[0] == __builtin_bswap32(MAGIC_MICRO);
	if (of_file(header[0]) != MAGIC && of_file(header[0]) != MAGIC_MICRO)
		fail("the input is no pcap file");
}

int main(int argc, char **argv)
{
	const char *in = 0, *out = 0;
	for (int c; (c = getopt(argc, argv, "p:i:o:")) != -1;) {
		switch (c) {
		case 'p': sw.port = atoi(optarg); break;
		case 'i': in = optarg; break;
		case 'o': out = optarg; break;
		default: return 2;
		}
	}
	open_files(in, out);
	started = nanoseconds(CLOCK_MONOTONIC);
	sw.idle_since = worked();
	pthread_t threads[NF_THREADS];
	for (intptr_t i = 0; i < NF_THREADS; i++)
		if (pthread_create(&threads[i], 0, run, (void *)i))
			fail("cannot start a thread");
	for (int i = 0; i < NF_THREADS; i++)
		pthread_join(threads[i], 0);
	return 0;
}
