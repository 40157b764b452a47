#ifndef SENDER_H
#define SENDER_H

#include "support.h"

enum { PACKETS = 20, BYTES = 61 };

// fill puts packet number n together, which goes to MAC n % 4.
void fill(t_addr *slot, int number);

#define END 8 + BYTES /* of a packet in its slot */

#endif
