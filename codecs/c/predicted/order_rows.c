#include "predicted/order_rows.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { PARTITION = 64 };

/* Bits of Rice codes of folded numbers with this sum, their parameter included. */
static inline __attribute__((always_inline)) uint64_t rice_bits(uint64_t sum, const uint32_t count)
{
    if (sum == 0)
        return 9;
    const uint64_t scaled = ((sum * 45426 >> 16) + 22) / count;
    const unsigned k = scaled ? 63u - (unsigned)__builtin_clzll(scaled) : 0;
    const uint64_t halves = count * ((UINT64_C(1) << k) - 1) / 2;
    return 9 + (uint64_t)count * (k + 1) + (sum > halves ? (sum - halves) >> k : 0);
}

/* Each CPU with each type of numbers. */
#define KERNEL(CPU, BITS)                                                                          \
    {CPU##_supported, BITS, CPU##_##BITS##_sum, CPU##_##BITS##_magnitudes,                         \
     CPU##_##BITS##_activities, CPU##_##BITS##_classify, CPU##_##BITS##_split,                     \
     CPU##_bytes_split, CPU##_##BITS##_sort, CPU##_##BITS##_segment}

/* Even columns first, of bytes. */
#define SPLIT_BYTES                                                                                \
    TARGET static void NAME(split)(const uint8_t *restrict from, size_t width,                     \
                                   uint8_t *restrict evens)                                        \
    {                                                                                              \
        uint8_t *restrict odds = evens + (width + 1) / 2;                                          \
        for (size_t i = 0; i < width / 2; i++) {                                                   \
            evens[i] = from[2 * i];                                                                \
            odds[i] = from[2 * i + 1];                                                             \
        }                                                                                          \
        if (width % 2)                                                                             \
            evens[width / 2] = from[width - 1];                                                    \
    }

/* --- Any CPU ------------------------------------------------------------------------------------ */

#define TARGET
#define NAME(x) plain_bytes_##x
SPLIT_BYTES
#undef NAME
#define NUMBER int16_t
#define UNSIGNED uint16_t
#define NAME(x) plain_16_##x
#include "predicted/order_rows_of.h"
#define NUMBER int32_t
#define UNSIGNED uint32_t
#define NAME(x) plain_32_##x
#include "predicted/order_rows_of.h"
#undef TARGET

#define PLAIN_SORT(NAME, NUMBER)                                                                   \
    static void NAME(const void *from, const uint8_t *classes, size_t width, unsigned count,       \
                     void *next[VF_MAX_CLASSES])                                                   \
    {                                                                                              \
        const NUMBER *row = from;                                                                  \
        NUMBER *to[VF_MAX_CLASSES];                                                                \
        memcpy(to, next, count * sizeof *to);                                                      \
        for (size_t x = 0; x < width; x++)                                                         \
            *to[classes[x]]++ = row[x];                                                            \
        memcpy(next, to, count * sizeof *to);                                                      \
    }
PLAIN_SORT(plain_16_sort, int16_t)
PLAIN_SORT(plain_32_sort, int32_t)

static bool plain_supported(void)
{
    return true;
}

#if defined(__x86_64__)

/* The first `left` of up to 64 columns. */
static inline uint64_t first_columns(size_t left)
{
    return left >= 64 ? UINT64_MAX : (UINT64_C(1) << left) - 1;
}

/* --- AVX2 --------------------------------------------------------------------------------------- */

/* Twice the places of the bits of each set, in their order. */
#define BIT(SET, I) ((SET) >> (I) & 1)
#define BELOW(SET, I)                                                                              \
    ((I > 0) * BIT(SET, 0) + (I > 1) * BIT(SET, 1) + (I > 2) * BIT(SET, 2) + (I > 3) * BIT(SET, 3) + \
     (I > 4) * BIT(SET, 4) + (I > 5) * BIT(SET, 5) + (I > 6) * BIT(SET, 6))
#define IS(SET, J, I) (BIT(SET, I) && BELOW(SET, I) == (J)) * 2 * (I)
#define PLACE(SET, J)                                                                              \
    (IS(SET, J, 1) + IS(SET, J, 2) + IS(SET, J, 3) + IS(SET, J, 4) + IS(SET, J, 5) +               \
     IS(SET, J, 6) + IS(SET, J, 7))
#define ENTRY(SET)                                                                                 \
    {PLACE(SET, 0), PLACE(SET, 1), PLACE(SET, 2), PLACE(SET, 3),                                   \
     PLACE(SET, 4), PLACE(SET, 5), PLACE(SET, 6), PLACE(SET, 7)}
#define FOUR(SET) ENTRY(SET), ENTRY(SET + 1), ENTRY(SET + 2), ENTRY(SET + 3)
#define SIXTEEN(SET) FOUR(SET), FOUR(SET + 4), FOUR(SET + 8), FOUR(SET + 12)
#define SIXTY_FOUR(SET) SIXTEEN(SET), SIXTEEN(SET + 16), SIXTEEN(SET + 32), SIXTEEN(SET + 48)
static const uint8_t PLACES[256][8] = {SIXTY_FOUR(0), SIXTY_FOUR(64), SIXTY_FOUR(128),
                                       SIXTY_FOUR(192)};

#define TARGET __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define NAME(x) avx2_bytes_##x
SPLIT_BYTES
#undef NAME
#define NUMBER int16_t
#define UNSIGNED uint16_t
#define NAME(x) avx2_16_##x
#include "predicted/order_rows_of.h"
#define NUMBER int32_t
#define UNSIGNED uint32_t
#define NAME(x) avx2_32_##x
#include "predicted/order_rows_of.h"

/* The numbers of a set of eight, side by side. */
TARGET static inline void bring16(const int16_t *row, unsigned set, int16_t *out)
{
    const __m128i low = _mm_loadl_epi64((const void *)PLACES[set]);
    const __m128i high = _mm_add_epi8(low, _mm_set1_epi8(1));
    const __m128i numbers = _mm_loadu_si128((const void *)row);
    _mm_storeu_si128((void *)out, _mm_shuffle_epi8(numbers, _mm_unpacklo_epi8(low, high)));
}
TARGET static inline void bring32(const int32_t *row, unsigned set, int32_t *out)
{
    const __m128i twice = _mm_loadl_epi64((const void *)PLACES[set]);
    const __m256i places = _mm256_srli_epi32(_mm256_cvtepu8_epi32(twice), 1);
    const __m256i numbers = _mm256_loadu_si256((const void *)row);
    _mm256_storeu_si256((void *)out, _mm256_permutevar8x32_epi32(numbers, places));
}

#define AVX2_SORT(BITS)                                                                            \
    TARGET static void avx2_##BITS##_sort(const void *from, const uint8_t *classes, size_t width,  \
                                          unsigned count, void *next[VF_MAX_CLASSES])              \
    {                                                                                              \
        for (size_t x = 0; x < width; x += 32) {                                                   \
            const int##BITS##_t *row = (const int##BITS##_t *)from + x;                            \
            const __m256i class = _mm256_loadu_si256((const void *)(classes + x));                 \
            const unsigned wanted = (unsigned)first_columns(width - x);                            \
            for (unsigned k = 0; k < count; k++) {                                                 \
                const __m256i same = _mm256_cmpeq_epi8(class, _mm256_set1_epi8((char)k));          \
                const unsigned set = wanted & (unsigned)_mm256_movemask_epi8(same);                \
                int##BITS##_t *to = next[k];                                                       \
                for (unsigned i = 0; i < 32; i += 8) {                                             \
                    const unsigned eight = set >> i & 255;                                         \
                    bring##BITS(row + i, eight, to);                                               \
                    to += _mm_popcnt_u32(eight);                                                   \
                }                                                                                  \
                next[k] = to;                                                                      \
            }                                                                                      \
        }                                                                                          \
    }
