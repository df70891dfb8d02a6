#include "subframe.h"

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

/* The order is a constant in every call, so that the inner loop is unrolled.

   Sums are computed modulo 2**64. As long as all samples fit they are exact, and the first sample
   that does not fit is exact too: it leaves bits in the result whatever nonsense may follow.

   Samples of 32 bits are taken modulo 2**32 instead: libFLAC's encoder lets residuals wrap that do
   not fit 32 bits, as between a nodata of -2**31 and its neighbours, and its decoder wraps back. */
static inline __attribute__((always_inline)) uint64_t
predict(const vf_subframe *subframe, const int32_t *residuals, uint32_t count, int64_t *out,
        const unsigned order)
{
    const unsigned shift = subframe->shift, depth = subframe->depth;
    const uint64_t half = 1ull << (depth - 1);
    const bool wraps = depth == 32;
    int64_t coefficients[VF_MAX_ORDER];
    uint64_t misfits = 0;
    for (unsigned j = 0; j < order; j++)
        coefficients[j] = subframe->coefficients[j];
    for (uint32_t i = 0; i < count; i++) {
        uint64_t sum = 0;
        for (unsigned j = 0; j < order; j++)
            sum += (uint64_t)coefficients[j] * (uint64_t)out[(int64_t)i - 1 - j];
        uint64_t sample = (uint64_t)residuals[i] + (uint64_t)((int64_t)sum >> shift);
        if (wraps)
            sample = (uint64_t)(int64_t)(int32_t)(uint32_t)sample;
        out[i] = (int64_t)sample;
        misfits |= (sample + half) >> depth;
    }
    return misfits;
}

uint64_t vf_predict(const vf_subframe *subframe, const int32_t *residuals, uint32_t count,
                    int64_t *out)
{
    switch (subframe->order) {
    case 0: return predict(subframe, residuals, count, out, 0);
    case 1: return predict(subframe, residuals, count, out, 1);
    case 2: return predict(subframe, residuals, count, out, 2);
    case 3: return predict(subframe, residuals, count, out, 3);
    case 4: return predict(subframe, residuals, count, out, 4);
    case 5: return predict(subframe, residuals, count, out, 5);
    case 6: return predict(subframe, residuals, count, out, 6);
    case 7: return predict(subframe, residuals, count, out, 7);
    case 8: return predict(subframe, residuals, count, out, 8);
    case 9: return predict(subframe, residuals, count, out, 9);
    case 10: return predict(subframe, residuals, count, out, 10);
    case 11: return predict(subframe, residuals, count, out, 11);
    case 12: return predict(subframe, residuals, count, out, 12);
    default: return predict(subframe, residuals, count, out, subframe->order);
    }
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
