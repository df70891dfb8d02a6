/* Pixels that stand in a table, by sample. Knows neither FLAC nor where the table comes from. */
#include "zarr_flac.h"

#include <string.h>

#define LOOKUP(NAME, TO)                                                                           \
    static size_t NAME(const int32_t *samples, size_t count, const int32_t *table, uint8_t *out)   \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            const int32_t value = table[(uint16_t)samples[i]];                                     \
            if (samples[i] != (int16_t)samples[i] || value == VF_NO_PIXEL)                         \
                return i;                                                                          \
            const TO item = (TO)value;                                                             \
            memcpy(out + i * sizeof(TO), &item, sizeof(TO));                                       \
        }                                                                                          \
        return count;                                                                              \
    }
LOOKUP(lookup8, uint8_t)
LOOKUP(lookup16, uint16_t)

size_t vf_lookup(const int32_t *samples, size_t count, const int32_t *table, uint8_t *out,
                 unsigned item_size)
{
    return (item_size == 1 ? lookup8 : lookup16)(samples, count, table, out);
}