AVX2_SORT(16)
AVX2_SORT(32)
#undef TARGET

static bool avx2_supported(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

/* --- AVX-512 ------------------------------------------------------------------------------------ */

#define FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,bmi,bmi2,popcnt"
#if defined(__clang__)
#define TARGET __attribute__((target(FEATURES)))
#else
#define TARGET __attribute__((target(FEATURES ",prefer-vector-width=512")))
#endif
#define NAME(x) avx512_bytes_##x
SPLIT_BYTES
#undef NAME
#define NUMBER int16_t
#define UNSIGNED uint16_t
#define NAME(x) avx512_16_##x
#include "predicted/order_rows_of.h"
#define NUMBER int32_t
#define UNSIGNED uint32_t
#define NAME(x) avx512_32_##x
#include "predicted/order_rows_of.h"

TARGET static void avx512_16_sort(const void *from, const uint8_t *classes, size_t width,
                                  unsigned count, void *next[VF_MAX_CLASSES])
{
    for (size_t x = 0; x < width; x += 32) {
        const __m512i numbers = _mm512_loadu_si512((const int16_t *)from + x);
        const __m256i class = _mm256_loadu_si256((const void *)(classes + x));
        const __mmask32 wanted = (__mmask32)first_columns(width - x);
        for (unsigned k = 0; k < count; k++) {
            const __mmask32 set =
                _mm256_mask_cmpeq_epi8_mask(wanted, class, _mm256_set1_epi8((char)k));
            _mm512_storeu_si512(next[k], _mm512_maskz_compress_epi16(set, numbers));
            next[k] = (int16_t *)next[k] + _mm_popcnt_u32(set);
        }
    }
}

TARGET static void avx512_32_sort(const void *from, const uint8_t *classes, size_t width,
                                  unsigned count, void *next[VF_MAX_CLASSES])
{
    for (size_t x = 0; x < width; x += 16) {
        const __m512i numbers = _mm512_loadu_si512((const int32_t *)from + x);
        const __m128i class = _mm_loadu_si128((const void *)(classes + x));
        const __mmask16 wanted = (__mmask16)first_columns(width - x);
        for (unsigned k = 0; k < count; k++) {
            const __mmask16 set = _mm_mask_cmpeq_epi8_mask(wanted, class, _mm_set1_epi8((char)k));
            _mm512_storeu_si512(next[k], _mm512_maskz_compress_epi32(set, numbers));
            next[k] = (int32_t *)next[k] + _mm_popcnt_u32(set);
        }
    }
}
#undef TARGET

static bool avx512_supported(void)
{
    return avx2_supported() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2");
}
#endif

/* Best ones first. */
static const vf_order_kernel KERNELS[][2] = {
#if defined(__x86_64__)
    {KERNEL(avx512, 16), KERNEL(avx512, 32)},
    {KERNEL(avx2, 16), KERNEL(avx2, 32)},
#endif
    {KERNEL(plain, 16), KERNEL(plain, 32)},
};

const vf_order_kernel *vf_order_kernel_of_cpu(unsigned depth)
{
    const vf_order_kernel(*kernels)[2] = KERNELS;
    while (!(*kernels)[0].supported())
        kernels++;
    return &(*kernels)[depth == 32];
}
