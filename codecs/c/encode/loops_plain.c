/* The loops for any CPU: what its vectors make of them is the compiler's business. */
#include "encode/loops.h"

#define TARGET
#define ITEMS 4
#define LOOPS VF_LOOPS_PLAIN

static bool supported(void)
{
    return true;
}

#include "encode/loops_body.h"
