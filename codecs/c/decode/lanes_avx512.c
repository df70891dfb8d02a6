/* The lanes with AVX-512: vectors of 16 columns. Bit readers are columns, too, of 64 bits in two vectors:
   what decode/lanes_avx2.c does to each lane in turn, leading zeros and shifts, is one instruction here. */
#include "decode/lanes.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,bmi,bmi2")))
#include "common/simd_begin.h"
#include "common/simd_x86.h"

enum { LANES = 16 };

/* Where the 32-bit halves of two vectors of 64-bit items, lanes 0 to 7 and 8 to 15, end up when they are
   gathered into one vector; and the way back. */
static const uint8_t COLUMN[LANES] = {0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15};
static const uint8_t LANE[LANES] = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};

static bool supported(void)
{
    /* The last one is not used. It tells the CPUs that do not slow down for wide vectors. */
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("avx512vbmi2");
}

/* ---- Reading codes ---------------------------------------------------------------------------- */

/* A row of codes is a vector of numbers here, the zigzag of residuals. */
static void place(vf_lanes *lanes, unsigned lane, uint32_t row, const int32_t *residuals,
                  uint32_t count)
{
    uint32_t *to = (uint32_t *)lanes->codes + row * LANES + COLUMN[lane];
    for (uint32_t i = 0; i < count; i++)
        to[i * LANES] = (uint32_t)residuals[i] << 1 ^ (uint32_t)(residuals[i] >> 31);
}

/* The next bits of eight lanes, left aligned, at least 56. The last bit loaded is replaced by a 1, the
   *sentinel*. As long as it is there, no more bits were used than there were; when it is gone, nothing
   but zeros is left. Reads eight bytes: vf_lanes_run() makes sure that they are there. */
