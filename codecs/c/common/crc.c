#include "common/crc.h"

#include <string.h>

#include "common/crc_tables.h"

uint8_t vf_crc8(const uint8_t *data, size_t size)
{
    uint8_t crc = 0;
    while (size--)
        crc = CRC8[crc ^ *data++];
    return crc;
}

/* Go on with a CRC-16 by slicing: eight bytes at once, each looked up in the table that knows how
   many bytes follow it. */
static uint16_t by_tables(uint16_t crc, const uint8_t *p, size_t size)
{
    for (; size >= 8; p += 8, size -= 8)
        crc = CRC16[7][p[0] ^ crc >> 8] ^ CRC16[6][p[1] ^ (crc & 0xFF)] ^ CRC16[5][p[2]] ^
              CRC16[4][p[3]] ^ CRC16[3][p[4]] ^ CRC16[2][p[5]] ^ CRC16[1][p[6]] ^ CRC16[0][p[7]];
    while (size--)
        crc = (uint16_t)(crc << 8) ^ CRC16[0][(crc >> 8) ^ *p++];
    return crc;
}

uint16_t vf_crc16_tables(const uint8_t *data, size_t size)
{
    return by_tables(0, data, size);
}

#if defined(__x86_64__)

#include <immintrin.h>

#define FOLDING __attribute__((target("pclmul,ssse3,sse4.1")))

/* x^n modulo the polynomial, for the distances over which data is folded. */
enum { X128 = 0x0106, X192 = 0x1666, X512 = 0x8107, X576 = 0x1446 };

/* The 16 bytes at p as one polynomial: the first bit of the data is the highest power. */
FOLDING static inline __m128i load(const uint8_t *p)
{
    const __m128i reverse = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)p), reverse);
}

/* Move a polynomial ahead, onto the data at p: the sum has the same remainder as the two in a row.
   distance holds the remainders of the powers of x that the two halves are to be multiplied by. */
FOLDING static inline __m128i fold(__m128i a, __m128i distance, const __m128i onto)
{
    __m128i high = _mm_clmulepi64_si128(a, distance, 0x11);
    __m128i low = _mm_clmulepi64_si128(a, distance, 0x00);
    return _mm_xor_si128(_mm_xor_si128(high, low), onto);
}

/* A CRC is the remainder of a division of polynomials, so any piece of data may be replaced by
   another with the same remainder. Four accumulators swallow 64 bytes a turn; at the end 16 bytes
   with the remainder of all that are left, for the tables. */
FOLDING static uint16_t crc16_folding(uint16_t crc, const uint8_t *p, size_t size)
{
    const __m128i by512 = _mm_set_epi64x(X576, X512), by128 = _mm_set_epi64x(X192, X128);
    __m128i a = load(p), b = load(p + 16), c = load(p + 32), d = load(p + 48);
    /* What came before is added to the highest powers. */
    a = _mm_xor_si128(a, _mm_set_epi64x((int64_t)((uint64_t)crc << 48), 0));
    for (p += 64, size -= 64; size >= 64; p += 64, size -= 64) {
        a = fold(a, by512, load(p));
        b = fold(b, by512, load(p + 16));
        c = fold(c, by512, load(p + 32));
        d = fold(d, by512, load(p + 48));
    }
    d = fold(fold(fold(a, by128, b), by128, c), by128, d);
    for (; size >= 16; p += 16, size -= 16)
        d = fold(d, by128, load(p));
    uint64_t rest[2] = {__builtin_bswap64((uint64_t)_mm_extract_epi64(d, 1)),
                        __builtin_bswap64((uint64_t)_mm_extract_epi64(d, 0))};
    uint8_t bytes[16];
    memcpy(bytes, rest, 16);
    return by_tables(by_tables(0, bytes, 16), p, size);
}

uint16_t vf_crc16_continue(uint16_t crc, const uint8_t *data, size_t size)
{
    if (size >= 64 && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"))
        return crc16_folding(crc, data, size);
    return by_tables(crc, data, size);
}

#else

uint16_t vf_crc16_continue(uint16_t crc, const uint8_t *data, size_t size)
{
    return by_tables(crc, data, size);
}

#endif

uint16_t vf_crc16(const uint8_t *data, size_t size)
{
    return vf_crc16_continue(0, data, size);
}
