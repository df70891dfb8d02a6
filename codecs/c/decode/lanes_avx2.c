/* The lanes with AVX2: vectors of eight 32-bit columns, and 64-bit bit readers beside them. */
#include "decode/lanes.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,bmi,bmi2,lzcnt,fma")))
#include "common/simd_begin.h"
#include "common/simd_x86.h"

/* A Rice code, half decoded: the zeros in front of the stop bit in the low 32 bits; in the high ones
   the stop bit, at the top, and what follows it. A row of codes has slot l for lane l. */
typedef uint64_t vf_code;

enum { LANES = 8 };

/* Where the two halves of a slot end up when a whole row is taken apart. It is its own inverse. */
static const uint8_t COLUMN[LANES] = {0, 1, 4, 5, 2, 3, 6, 7};

static bool supported(void)
{
    /* Every CPU with BMI2 has LZCNT, which older compilers cannot ask for. */
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
}

/* ---- Reading codes ---------------------------------------------------------------------------- */

/* The next bits at a position, left aligned, at least 56. The last bit loaded is replaced by a 1, the
   *sentinel*. As zeros follow it, its place tells at the end how many bits were used; and when it is
   gone, more were used than there were. Reads eight bytes: vf_lanes_run() makes sure that they are
   there. */
TEMPLATE uint64_t open_window(const uint8_t *data, uint64_t position)
{
    return (vf_load64(data + (position >> 3)) | 1) << (position & 7);
}

/* Take one code off a window: two shifts, and two stores that overlap, the second over the useless
   half of the first. volatile, because the compiler would make one store of them, and more shifts. */
TEMPLATE void take_code(uint64_t *window, uint64_t code_bits, vf_code *to)
{
    uint64_t zeros = _lzcnt_u64(*window);
    uint64_t tail = *window << (zeros & 63);
    *window = tail << (code_bits & 63);
    *(volatile uint64_t *)to = tail;
    *(volatile uint32_t *)to = (uint32_t)zeros;
}

static void place(vf_lanes *lanes, unsigned lane, uint32_t row, const int32_t *residuals,
                  uint32_t count)
{
    const unsigned parameter = lanes->parameter[COLUMN[lane]];
    vf_code *to = (vf_code *)lanes->codes + row * LANES + lane;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t folded = (uint32_t)residuals[i] << 1 ^ (uint32_t)(residuals[i] >> 31);
        uint32_t low = (folded & ((1u << parameter) - 1)) | 1u << parameter;
        to[i * LANES] = (uint64_t)low << (63 - parameter) | folded >> parameter;
    }
}

/* ---- Residuals, and samples of up to 16 bits -------------------------------------------------- */

/* A row of codes -> a row of residuals. */
TEMPLATE __m256i residuals(const vf_code *codes, __m256i parameter)
{
    const __m256i one = _mm256_set1_epi32(1);
    __m256 a = _mm256_load_ps((const float *)codes), b = _mm256_load_ps((const float *)(codes + 4));
    __m256i zeros = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
    __m256i tail = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xDD));
    /* zeros * 2**parameter + (stop bit and low bits) - stop bit */
    __m256i quotient = _mm256_sllv_epi32(_mm256_sub_epi32(zeros, one), parameter);
    __m256i rest = _mm256_srlv_epi32(tail, _mm256_sub_epi32(_mm256_set1_epi32(31), parameter));
    __m256i folded = _mm256_add_epi32(quotient, rest);
    __m256i sign = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_and_si256(folded, one));
    return _mm256_xor_si256(_mm256_srli_epi32(folded, 1), sign);
}

/* What the narrow predictor carries from row to row. */
typedef struct {
    const vf_code *codes;
    __m256i *row;        /* the next row of pairs */
    __m256i last;        /* the newest sample: low half of each column */
    __m256i pair, pair2; /* the two newest rows of pairs */
    __m256i least, most;
    __m256i parameter, shift, newest;
    __m256i older[16];
} narrow;

TEMPLATE void narrow_begin(narrow *n, const vf_lanes *lanes, uint32_t row, const unsigned pairs)
{
    n->codes = (const vf_code *)lanes->codes + row * LANES;
    n->row = (__m256i *)lanes->pairs + VF_HISTORY + row;
    n->pair = n->row[-1];
    n->pair2 = n->row[-2];
    n->last = _mm256_srai_epi32(n->pair, 16);
    n->least = _mm256_load_si256((const __m256i *)lanes->least);
    n->most = _mm256_load_si256((const __m256i *)lanes->most);
    n->parameter = _mm256_load_si256((const __m256i *)lanes->parameter);
    n->shift = _mm256_load_si256((const __m256i *)lanes->shift);
    n->newest = _mm256_load_si256((const __m256i *)lanes->newest);
    UNROLL for (unsigned j = 0; j < pairs; j++)
        n->older[j] = _mm256_load_si256((const __m256i *)lanes->older[j]);
}

