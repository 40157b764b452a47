// A program that speaks the driver's language and does to packets what pktgen does not. Of
// every eight packets it drops the fourth, sends the sixth behind the seventh, and changes a
// byte of the eighth; behind that it sends a packet of its own. All leave at once.
//
// It is built with netthreads/programs/support, and its image is checked in.

#include "support.h"
#include "pktbuff.h"
#include "../../netthreads/programs/pktgen/drivercomm.h"

static t_addr *slot(void)
{
	t_addr *out;
	while (!(out = nf_pktout_alloc(NF_SLOT_SIZE)))
		;
	return out;
}

static void send(t_addr *out, int port, uint bytes)
{
	fill_ioq((struct ioq_header *)out, port, bytes);
	nf_pktout_send(out, out + sizeof(struct ioq_header) + bytes);
}

static void answer(int type, int quota)
{
	t_addr *out = slot();
	struct reply *reply = (struct reply *)(out + sizeof(struct ioq_header));
	memset(reply, 0, sizeof *reply);
	reply->type = type;
	reply->pkt_quota = quota;
	reply->time_lo = nf_time();
	send(out, host_port(0), sizeof *reply);
}

static void process(const struct packet_hdr *hdr)
{
	static uint n;
	static t_addr *held;
	static uint held_bytes;
	uint bytes = hdr->wire_len, what = n++ & 7;
	if (what == 3)
		return;
	t_addr *out = slot();
	char *frame = out + sizeof(struct ioq_header);
	memset(frame, 0, bytes);
	memcpy(frame, hdr + 1, hdr->len);
	if (what == 5) {
		held = out;
		held_bytes = bytes;
		return;
	}
	if (what == 7)
		frame[20] ^= 0xff;
	send(out, mac_port(0), bytes);
	if (what == 6)
		send(held, mac_port(0), held_bytes);
	if (what == 7) {
		out = slot();
		memset(out + sizeof(struct ioq_header), 0xee, 100);
		send(out, mac_port(0), 100);
	}
}

int main(void)
{
	if (nf_tid() != 0)
		for (;;)
			;
	nf_pktin_init();
	nf_pktout_init();
	for (;;) {
		t_addr *in = nf_pktin_pop();
		if (!nf_pktin_is_valid(in))
			continue;
		t_addr *msg = in + sizeof(struct ioq_header);
		int type = *(int *)msg;
		if (type == MSG_PKTS) {
			struct packet_hdr *hdr = (struct packet_hdr *)(msg + FIRST_PKT);
			process(hdr);
			while (hdr->next_pkt) {
				hdr = (struct packet_hdr *)((char *)hdr + hdr->next_pkt);
				process(hdr);
			}
		}
		nf_pktin_free(in);
		if (type == MSG_RESET)
			answer(MSG_RESET_DONE, START_QUOTA);
		else
			answer(MSG_QUOTA, 1);
	}
}
