#include "decode/subframe.h"

/* The fixed predictors are polynomials through the last samples, written as coefficients. */
static const int16_t FIXED[5][4] = {{0}, {1}, {2, -1}, {3, -3, 1}, {4, -6, 4, -1}};

vf_status vf_subframe_open(vf_subframe *subframe, vf_bits *bits, uint32_t block_size,
                           unsigned depth)
{
    unsigned head = (unsigned)vf_read(bits, 8), type = head >> 1 & 0x3F;
    if (head & 0x80)
        return VF_BAD_SUBFRAME;
    uint64_t wasted = head & 1 ? vf_read_unary(bits) : 0;
    if (head & 1)
        wasted = wasted == UINT64_MAX ? depth : wasted + 1;
    if (wasted >= depth)
        return vf_overrun(bits) ? VF_TRUNCATED : VF_BAD_SUBFRAME;
    depth -= (unsigned)wasted;
    subframe->wasted = (uint8_t)wasted;
    subframe->depth = (uint8_t)depth;
    subframe->order = subframe->shift = 0;

    if (type == 0) {
        subframe->kind = VF_CONSTANT;
        subframe->first[0] = vf_read_signed(bits, depth);
        return vf_overrun(bits) ? VF_TRUNCATED : VF_OK;
    }
    if (type == 1) {
        subframe->kind = VF_VERBATIM;
        return VF_OK;
    }
    bool fixed = type >= 8 && type <= 12;
    if (!fixed && type < 32)
        return VF_BAD_SUBFRAME;
    unsigned order = fixed ? type - 8 : type - 31;
    if (order > block_size)
        return VF_BAD_SUBFRAME;
    subframe->kind = VF_PREDICTED;
    subframe->order = (uint8_t)order;
    subframe->fixed = fixed;
    for (unsigned i = 0; i < order; i++)
        subframe->first[i] = vf_read_signed(bits, depth);
    if (fixed) {
        for (unsigned i = 0; i < order; i++)
            subframe->coefficients[i] = FIXED[order][i];
    } else {
        unsigned precision = (unsigned)vf_read(bits, 4) + 1;
        int64_t shift = vf_read_signed(bits, 5);
        if (precision == 16 || shift < 0)
            return VF_BAD_SUBFRAME;
        subframe->shift = (uint8_t)shift;
        for (unsigned i = 0; i < order; i++)
            subframe->coefficients[i] = (int16_t)vf_read_signed(bits, precision);
    }
    vf_status status = vf_residual_start(&subframe->residual, bits, block_size, order);
    return vf_overrun(bits) ? VF_TRUNCATED : status;
}

/* In both predictors the order is a constant in every call, so that the inner loop is unrolled.

   Sums are computed modulo 2**64. As long as all samples fit they are exact, and the first sample
   that does not fit is exact too: it leaves bits in the result whatever nonsense may follow. */
#define TEMPLATE static inline __attribute__((always_inline))

/* Fixed predictors without a multiplication: the residual is the difference of order `order` between
   samples, so it is summed up as many times. sums[k] is the last difference of order k. */
TEMPLATE void sum_up(const int32_t *residuals, uint32_t count, int64_t *out, const unsigned order)
{
    uint64_t sums[5] = {0};
    for (unsigned k = 0; k < order; k++)
        for (unsigned j = 0; j <= k; j++) /* row k of Pascal's triangle, signs in turn */
            sums[k] += (j ? (uint64_t)(int64_t)-FIXED[k][j - 1] : 1) * (uint64_t)out[-1 - (int)j];
    for (uint32_t i = 0; i < count; i++) {
        uint64_t sum = (uint64_t)residuals[i];
        for (unsigned k = order; k-- > 0;)
            sum = sums[k] += sum;
        out[i] = (int64_t)sum;
    }
}

/* The newest sample is kept in a register and added last: it is the one that the step before has only
   just made.

   Samples of 32 bits are taken modulo 2**32 instead: libFLAC's encoder lets residuals wrap that do
   not fit 32 bits, as between a nodata of -2**31 and its neighbours, and its decoder wraps back. */