TEMPLATE void narrow_end(const narrow *n, vf_lanes *lanes)
{
    _mm256_store_si256((__m256i *)lanes->least, n->least);
    _mm256_store_si256((__m256i *)lanes->most, n->most);
}

/* Predict one row. Two taps at a time: a multiply-add of 16-bit pairs. The newest sample is added last,
   because it is the one that the row before has only just made.

   decode/group.c lets in only predictors whose sums stay below 2**30, so a sample that does not fit is seen
   by its extremes: nothing can wrap around all of 32 bits back into 16. */
TEMPLATE void narrow_step(narrow *n, const unsigned pairs)
{
    __m256i residual = residuals(n->codes, n->parameter);
    __m256i sum = _mm256_madd_epi16(n->last, n->newest);
    if (pairs) {
        __m256i old = _mm256_madd_epi16(n->pair2, n->older[0]);
        UNROLL for (unsigned j = pairs - 1; j >= 1; j--)
            old = _mm256_add_epi32(old, _mm256_madd_epi16(n->row[-2 - 2 * (int)j], n->older[j]));
        sum = _mm256_add_epi32(sum, old);
    }
    __m256i sample = _mm256_add_epi32(residual, _mm256_srav_epi32(sum, n->shift));
    n->least = _mm256_min_epi32(n->least, sample);
    n->most = _mm256_max_epi32(n->most, sample);
    n->pair2 = n->pair;
    n->pair = _mm256_blend_epi16(n->last, _mm256_slli_epi32(sample, 16), 0xAA);
    _mm256_store_si256(n->row, n->pair);
    n->last = sample;
    n->row++;
    n->codes += LANES;
}

/* In each step, read `codes` codes of each lane, and predict the rows of the step before at the same
   time: neither half keeps the CPU busy alone. Every lane has_room() for that. False when reading
   fails, or an extraordinary code used up the room. pairs < 0: do not predict. */
TEMPLATE bool run(vf_lanes *lanes, uint32_t row, uint32_t steps, const unsigned codes,
                  const int pairs)
{
    narrow n;
    vf_code *to = (vf_code *)lanes->codes + row * LANES;
    const uint8_t *const data = lanes->data;
    if (pairs >= 0)
        narrow_begin(&n, lanes, row, (unsigned)pairs);
    for (uint32_t step = 0; step < steps; step++, to += codes * LANES) {
        UNROLL for (unsigned half = 0; half < 2; half++) {
            const unsigned first = 4 * half;
            uint64_t window[4], bits[4];
            UNROLL for (unsigned i = 0; i < 4; i++) {
                bits[i] = lanes->code_bits[first + i];
                window[i] = open_window(data, lanes->position[first + i]);
            }
            UNROLL for (unsigned j = 0; j < codes; j++) {
                UNROLL for (unsigned i = 0; i < 4; i++)
                    take_code(&window[i], bits[i], to + j * LANES + first + i);
                if (pairs >= 0 && step && (half * codes + j) & 1)
                    narrow_step(&n, (unsigned)pairs);
            }
            UNROLL for (unsigned i = 0; i < 4; i++) {
                const unsigned lane = first + i;
                if (VF_LIKELY(window[i] != 0)) {
                    uint64_t used = (uint64_t)__builtin_ctzll(window[i]);
                    lanes->position[lane] = (lanes->position[lane] & ~7ull) + used;
                } else if (!vf_lanes_read_slowly(lanes, lane, row + step * codes, codes,
                                                 steps - step - 1)) {
                    return false;
                }
            }
        }
    }
    if (pairs >= 0) {
        for (unsigned j = 0; j < codes; j++)
            narrow_step(&n, (unsigned)pairs);
        narrow_end(&n, lanes);
    }
    return true;
}

/* Predict only, with all taps there can be. */
TEMPLATE void narrow_rows(vf_lanes *lanes, uint32_t row, uint32_t count)
{
    narrow n;
    narrow_begin(&n, lanes, row, 16);
    for (uint32_t i = 0; i < count; i++)
        narrow_step(&n, 16);
    narrow_end(&n, lanes);
}

/* ---- Samples of more than 16 bits ------------------------------------------------------------- */

TEMPLATE void middle_rows(vf_lanes *lanes, uint32_t row, uint32_t count, const unsigned taps)
{
    const vf_code *codes = (const vf_code *)lanes->codes + row * LANES;
    const __m256i parameter = _mm256_load_si256((const __m256i *)lanes->parameter);
    const __m256i shift = _mm256_load_si256((const __m256i *)lanes->shift);
    const int32_t (*tap)[VF_MOST_LANES] = (const int32_t (*)[VF_MOST_LANES])lanes->whole_taps;
    __m256i least = _mm256_load_si256((const __m256i *)lanes->least);
    __m256i most = _mm256_load_si256((const __m256i *)lanes->most);
    __m256i *to = (__m256i *)lanes->whole + VF_HISTORY + row, last = to[-1];
    for (uint32_t i = 0; i < count; i++, to++, codes += LANES) {
        __m256i sum = _mm256_setzero_si256(), residual = residuals(codes, parameter);
        UNROLL for (unsigned j = 1; j < taps; j++)
            sum = _mm256_add_epi32(
                sum, _mm256_mullo_epi32(to[-1 - (int)j], _mm256_load_si256((const __m256i *)tap[j])));
        if (taps)
            sum = _mm256_add_epi32(
                sum, _mm256_mullo_epi32(last, _mm256_load_si256((const __m256i *)tap[0])));
        last = taps ? _mm256_add_epi32(residual, _mm256_srav_epi32(sum, shift)) : residual;
        least = _mm256_min_epi32(least, last);
        most = _mm256_max_epi32(most, last);
        _mm256_store_si256(to, last);
    }
    _mm256_store_si256((__m256i *)lanes->least, least);
    _mm256_store_si256((__m256i *)lanes->most, most);
}

