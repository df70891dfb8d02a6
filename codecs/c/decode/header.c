#include "decode/header.h"

#include <string.h>

#include "common/crc.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Read the coded number (like UTF-8, up to 36 bits in 7 bytes). Returns its length in bytes, 0 when
   it is none, and the length it would have when size is too small. */
static unsigned coded_number(const uint8_t *data, size_t size, uint64_t *number)
{
    uint8_t first = data[0];
    unsigned ones = first == 0xFF ? 8 : (unsigned)__builtin_clz((uint8_t)~first) - 24;
    if (ones == 0) {
        *number = first;
        return 1;
    }
    if (ones == 1 || ones > 7)
        return 0;
    uint64_t value = first & (0x7Fu >> ones);
    for (unsigned i = 1; i < ones && i < size; i++) {
        if ((data[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (data[i] & 0x3F);
    }
    *number = value;
    return ones;
}

vf_status vf_parse_header(const uint8_t *data, size_t size, vf_header *header)
{
    static const uint8_t DEPTHS[8] = {0, 8, 12, 0, 16, 20, 24, 32};

    if (size >= 2 && (data[0] != 0xFF || (data[1] & 0xFE) != 0xF8))
        return VF_NO_SYNC;
    if (size < 6)
        return VF_TRUNCATED;
    unsigned block_code = data[2] >> 4, rate_code = data[2] & 0xF;
    unsigned channel_code = data[3] >> 4, depth_code = data[3] >> 1 & 7;
    if (block_code == 0 || rate_code == 15 || channel_code > 10 || depth_code == 3 || data[3] & 1)
        return VF_BAD_HEADER;

    vf_header found = {.variable = data[1] & 1, .depth = DEPTHS[depth_code]};
    found.channels = channel_code < 8 ? (uint8_t)(channel_code + 1) : 2;
    found.stereo = channel_code < 8 ? VF_INDEPENDENT : (vf_stereo)(channel_code - 7);

    unsigned length = coded_number(data + 4, size - 4, &found.number);
    if (length == 0)
        return VF_BAD_HEADER;
    unsigned block_bytes = block_code == 6 ? 1 : block_code == 7 ? 2 : 0;
    unsigned rate_bytes = rate_code == 12 ? 1 : rate_code >= 13 ? 2 : 0;
    size_t at = 4 + length;
    if (at + block_bytes + rate_bytes + 1 > size)
        return VF_TRUNCATED;
    if (block_code == 1)
        found.block_size = 192;
    else if (block_code <= 5)
        found.block_size = 576u << (block_code - 2);
    else if (block_code == 6)
        found.block_size = data[at] + 1u;
    else if (block_code == 7)
        found.block_size = (data[at] << 8 | data[at + 1]) + 1u;
    else
        found.block_size = 256u << (block_code - 8);
    at += block_bytes + rate_bytes;
    if (vf_crc8(data, at) != data[at])
        return VF_BAD_HEADER_CRC;
    found.size = (uint8_t)(at + 1);
    *header = found;
    return VF_OK;
}

size_t vf_find_sync(const uint8_t *data, size_t from, size_t size, bool variable)
{
    const uint8_t second = variable ? 0xF9 : 0xF8;
#if defined(__SSE2__)
    /* Noise has a byte of ones every 256: too many to stop at each. */
    const __m128i ones = _mm_set1_epi8((char)0xFF), seconds = _mm_set1_epi8((char)second);
    for (; from + 17 <= size; from += 16) {
        __m128i here = _mm_loadu_si128((const __m128i *)(data + from));
        __m128i next = _mm_loadu_si128((const __m128i *)(data + from + 1));
        unsigned hits = (unsigned)_mm_movemask_epi8(
            _mm_and_si128(_mm_cmpeq_epi8(here, ones), _mm_cmpeq_epi8(next, seconds)));
        if (hits)
            return from + (unsigned)__builtin_ctz(hits);
    }
#endif
    while (from + 1 < size) {
        const uint8_t *hit = memchr(data + from, 0xFF, size - 1 - from);
        if (!hit)
            break;
        if (hit[1] == second)
            return (size_t)(hit - data);
        from = (size_t)(hit - data) + 1;
    }
    return size;
}