TEMPLATE __m512i open_windows(const uint8_t *data, __m512i position)
{
    const __m512i reverse = _mm512_broadcast_i32x4(
        _mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    __m512i bytes = _mm512_i64gather_epi64(_mm512_srli_epi64(position, 3), data, 1);
    bytes = _mm512_or_si512(_mm512_shuffle_epi8(bytes, reverse), _mm512_set1_epi64(1));
    return _mm512_sllv_epi64(bytes, _mm512_and_si512(position, _mm512_set1_epi64(7)));
}

/* The low, or the high, halves of two vectors of 64-bit items as one. */
#define HALVES(A, B, WHICH)                                                                        \
    _mm512_castps_si512(                                                                           \
        _mm512_shuffle_ps(_mm512_castsi512_ps(A), _mm512_castsi512_ps(B), WHICH))

/* Take one code off each of 16 windows. used counts the zeros. */
TEMPLATE __m512i take_codes(__m512i window[2], __m512i used[2], const __m512i bits[2],
                            __m512i parameter)
{
    __m512i zeros[2], tail[2];
    UNROLL for (unsigned half = 0; half < 2; half++) {
        zeros[half] = _mm512_lzcnt_epi64(window[half]);
        tail[half] = _mm512_sllv_epi64(window[half], zeros[half]);
        window[half] = _mm512_sllv_epi64(tail[half], bits[half]);
        used[half] = _mm512_add_epi64(used[half], zeros[half]);
    }
    /* zeros * 2**parameter + (stop bit and low bits) - stop bit */
    __m512i quotient = _mm512_sub_epi32(HALVES(zeros[0], zeros[1], 0x88), _mm512_set1_epi32(1));
    __m512i rest = _mm512_srlv_epi32(HALVES(tail[0], tail[1], 0xDD),
                                     _mm512_sub_epi32(_mm512_set1_epi32(31), parameter));
    return _mm512_add_epi32(_mm512_sllv_epi32(quotient, parameter), rest);
}

/* ---- Samples of up to 16 bits ----------------------------------------------------------------- */

TEMPLATE __m512i unfold(__m512i folded)
{
    __m512i sign = _mm512_srai_epi32(_mm512_slli_epi32(folded, 31), 31);
    return _mm512_xor_si512(_mm512_srli_epi32(folded, 1), sign);
}

/* What the narrow predictor carries from row to row. */
typedef struct {
    __m512i *row;        /* the next row of pairs */
    __m512i last;        /* the newest sample: low half of each column */
    __m512i pair, pair2; /* the two newest rows of pairs */
    __m512i least, most;
    __m512i shift, newest;
    __m512i older[16];
} narrow;

TEMPLATE void narrow_begin(narrow *n, const vf_lanes *lanes, uint32_t row, const unsigned pairs)
{
    n->row = (__m512i *)lanes->pairs + VF_HISTORY + row;
    n->pair = n->row[-1];
    n->pair2 = n->row[-2];
    n->last = _mm512_srai_epi32(n->pair, 16);
    n->least = _mm512_load_si512(lanes->least);
    n->most = _mm512_load_si512(lanes->most);
    n->shift = _mm512_load_si512(lanes->shift);
    n->newest = _mm512_load_si512(lanes->newest);
    UNROLL for (unsigned j = 0; j < pairs; j++)
        n->older[j] = _mm512_load_si512(lanes->older[j]);
}

TEMPLATE void narrow_end(const narrow *n, vf_lanes *lanes)
{
    _mm512_store_si512(lanes->least, n->least);
    _mm512_store_si512(lanes->most, n->most);
}

/* Predict one row: see decode/lanes_avx2.c. */
TEMPLATE void narrow_step(narrow *n, __m512i folded, const unsigned pairs)
{
    __m512i sum = _mm512_madd_epi16(n->last, n->newest);
    if (pairs) {
        __m512i old = _mm512_madd_epi16(n->pair2, n->older[0]);
        UNROLL for (unsigned j = pairs - 1; j >= 1; j--)
            old = _mm512_add_epi32(old, _mm512_madd_epi16(n->row[-2 - 2 * (int)j], n->older[j]));
        sum = _mm512_add_epi32(sum, old);
    }
    __m512i sample = _mm512_add_epi32(unfold(folded), _mm512_srav_epi32(sum, n->shift));
    n->least = _mm512_min_epi32(n->least, sample);
    n->most = _mm512_max_epi32(n->most, sample);
    n->pair2 = n->pair;
    n->pair = _mm512_mask_blend_epi16(0xAAAAAAAA, n->last, _mm512_slli_epi32(sample, 16));
    _mm512_store_si512(n->row, n->pair);
    n->last = sample;
    n->row++;
}

/* Read again what some windows, those in the set, were too short for. */
static __attribute__((noinline, cold)) bool
read_again(vf_lanes *lanes, unsigned set, uint32_t row, uint32_t codes, uint32_t steps)
{
    for (; set; set &= set - 1)
        if (!vf_lanes_read_slowly(lanes, (unsigned)__builtin_ctz(set), row, codes, steps))
            return false;
    return true;
}

/* In each step, read `codes` codes of each lane and predict as many rows. The CPU looks far enough ahead
   to begin the next step meanwhile: its windows wait for the codes of this one only. */
TEMPLATE bool run(vf_lanes *lanes, uint32_t row, uint32_t steps, const unsigned codes,
                  const int pairs)
{
    narrow n;
    const uint8_t *const data = lanes->data;
    const __m512i parameter = _mm512_load_si512(lanes->parameter);
    __m512i position[2], bits[2], all_bits[2];
    UNROLL for (unsigned half = 0; half < 2; half++) {
        position[half] = _mm512_load_si512(lanes->position + 8 * half);
        bits[half] = _mm512_load_si512(lanes->code_bits + 8 * half);
        all_bits[half] = bits[half];
        UNROLL for (unsigned i = 1; i < codes; i++)
            all_bits[half] = _mm512_add_epi64(all_bits[half], bits[half]);
    }
    if (pairs >= 0)
        narrow_begin(&n, lanes, row, (unsigned)pairs);
    for (; steps; steps--, row += codes) {
        __m512i *to = (__m512i *)lanes->codes + row;
        __m512i window[2], next[2], folded[8];
        UNROLL for (unsigned half = 0; half < 2; half++) {
            window[half] = open_windows(data, position[half]);
            next[half] = _mm512_add_epi64(position[half], all_bits[half]);
        }
        UNROLL for (unsigned j = 0; j < codes; j++)
            folded[j] = take_codes(window, next, bits, parameter);
        unsigned short_ones = _mm512_testn_epi64_mask(window[0], window[0]) |
                              (unsigned)_mm512_testn_epi64_mask(window[1], window[1]) << 8;
        if (pairs < 0 || VF_UNLIKELY(short_ones))
            UNROLL for (unsigned j = 0; j < codes; j++)
                _mm512_store_si512(to + j, folded[j]);
        if (VF_UNLIKELY(short_ones)) {
            UNROLL for (unsigned half = 0; half < 2; half++) {
                __mmask8 fine = (__mmask8)~(short_ones >> 8 * half);
                _mm512_store_si512(lanes->position + 8 * half,
                                   _mm512_mask_mov_epi64(position[half], fine, next[half]));
            }
            if (!read_again(lanes, short_ones, row, codes, steps - 1))
                return false;
            UNROLL for (unsigned half = 0; half < 2; half++)
                next[half] = _mm512_load_si512(lanes->position + 8 * half);
            UNROLL for (unsigned j = 0; j < codes; j++)
                folded[j] = _mm512_load_si512(to + j);
        }
        if (pairs >= 0)
            UNROLL for (unsigned j = 0; j < codes; j++)
                narrow_step(&n, folded[j], (unsigned)pairs);
        position[0] = next[0];
        position[1] = next[1];
    }
    UNROLL for (unsigned half = 0; half < 2; half++)
        _mm512_store_si512(lanes->position + 8 * half, position[half]);
    if (pairs >= 0)
        narrow_end(&n, lanes);
    return true;
}

/* Predict only, with all taps there can be. */
TEMPLATE void narrow_rows(vf_lanes *lanes, uint32_t row, uint32_t count)
{
    narrow n;
    const __m512i *codes = (const __m512i *)lanes->codes + row;
    narrow_begin(&n, lanes, row, 16);
    for (uint32_t i = 0; i < count; i++)
        narrow_step(&n, codes[i], 16);
    narrow_end(&n, lanes);
}

/* ---- Samples of more than 16 bits ------------------------------------------------------------- */

TEMPLATE void middle_rows(vf_lanes *lanes, uint32_t row, uint32_t count, const unsigned taps)
{
    const __m512i *codes = (const __m512i *)lanes->codes + row;
    const __m512i shift = _mm512_load_si512(lanes->shift);
    __m512i least = _mm512_load_si512(lanes->least), most = _mm512_load_si512(lanes->most);
    __m512i *to = (__m512i *)lanes->whole + VF_HISTORY + row, last = to[-1], tap[32];
    UNROLL for (unsigned j = 0; j < taps; j++)
        tap[j] = _mm512_load_si512(lanes->whole_taps[j]);
    for (uint32_t i = 0; i < count; i++, to++) {
        __m512i sum = _mm512_setzero_si512(), residual = unfold(codes[i]);
        UNROLL for (unsigned j = 1; j < taps; j++)
            sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(to[-1 - (int)j], tap[j]));
        if (taps)
            sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(last, tap[0]));
        last = taps ? _mm512_add_epi32(residual, _mm512_srav_epi32(sum, shift)) : residual;
        least = _mm512_min_epi32(least, last);
        most = _mm512_max_epi32(most, last);
        _mm512_store_si512(to, last);
    }
    _mm512_store_si512(lanes->least, least);
    _mm512_store_si512(lanes->most, most);
}

