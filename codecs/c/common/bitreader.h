/* Bits of a buffer, most significant first. Knows nothing of FLAC.

   Reading behind the end is allowed and gives zeros; nothing outside the buffer is touched. Check
   vf_overrun() once at the end of a piece of work, and in every loop that waits for a 1. */
#ifndef VF_BITREADER_H
#define VF_BITREADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VF_LIKELY(x) __builtin_expect(!!(x), 1)
#define VF_UNLIKELY(x) __builtin_expect(!!(x), 0)

typedef struct {
    const uint8_t *data;
    size_t size;       /* bytes; less than 2**60 */
    uint64_t position; /* in bits */
} vf_bits;

/* The 8 bytes at p as a big-endian number. */
static inline uint64_t vf_load64(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

/* The same near the end of the buffer: bytes behind it count as 0. */
static inline uint64_t vf_load64_tail(const uint8_t *data, size_t size, uint64_t byte)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | (byte + i < size ? data[byte + i] : 0);
    return value;
}

/* How many bits a window of vf_peek() holds for certain. */
#define VF_WINDOW 57

/* The next bits, left aligned; the first VF_WINDOW of them are good. Moves nothing. */
static inline uint64_t vf_peek(const vf_bits *bits)
{
    uint64_t byte = bits->position >> 3;
    uint64_t window = VF_LIKELY(byte + 8 <= bits->size)
                          ? vf_load64(bits->data + byte)
                          : vf_load64_tail(bits->data, bits->size, byte);
    return window << (bits->position & 7);
}

/* Read an unsigned number of count bits, 0 to VF_WINDOW. */
static inline uint64_t vf_read(vf_bits *bits, unsigned count)
{
    uint64_t window = vf_peek(bits);
    bits->position += count;
    return count ? window >> (64 - count) : 0;
}

/* Read a two's complement number of count bits, 0 to VF_WINDOW. */
static inline int64_t vf_read_signed(vf_bits *bits, unsigned count)
{
    uint64_t window = vf_peek(bits);
    bits->position += count;
    return count ? (int64_t)window >> (64 - count) : 0;
}

/* Count the zeros in front of the next 1 and read them all. UINT64_MAX when the data ends first. */
static inline uint64_t vf_read_unary(vf_bits *bits)
{
    uint64_t zeros = 0;
    for (;;) {
        uint64_t window = vf_peek(bits) >> (64 - VF_WINDOW);
        if (window) {
            unsigned here = (unsigned)__builtin_clzll(window) - (64 - VF_WINDOW);
            bits->position += here + 1;
            return zeros + here;
        }
        zeros += VF_WINDOW;
        bits->position += VF_WINDOW;
        if (bits->position >> 3 >= bits->size)
            return UINT64_MAX;
    }
}

/* Whether more was read than there is. */
static inline bool vf_overrun(const vf_bits *bits)
{
    return bits->position > (uint64_t)bits->size * 8;
}

#endif
