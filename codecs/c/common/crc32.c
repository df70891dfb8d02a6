/* CRC-32, with which a file's header covers every byte of a tile. No part of FLAC, whose own checksums are
   in common/crc.c. */
#include "zarr_flac.h"

#include <string.h>

#include "common/crc32_tables.h"

/* A way to go on with a CRC-32, both before and after without the inversion at its end. */
typedef struct {
    size_t least; /* bytes it needs */
    bool (*supported)(void);
    uint32_t (*run)(uint32_t crc, const uint8_t *data, size_t size);
} crc32_way;

static bool always(void)
{
    return true;
}

/* By slicing: eight bytes at once, each looked up in the table that knows how many bytes follow it. */
static uint32_t by_tables(uint32_t crc, const uint8_t *p, size_t size)
{
    for (; size >= 8; p += 8, size -= 8)
        crc = CRC32[7][p[0] ^ (crc & 0xFF)] ^ CRC32[6][p[1] ^ (crc >> 8 & 0xFF)] ^
              CRC32[5][p[2] ^ (crc >> 16 & 0xFF)] ^ CRC32[4][p[3] ^ crc >> 24] ^ CRC32[3][p[4]] ^
              CRC32[2][p[5]] ^ CRC32[1][p[6]] ^ CRC32[0][p[7]];
    while (size--)
        crc = crc >> 8 ^ CRC32[0][(crc & 0xFF) ^ *p++];
    return crc;
}

static const crc32_way BY_TABLES = {0, always, by_tables};

/* ---- Carry-less multiplication ----------------------------------------------------------------- */

/* multiply(): the sum of the products of both halves of two vectors, without carries. Compilers that
   cannot be asked for it in one function alone do without. */
#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("pclmul,sse4.1")))
typedef uint64_t vector __attribute__((vector_size(16)));

TARGET static inline __attribute__((always_inline)) vector multiply(vector a, vector b)
{
    return (vector)_mm_clmulepi64_si128((__m128i)a, (__m128i)b, 0x00) ^
           (vector)_mm_clmulepi64_si128((__m128i)a, (__m128i)b, 0x11);
}