/* Doubles hold every sum exactly: see decode/lanes_avx2.c. */
TEMPLATE void wide_rows(vf_lanes *lanes, uint32_t row, uint32_t count, const unsigned taps)
{
    const __m512i *codes = (const __m512i *)lanes->codes + row;
    double *to = lanes->wide + (VF_HISTORY + row) * LANES;
    __m256i *whole = (__m256i *)lanes->whole + 2 * (VF_HISTORY + row);
    __m512d least[2], most[2], last[2];
    UNROLL for (unsigned half = 0; half < 2; half++) {
        least[half] = _mm512_load_pd(lanes->least_wide + 8 * half);
        most[half] = _mm512_load_pd(lanes->most_wide + 8 * half);
        last[half] = _mm512_load_pd(to - LANES + 8 * half);
    }
    for (uint32_t i = 0; i < count; i++, to += LANES, whole += 2) {
        __m512i all = unfold(codes[i]);
        UNROLL for (unsigned half = 0; half < 2; half++) {
            const double *column = to + 8 * half;
            double (*tap)[VF_MOST_LANES] = lanes->wide_taps;
            __m512d residual = _mm512_cvtepi32_pd(half ? _mm512_extracti64x4_epi64(all, 1)
                                                       : _mm512_castsi512_si256(all));
            __m512d sum = _mm512_setzero_pd();
            UNROLL for (int j = (int)taps - 1; j >= 1; j--)
                sum = _mm512_fmadd_pd(_mm512_load_pd(column - (j + 1) * LANES),
                                      _mm512_load_pd(tap[j] + 8 * half), sum);
            sum = _mm512_fmadd_pd(last[half], _mm512_load_pd(tap[0] + 8 * half), sum);
            __m512d sample = _mm512_add_pd(
                residual, _mm512_roundscale_pd(sum, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC));
            least[half] = _mm512_min_pd(sample, least[half]); /* the second where one is NaN */
            most[half] = _mm512_max_pd(sample, most[half]);
            _mm512_store_pd(to + 8 * half, sample);
            _mm256_store_si256(whole + half, _mm512_cvttpd_epi32(sample));
            last[half] = sample;
        }
    }
    UNROLL for (unsigned half = 0; half < 2; half++) {
        _mm512_store_pd(lanes->least_wide + 8 * half, least[half]);
        _mm512_store_pd(lanes->most_wide + 8 * half, most[half]);
    }
}

