// What programs print with: log, and print_pkt.

#include "support.h"

#include <stdarg.h>
#include <stdio.h>

#ifdef CONTEXT_SIM

// simprintf gives the simulator the format, and the argument of each conversion. The
// simulator does the rest.
void simprintf(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	nf_register(NF_PRINTF) = (uint)format;
	for (const char *c = format; *c; c++) {
		if (*c != '%')
			continue;
		if (c[1] == '%')
			c++;
		else
			nf_register(NF_PRINTF) = va_arg(args, uint);
	}
	nf_register(NF_PRINTF) = 0;
	va_end(args);
}

#endif

#ifdef CONTEXT_SW

void simprintf(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
}

#endif

#ifndef CONTEXT_NF

// print_pkt prints sixteen bytes a line.
void print_pkt(char *pkt, int len)
{
	for (int i = 0; i < len; i++)
		log("%02x%c", (unsigned char)pkt[i], i % 16 == 15 || i == len - 1 ? '\n' : ' ');
}

#endif
