// Copying and filling, by words where it can be.
#ifndef MEMCPY_H
#define MEMCPY_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

// copy_words copies n words between aligned addresses that do not overlap, in about 2.3
// instructions a word.
void copy_words(void *to, const void *from, size_t n);

#endif