static bool can_multiply(void)
{
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ &&                         \
    (defined(__ARM_FEATURE_AES) || (defined(__linux__) && (!defined(__clang__) || __clang_major__ >= 16)))

#include <arm_neon.h>

#if defined(__clang__)
#define TARGET __attribute__((target("aes")))
#else
#define TARGET __attribute__((target("+crypto")))
#endif
typedef uint64_t vector __attribute__((vector_size(16)));

TARGET static inline __attribute__((always_inline)) vector multiply(vector a, vector b)
{
    return (vector)vmull_p64((poly64_t)a[0], (poly64_t)b[0]) ^
           (vector)vmull_high_p64((poly64x2_t)a, (poly64x2_t)b);
}

#if defined(__ARM_FEATURE_AES)
#define can_multiply always
#else
#include <sys/auxv.h>

static bool can_multiply(void)
{
    enum { PMULL = 1 << 4 }; /* HWCAP_PMULL */
    return getauxval(AT_HWCAP) & PMULL;
}
#endif

#endif

#if defined(TARGET)

/* A CRC is the remainder of a division of polynomials, so any piece of data may be replaced by another
   with the same remainder: by itself, moved ahead onto what follows. A vector moves by a distance when
   its halves are multiplied by these powers of x, modulo the polynomial; the first byte of the data has
   the highest powers, the lowest bit of a byte is the highest one. */
#define BY_128 ((vector){0x1751997D0, 0x0CCAA009E})  /* x^(128 + 32), x^(128 - 32) */
#define BY_512 ((vector){0x154442BD4, 0x1C6E41596})  /* x^(512 + 32), x^(512 - 32) */
#define BY_2048 ((vector){0x11542778A, 0x1322D1430}) /* x^(2048 + 32), x^(2048 - 32) */

TARGET static inline __attribute__((always_inline)) vector load(const uint8_t *p)
{
    vector v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* What a, whose remainder is that of everything before p, makes of the size bytes at p. */
TARGET static inline __attribute__((always_inline)) uint32_t finish(vector a, const uint8_t *p,
                                                                    size_t size)
{
    for (; size >= 16; p += 16, size -= 16)
        a = multiply(a, BY_128) ^ load(p);
    uint8_t bytes[16];
    memcpy(bytes, &a, 16);
    return by_tables(by_tables(0, bytes, 16), p, size);
}

/* Four vectors swallow 64 bytes a turn. */
TARGET static uint32_t by_multiplying(uint32_t crc, const uint8_t *p, size_t size)
{
    vector a = load(p), b = load(p + 16), c = load(p + 32), d = load(p + 48);
    a ^= (vector){crc, 0}; /* what came before is added to the highest powers */
    for (p += 64, size -= 64; size >= 64; p += 64, size -= 64) {
        a = multiply(a, BY_512) ^ load(p);
        b = multiply(b, BY_512) ^ load(p + 16);
        c = multiply(c, BY_512) ^ load(p + 32);
        d = multiply(d, BY_512) ^ load(p + 48);
    }
    b ^= multiply(a, BY_128);
    c ^= multiply(b, BY_128);
    return finish(multiply(c, BY_128) ^ d, p, size);
}

static const crc32_way BY_MULTIPLYING = {64, can_multiply, by_multiplying};

#endif

#if defined(__x86_64__)

/* ---- The same with vectors of 64 bytes --------------------------------------------------------- */

#define WIDE __attribute__((target("pclmul,sse4.1,avx512f,vpclmulqdq")))
typedef uint64_t wide __attribute__((vector_size(64)));

WIDE static inline __attribute__((always_inline)) wide wide_multiply(wide a, vector by)
{
    const __m512i b = _mm512_broadcast_i32x4((__m128i)by);
    return (wide)_mm512_clmulepi64_epi128((__m512i)a, b, 0x00) ^
           (wide)_mm512_clmulepi64_epi128((__m512i)a, b, 0x11);
}

WIDE static inline __attribute__((always_inline)) wide wide_load(const uint8_t *p)
{
    wide v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Put four vectors that stand for the size bytes at p, at least 256, into out, and return how many bytes at
   the end they leave. A function of its own: behind one that calls another, or jumps to it, gcc does not
   clear the upper halves of the registers, for which all SSE code would then wait. */
WIDE static __attribute__((noinline)) size_t swallow(uint32_t crc, const uint8_t *p, size_t size,
                                                     vector out[4])
{
    wide a = wide_load(p), b = wide_load(p + 64), c = wide_load(p + 128), d = wide_load(p + 192);
    a ^= (wide){crc};
    for (p += 256, size -= 256; size >= 256; p += 256, size -= 256) {
        a = wide_multiply(a, BY_2048) ^ wide_load(p);
        b = wide_multiply(b, BY_2048) ^ wide_load(p + 64);
        c = wide_multiply(c, BY_2048) ^ wide_load(p + 128);
        d = wide_multiply(d, BY_2048) ^ wide_load(p + 192);
    }
    b ^= wide_multiply(a, BY_512);
    c ^= wide_multiply(b, BY_512);
    d ^= wide_multiply(c, BY_512);
    for (; size >= 64; p += 64, size -= 64)
        d = wide_multiply(d, BY_512) ^ wide_load(p);
    memcpy(out, &d, sizeof d);
    return size;
}

TARGET static uint32_t by_wide_multiplying(uint32_t crc, const uint8_t *p, size_t size)
{
    vector four[4];
    const size_t left = swallow(crc, p, size, four);
    four[1] ^= multiply(four[0], BY_128);
    four[2] ^= multiply(four[1], BY_128);
    return finish(multiply(four[2], BY_128) ^ four[3], p + size - left, left);
}

static bool can_multiply_wide(void)
{
    return can_multiply() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("vpclmulqdq");
}

static const crc32_way BY_WIDE_MULTIPLYING = {256, can_multiply_wide, by_wide_multiplying};

static const crc32_way *const WAYS[] = {&BY_WIDE_MULTIPLYING, &BY_MULTIPLYING, &BY_TABLES, NULL};

#elif defined(TARGET)
static const crc32_way *const WAYS[] = {&BY_MULTIPLYING, &BY_TABLES, NULL};
#else
static const crc32_way *const WAYS[] = {&BY_TABLES, NULL};
#endif

uint32_t vf_crc32(uint32_t crc, const uint8_t *data, size_t size)
{
    const crc32_way *const *way = WAYS;
    while (size < (*way)->least || !(*way)->supported())
        way++;
    return ~(*way)->run(~crc, data, size);
}

bool vf_crc32_by(unsigned i, const uint8_t *data, size_t size, bool *enough, uint32_t *crc)
{
    const crc32_way *const *way = WAYS;
    while (*way && (!(*way)->supported() || i--))
        way++;
    if (!*way)
        return false;
    *enough = size >= (*way)->least;
    *crc = *enough ? ~(*way)->run(~UINT32_C(0), data, size) : 0;
    return true;
}
