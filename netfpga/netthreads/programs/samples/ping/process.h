#ifndef PROCESS_H
#define PROCESS_H

#include "support.h"

// process answers the packet at data if it is an echo request, and gives it back.
void process(unsigned long data);

#endif