/* Doubles hold every sum exactly: 32 products of 33 and 15 bits stay below 2**53. So this one does for
   all depths, and what does not fit is seen by its extremes, without wrapping. */
TEMPLATE void wide_rows(vf_lanes *lanes, uint32_t row, uint32_t count, const unsigned taps)
{
    const vf_code *codes = (const vf_code *)lanes->codes + row * LANES;
    const __m256i parameter = _mm256_load_si256((const __m256i *)lanes->parameter);
    double *to = lanes->wide + (VF_HISTORY + row) * LANES;
    __m128i *whole = (__m128i *)(lanes->whole + (VF_HISTORY + row) * LANES);
    __m256d least[2], most[2], last[2];
    UNROLL for (unsigned half = 0; half < 2; half++) {
        least[half] = _mm256_load_pd(lanes->least_wide + 4 * half);
        most[half] = _mm256_load_pd(lanes->most_wide + 4 * half);
        last[half] = _mm256_load_pd(to - LANES + 4 * half);
    }
    for (uint32_t i = 0; i < count; i++, to += LANES, codes += LANES, whole += 2) {
        __m256i eight = residuals(codes, parameter);
        UNROLL for (unsigned half = 0; half < 2; half++) {
            const double *column = to + 4 * half;
            double (*tap)[VF_MOST_LANES] = lanes->wide_taps;
            __m256d residual = _mm256_cvtepi32_pd(half ? _mm256_extracti128_si256(eight, 1)
                                                       : _mm256_castsi256_si128(eight));
            __m256d sum = _mm256_setzero_pd();
            UNROLL for (int j = (int)taps - 1; j >= 1; j--)
                sum = _mm256_fmadd_pd(_mm256_load_pd(column - (j + 1) * LANES),
                                      _mm256_load_pd(tap[j] + 4 * half), sum);
            sum = _mm256_fmadd_pd(last[half], _mm256_load_pd(tap[0] + 4 * half), sum);
            __m256d sample = _mm256_add_pd(residual, _mm256_floor_pd(sum));
            least[half] = _mm256_min_pd(sample, least[half]); /* the second where one is NaN */
            most[half] = _mm256_max_pd(sample, most[half]);
            _mm256_store_pd(to + 4 * half, sample);
            _mm_store_si128(whole + half, _mm256_cvttpd_epi32(sample));
            last[half] = sample;
        }
    }
    UNROLL for (unsigned half = 0; half < 2; half++) {
        _mm256_store_pd(lanes->least_wide + 4 * half, least[half]);
        _mm256_store_pd(lanes->most_wide + 4 * half, most[half]);
    }
}

/* ---- Output ----------------------------------------------------------------------------------- */

TARGET static void transpose(vf_lanes *lanes, uint32_t count, vf_predictor by)
{
    __m256i in[8], out[8];
    if (by != VF_NARROW) {
        for (uint32_t row = 0; row < count; row += 8) {
            UNROLL for (unsigned j = 0; j < 8; j++)
                in[j] = _mm256_load_si256((const __m256i *)lanes->whole + VF_HISTORY + row + j);
            transpose8(in, out);
            UNROLL for (unsigned c = 0; c < 8; c++)
                _mm256_store_si256((__m256i *)(lanes->out32[COLUMN[c]] + row), out[c]);
        }
        return;
    }
    /* Every second row of pairs has all samples. After an odd count the last one needs a pair. */
    __m256i *pairs = (__m256i *)lanes->pairs + VF_HISTORY;
    if (count & 1)
        pairs[count] = _mm256_srli_epi32(pairs[count - 1], 16);
    for (uint32_t row = 0; row < count; row += 16) {
        UNROLL for (unsigned j = 0; j < 8; j++)
            in[j] = _mm256_load_si256(pairs + row + 2 * j + 1);
        transpose8(in, out);
        UNROLL for (unsigned c = 0; c < 8; c++)
            _mm256_store_si256((__m256i *)(lanes->out16[COLUMN[c]] + row), out[c]);
    }
}

#define KERNEL VF_AVX2
#include "decode/lanes_end.h"

#else
typedef int vf_no_avx2; /* ISO C wants something in every file */
#endif
