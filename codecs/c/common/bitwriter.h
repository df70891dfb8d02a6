/* Bits to a buffer, most significant first. Knows nothing of FLAC.

   Every write stores eight bytes: behind the last bit there must be VF_WRITER_SLACK bytes more, which
   may come to hold anything. */
#ifndef VF_BITWRITER_H
#define VF_BITWRITER_H

#include <stdint.h>
#include <string.h>

enum { VF_WRITER_SLACK = 8 };

/* How many bits one call of vf_write() takes. */
#define VF_MOST_BITS 56

typedef struct {
    uint8_t *at;      /* the first byte that is not complete */
    uint64_t pending; /* its bits, left aligned */
    unsigned count;   /* how many, 0 to 7 */
} vf_bitwriter;

static inline void vf_store64(uint8_t *p, uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    memcpy(p, &value, 8);
}

/* Write the low count bits of value, 0 to VF_MOST_BITS; all others are 0. */
static inline void vf_write(vf_bitwriter *writer, uint64_t value, unsigned count)
{
    const unsigned sum = writer->count + count;
    const uint64_t bits = writer->pending | value << 1 << (63 - sum);
    vf_store64(writer->at, bits);
    writer->at += sum >> 3;
    writer->pending = bits << (sum & 56);
    writer->count = sum & 7;
}

/* Write a two's complement number of count bits, 1 to VF_MOST_BITS. */
static inline void vf_write_signed(vf_bitwriter *writer, int64_t value, unsigned count)
{
    vf_write(writer, (uint64_t)value << (64 - count) >> (64 - count), count);
}

static inline void vf_write_zeros(vf_bitwriter *writer, uint64_t count)
{
    for (; count > VF_MOST_BITS; count -= VF_MOST_BITS)
        vf_write(writer, 0, VF_MOST_BITS);
    vf_write(writer, 0, (unsigned)count);
}

/* Fill up the last byte with zeros. */
static inline void vf_write_to_byte(vf_bitwriter *writer)
{
    vf_write(writer, 0, (8 - writer->count) & 7);
}

#endif
