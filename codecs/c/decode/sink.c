#include "decode/sink.h"

#include <string.h>

/* Rows that follow each other without a gap are one long row. */
static uint64_t run_length(const vf_sink *sink)
{
    uint64_t bytes = sink->width * sink->item_size;
    return sink->row_stride >= 0 && (uint64_t)sink->row_stride == bytes ? UINT64_MAX : sink->width;
}

static uint8_t *pixel(const vf_sink *sink, unsigned channel, uint64_t row, uint64_t column)
{
    return sink->planes[channel] + (ptrdiff_t)row * sink->row_stride +
           (ptrdiff_t)(column * sink->item_size);
}

/* The loops that do the work: one row, one pair of types. The compiler makes vectors of them.
   memcpy, because a caller's array may be aligned in any way. */
#define ROW(NAME, FROM, TO)                                                                        \
    static void NAME(uint8_t *restrict to, const FROM *restrict from, size_t count,                \
                     uint32_t offset)                                                              \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            TO item = (TO)((uint32_t)from[i] + offset);                                            \
            memcpy(to + i * sizeof(TO), &item, sizeof(TO));                                        \
        }                                                                                          \
    }
ROW(row32_to_8, int32_t, uint8_t)
ROW(row32_to_16, int32_t, uint16_t)
ROW(row32_to_32, int32_t, uint32_t)
ROW(row16_to_8, int16_t, uint8_t)
ROW(row16_to_16, int16_t, uint16_t)
ROW(row16_to_32, int16_t, uint32_t)

#define PUT(NAME, FROM, TO8, TO16, TO32)                                                           \
    void NAME(const vf_sink *sink, unsigned channel, uint64_t first, const FROM *samples,          \
              size_t count)                                                                        \
    {                                                                                              \
        if (!sink->planes[channel])                                                                \
            return;                                                                                \
        const uint64_t run = run_length(sink);                                                     \
        uint64_t row = first / run, column = first % run;                                          \
        while (count) {                                                                            \
            size_t here = count < run - column ? count : (size_t)(run - column);                   \
            uint8_t *to = pixel(sink, channel, row, column);                                       \
            if (sink->item_size == 1)                                                              \
                TO8(to, samples, here, sink->offset);                                              \
            else if (sink->item_size == 2)                                                         \
                TO16(to, samples, here, sink->offset);                                             \
            else                                                                                   \
                TO32(to, samples, here, sink->offset);                                             \
            samples += here;                                                                       \
            count -= here;                                                                         \
            row++;                                                                                 \
            column = 0;                                                                            \
        }                                                                                          \
    }
PUT(vf_sink_put32, int32_t, row32_to_8, row32_to_16, row32_to_32)
PUT(vf_sink_put16, int16_t, row16_to_8, row16_to_16, row16_to_32)

#define FILL(NAME, TO)                                                                             \
    static void NAME(uint8_t *to, uint32_t value, size_t count)                                    \
    {                                                                                              \
        TO item = (TO)value;                                                                       \
        for (size_t i = 0; i < count; i++)                                                         \
            memcpy(to + i * sizeof(TO), &item, sizeof(TO));                                        \
    }
FILL(fill16, uint16_t)
FILL(fill32, uint32_t)

void vf_sink_fill(const vf_sink *sink, unsigned channel, uint64_t first, int32_t sample,
                  uint64_t count)
{
    if (!sink->planes[channel])
        return;
    const uint64_t run = run_length(sink);
    const uint32_t value = (uint32_t)sample + sink->offset;
    uint64_t row = first / run, column = first % run;
    while (count) {
        uint64_t here = count < run - column ? count : run - column;
        uint8_t *to = pixel(sink, channel, row, column);
        if (sink->item_size == 1)
            memset(to, (uint8_t)value, here);
        else if (sink->item_size == 2)
            fill16(to, value, here);
        else
            fill32(to, value, here);
        count -= here;
        row++;
        column = 0;
    }
}
