/* The loops with AVX2. */
#include "encode/loops.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,bmi,bmi2,lzcnt")))
#define ITEMS 8
#define LOOPS VF_LOOPS_AVX2
#define AUTOCORRELATE

static bool supported(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

enum { LAG_STEP = 7 };

/* Products are of the even items of vectors: odd ones are even ones one item further on. So each vector
   that is loaded serves a lag and the one above it. */
TARGET static inline void autocorrelate_some(const int32_t *y, uint32_t count, unsigned first,
                                             int64_t *r)
{
    __m256i sums[LAG_STEP];
    for (unsigned l = 0; l < LAG_STEP; l++)
        sums[l] = _mm256_setzero_si256();
    for (uint32_t i = 0; i < count; i += 8) {
        const __m256i even = _mm256_loadu_si256((const __m256i *)(y + i));
        const __m256i odd = _mm256_loadu_si256((const __m256i *)(y + i + 1));
        const int32_t *lagged = y + i - first;
        __m256i last = _mm256_loadu_si256((const __m256i *)(lagged + 1));
#pragma GCC unroll 7
        for (unsigned l = 0; l < LAG_STEP; l++) {
            sums[l] = _mm256_add_epi64(sums[l], _mm256_mul_epi32(odd, last));
            last = _mm256_loadu_si256((const __m256i *)(lagged - l));
            sums[l] = _mm256_add_epi64(sums[l], _mm256_mul_epi32(even, last));
        }
    }
    for (unsigned l = 0; l < LAG_STEP; l++) {
        int64_t four[4];
        _mm256_storeu_si256((__m256i *)four, sums[l]);
        r[first + l] = four[0] + four[1] + four[2] + four[3];
    }
}

/* The products of two neighbours are added up at once: those that end at every other sample, and then those
   in between. */
#define LINEAR_PAIRS
TARGET static inline __attribute__((always_inline)) void
linear_pairs(const int32_t *x, const int16_t *small, uint32_t count, const int32_t *coefficients,
             const unsigned taps, unsigned order, unsigned shift, uint32_t *folded)
{
    const __m128i by = _mm_cvtsi32_si128((int)shift);
    __m256i pairs[VF_MOST_TAPS / 2];
    for (unsigned j = 0; j < taps; j += 2)
        pairs[j / 2] = _mm256_set1_epi32((int32_t)((uint32_t)coefficients[j] << 16 |
                                                   (uint16_t)coefficients[j + 1]));
    for (uint32_t i = order; i < count; i += 16) {
        __m256i even = _mm256_setzero_si256(), odd = even;
#pragma GCC unroll 16
        for (unsigned j = 0; j < taps; j += 2) {
            const __m256i *at = (const __m256i *)(small + i - 2 - j);
            const __m256i *next = (const __m256i *)(small + i - 1 - j);
            even = _mm256_add_epi32(even, _mm256_madd_epi16(_mm256_loadu_si256(at), pairs[j / 2]));
            odd = _mm256_add_epi32(odd, _mm256_madd_epi16(_mm256_loadu_si256(next), pairs[j / 2]));
        }
        even = _mm256_sra_epi32(even, by);
        odd = _mm256_sra_epi32(odd, by);
        const __m256i low = _mm256_unpacklo_epi32(even, odd);
        const __m256i high = _mm256_unpackhi_epi32(even, odd);
        for (unsigned half = 0; half < 2; half++) {
            const __m256i sums = half ? _mm256_permute2x128_si256(low, high, 0x31)
                                      : _mm256_permute2x128_si256(low, high, 0x20);
            const uint32_t at = i + 8 * half;
            const __m256i r = _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)(x + at)), sums);
            _mm256_storeu_si256((__m256i *)(folded + at),
                                _mm256_xor_si256(_mm256_slli_epi32(r, 1), _mm256_srai_epi32(r, 31)));
        }
    }
}

#define TRANSPOSE_OWN
#include "common/simd_begin.h"
#include "common/simd_x86.h"

TARGET static inline void transpose(const uint32_t *data, const uint32_t rows[16],
                                    uint32_t columns[16][16])
{
    for (unsigned j = 0; j < 16; j += 8)
        for (unsigned i = 0; i < 16; i += 8) {
            __m256i in[8], out[8];
            for (unsigned row = 0; row < 8; row++)
                in[row] = _mm256_loadu_si256((const __m256i *)(data + rows[j + row] + i));
            transpose8(in, out);
            for (unsigned column = 0; column < 8; column++)
                _mm256_store_si256((__m256i *)(columns[i + column] + j), out[column]);
        }
}

#include "encode/loops_body.h"

#endif
