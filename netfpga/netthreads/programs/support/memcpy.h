// Copying, by words where it can be; see memcpy32 in support.h, too.
#ifndef MEMCPY_H
#define MEMCPY_H

#include "support.h"

// copy_words copies n words between aligned addresses that do not overlap, in about 2.3
// instructions a word.
void copy_words(void *to, const void *from, size_t n);

#endif