/* ---- Output ----------------------------------------------------------------------------------- */

TARGET static void transpose(vf_lanes *lanes, uint32_t count, vf_predictor by)
{
    __m256i in[8], out[8];
    __m512i *pairs = (__m512i *)lanes->pairs + VF_HISTORY;
    /* Every second row of pairs has all samples. After an odd count the last one needs a pair. */
    if (by == VF_NARROW && count & 1)
        pairs[count] = _mm512_srli_epi32(pairs[count - 1], 16);
    for (unsigned half = 0; half < 2; half++) {
        const uint8_t *lane = LANE + 8 * half;
        if (by == VF_NARROW) {
            const __m256i *from = (const __m256i *)pairs + half;
            for (uint32_t row = 0; row < count; row += 16) {
                UNROLL for (unsigned j = 0; j < 8; j++)
                    in[j] = _mm256_load_si256(from + 2 * (row + 2 * j + 1));
                transpose8(in, out);
                UNROLL for (unsigned c = 0; c < 8; c++)
                    _mm256_store_si256((__m256i *)(lanes->out16[lane[c]] + row), out[c]);
            }
        } else {
            const __m256i *from = (const __m256i *)lanes->whole + 2 * VF_HISTORY + half;
            for (uint32_t row = 0; row < count; row += 8) {
                UNROLL for (unsigned j = 0; j < 8; j++)
                    in[j] = _mm256_load_si256(from + 2 * (row + j));
                transpose8(in, out);
                UNROLL for (unsigned c = 0; c < 8; c++)
                    _mm256_store_si256((__m256i *)(lanes->out32[lane[c]] + row), out[c]);
            }
        }
    }
}

#define KERNEL VF_AVX512
#include "decode/lanes_end.h"

#else
typedef int vf_no_avx512; /* ISO C wants something in every file */
#endif