TEMPLATE void predict(const vf_subframe *subframe, const int32_t *residuals, uint32_t count,
                      int64_t *out, const bool wraps, const unsigned order)
{
    const unsigned shift = subframe->shift;
    uint64_t newest = order ? (uint64_t)out[-1] : 0;
    int64_t coefficients[VF_MAX_ORDER];
    for (unsigned j = 0; j < order; j++)
        coefficients[j] = subframe->coefficients[j];
    for (uint32_t i = 0; i < count; i++) {
        uint64_t sum = 0;
        for (unsigned j = order; j-- > 1;)
            sum += (uint64_t)coefficients[j] * (uint64_t)out[(int64_t)i - 1 - j];
        if (order)
            sum += (uint64_t)coefficients[0] * newest;
        newest = (uint64_t)residuals[i] + (uint64_t)((int64_t)sum >> shift);
        if (wraps)
            newest = (uint64_t)(int64_t)(int32_t)(uint32_t)newest;
        out[i] = (int64_t)newest;
    }
}

TEMPLATE void predict_any(const vf_subframe *subframe, const int32_t *residuals, uint32_t count,
                          int64_t *out, const bool wraps)
{
    switch (subframe->order) {
#define ORDER(N) case N: predict(subframe, residuals, count, out, wraps, N); break;
    ORDER(0) ORDER(1) ORDER(2) ORDER(3) ORDER(4) ORDER(5) ORDER(6)
    ORDER(7) ORDER(8) ORDER(9) ORDER(10) ORDER(11) ORDER(12)
#undef ORDER
    default: predict(subframe, residuals, count, out, wraps, subframe->order);
    }
}

uint64_t vf_predict(const vf_subframe *subframe, const int32_t *residuals, uint32_t count,
                    int64_t *out)
{
    const unsigned depth = subframe->depth;
    if (depth == 32)
        predict_any(subframe, residuals, count, out, true);
    else if (!subframe->fixed)
        predict_any(subframe, residuals, count, out, false);
    else
        switch (subframe->order) {
        case 0: sum_up(residuals, count, out, 0); break;
        case 1: sum_up(residuals, count, out, 1); break;
        case 2: sum_up(residuals, count, out, 2); break;
        case 3: sum_up(residuals, count, out, 3); break;
        default: sum_up(residuals, count, out, 4);
        }
    /* In a loop of its own, which compilers make vectors of. */
    const uint64_t half = 1ull << (depth - 1);
    uint64_t misfits = 0;
    for (uint32_t i = 0; i < count; i++)
        misfits |= ((uint64_t)out[i] + half) >> depth;
    return misfits;
}

vf_status vf_subframe_finish(vf_subframe *subframe, vf_bits *bits, uint32_t block_size,
                             int64_t *out)
{
    enum { PIECE = 256 };
    const unsigned depth = subframe->depth, wasted = subframe->wasted, order = subframe->order;
    int32_t residuals[PIECE];

    switch (subframe->kind) {
    case VF_CONSTANT:
        for (uint32_t i = 0; i < block_size; i++)
            out[i] = subframe->first[0];
        break;
    case VF_VERBATIM:
        for (uint32_t i = 0; i < block_size; i++)
            out[i] = vf_read_signed(bits, depth);
        break;
    case VF_PREDICTED:
        for (unsigned i = 0; i < order; i++)
            out[i] = subframe->first[i];
        for (uint32_t i = order, here; i < block_size; i += here) {
            here = block_size - i < PIECE ? block_size - i : PIECE;
            vf_status status = vf_residual_read(&subframe->residual, bits, residuals, here);
            if (status)
                return status;
            if (vf_predict(subframe, residuals, here, out + i))
                return VF_SAMPLE_OUT_OF_RANGE;
        }
        break;
    }
    if (vf_overrun(bits))
        return VF_TRUNCATED;
    if (wasted)
        for (uint32_t i = 0; i < block_size; i++)
            out[i] = (int64_t)((uint64_t)out[i] << wasted);
    return VF_OK;
}
