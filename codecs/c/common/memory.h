/* Memory that begins with a line of the cache. */
#ifndef VF_MEMORY_H
#define VF_MEMORY_H

#include <stdint.h>
#include <stdlib.h>

enum { VF_LINE = 64 };

/* NULL: out of memory. Free it with vf_free_lines(). Not by aligned_alloc(): glibc hardly finds the gaps again
   that such blocks leave, so that a program which encodes many tiles grows. */
static inline void *vf_new_lines(uint64_t size)
{
    uint8_t *whole = size > SIZE_MAX - 2 * VF_LINE ? NULL : malloc((size_t)size + 2 * VF_LINE);
    if (!whole)
        return NULL;
    uint8_t *memory = whole + VF_LINE + -(uintptr_t)whole % VF_LINE;
    ((void **)(void *)memory)[-1] = whole;
    return memory;
}

/* Takes NULL. */
static inline void vf_free_lines(void *memory)
{
    if (memory)
        free(((void **)memory)[-1]);
}

#endif
