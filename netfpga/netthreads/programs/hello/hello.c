// Every thread says hello. Only the contexts sim and sw print it.

#include "support.h"

int main(void)
{
	if (nf_tid() == 2)
		log("Hello world. I am the wonderful thread 2\n");
	else
		log("Hello world. I am thread %d\n", nf_tid());
	return 0;
}
