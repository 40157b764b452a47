#include "oracle.h"

#ifdef ORACLE_LINUX

#include <stdio.h>

void show(const char *what, uint32_t value)
{
	printf("%s %08x\n", what, value);
}

int main(void)
{
	oracle();
	printf("end\n");
	return 0;
}

#else

#include "support.h"

void show(const char *what, uint32_t value)
{
	log("%s %08x\n", what, value);
}

int main(void)
{
	if (nf_tid() == 0) {
		oracle();
		log("end\n");
	}
	return 0;
}

#endif
