// What all of the library has in common.
#ifndef COMMON_H
#define COMMON_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef unsigned int uint;

// A packet in input or output memory begins with its IOQ header, at an address divisible by 8.
typedef char t_addr;

// Between the order of bytes in packets, big-endian, and the processor's: on the card it is the
// same. With <arpa/inet.h>, which declares much else, they cost nothing.
uint16_t htons(uint16_t), ntohs(uint16_t);
uint32_t htonl(uint32_t), ntohl(uint32_t);

// container_of returns what has the member that ptr points to.
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

// log prints as printf does, of the conversions of C the ones of a word: %d %u %x %c %s %p.
// simprintf is the same function, and print_pkt prints the bytes of a packet. In nf they and
// their arguments are nothing.
#ifdef CONTEXT_NF
#define simprintf(...) ((void)0)
#define print_pkt(pkt, len) ((void)0)
#else
void simprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_pkt(char *pkt, int len);
#endif
#define log simprintf

#endif
