#include <arpa/inet.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

#include "pktbuff.h"
#include "process.h"

// checksum is that of the Internet (RFC 1071), of an even address.
static uint16_t checksum(const void *data, uint bytes)
{
	const uint16_t *half = data;
	uint32_t sum = 0;
	for (; bytes > 1; bytes -= 2)
		sum += ntohs(*half++);
	if (bytes)
		sum += *(const unsigned char *)half << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

// reply makes the answer of a packet that stands in output memory. It returns 0 if there is
// none to it.
static int reply(struct pkt_buff *pkt)
{
	struct ether_header *eth = pkt_pull_type(pkt, struct ether_header);
	struct iphdr *ip = pkt_pull_type(pkt, struct iphdr);
	if (!eth || !ip || ntohs(eth->ether_type) != ETHERTYPE_IP || ip->ihl != 5 || ip->protocol != IPPROTO_ICMP)
		return 0;
	uint bytes = ntohs(ip->tot_len);
	if (bytes < sizeof *ip || !pkt_trim(pkt, bytes - sizeof *ip))
		return 0;
	struct icmphdr *icmp = (struct icmphdr *)pkt->head;
	if (pkt->len < sizeof *icmp || icmp->type != ICMP_ECHO)
		return 0;
	unsigned char mac[ETH_ALEN];
	memcpy(mac, eth->ether_dhost, ETH_ALEN);
	memcpy(eth->ether_dhost, eth->ether_shost, ETH_ALEN);
	memcpy(eth->ether_shost, mac, ETH_ALEN);
	// Behind 14 bytes of Ethernet the addresses are not where words are.
	char addr[4];
	memcpy(addr, &ip->saddr, sizeof addr);
	memmove(&ip->saddr, &ip->daddr, sizeof addr);
	memcpy(&ip->daddr, addr, sizeof addr);
	ip->ttl = TTL;
	ip->check = 0;
	ip->check = checksum(ip, sizeof *ip);
	icmp->type = ICMP_ECHOREPLY;
	icmp->checksum = 0;
	icmp->checksum = checksum(icmp, pkt->len);
	return 1;
}

void process(unsigned long data)
{
	struct ioq_header *ioq = (struct ioq_header *)data;
	unsigned short port = ntohs(ioq->src_port), bytes = ntohs(ioq->byte_length);
	struct pkt_buff pkt;
	while (!pkt_alloc(&pkt, sizeof *ioq + bytes))
		nf_pause();
	memcpy32(pkt.data, ioq, pkt.total_size);
	nf_pktin_free((t_addr *)data);
	fill_ioq(pkt_pull_type(&pkt, struct ioq_header), port, bytes);
	if (!reply(&pkt)) {
		log("port %hu: %hu bytes, no ping\n", port, bytes);
		pkt_push_all(&pkt);
		print_pkt(pkt.head + sizeof *ioq, 6);
		pkt_free(&pkt);
		return;
	}
	nf_pktout_send(pkt.data, pkt.data + pkt.total_size);
}
