/* Pixels that stand in a table, by sample. Knows neither FLAC nor where the table comes from. */
#ifndef VF_LOOKUP_H
#define VF_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

/* Samples of 16 bits, each by its two's complement. */
enum { VF_TABLE_SIZE = 1 << 16 };

/* An entry for samples that stand for no pixel. */
#define VF_NO_PIXEL INT32_MIN

/* Write table[samples[i]] to item i of out, count items of item_size 1 or 2 bytes, aligned in any way.
   Returns how many were written: fewer than count when the next sample has more than 16 bits, or stands
   for no pixel. */
size_t vf_lookup(const int32_t *samples, size_t count, const int32_t *table, uint8_t *out,
                 unsigned item_size);

#endif
