#include "rice.h"

vf_status vf_residual_start(vf_residual *residual, vf_bits *bits, uint32_t block_size,
                            unsigned order)
{
    unsigned method = (unsigned)vf_read(bits, 2), partition_order = (unsigned)vf_read(bits, 4);
    uint32_t size = block_size >> partition_order;
    if (method > 1 || size << partition_order != block_size || size < order)
        return VF_BAD_RESIDUAL;
    *residual = (vf_residual){
        .partition_size = size,
        .partitions = 1u << partition_order,
        .parameter_bits = method ? 5 : 4,
    };
    vf_residual_open(residual, bits);
    residual->left -= order; /* may be 0 now: the next one is opened when it is wanted */
    return VF_OK;
}

void vf_residual_open(vf_residual *residual, vf_bits *bits)
{
    while (residual->left == 0 && residual->partitions) {
        residual->parameter = (uint8_t)vf_read(bits, residual->parameter_bits);
        residual->escape = residual->parameter == (1 << residual->parameter_bits) - 1;
        if (residual->escape)
            residual->plain_bits = (uint8_t)vf_read(bits, 5);
        residual->partitions--;
        residual->left = residual->partition_size;
    }
}

bool vf_read_rice(vf_bits *bits, unsigned parameter, uint64_t *zeros, uint32_t *low)
{
    *zeros = vf_read_unary(bits);
    *low = (uint32_t)vf_read(bits, parameter);
    if (*zeros > UINT32_MAX >> parameter)
        return false;
    return (uint32_t)(*zeros << parameter | *low) != UINT32_MAX; /* would be -2**31 */
}

/* Undo the zigzag 0, -1, 1, -2 ... */
static inline int32_t unfold(uint32_t folded)
{
    return (int32_t)(folded >> 1 ^ (0 - (folded & 1)));
}

/* Read count Rice codes of one partition. One look at the buffer serves several short codes. */
static vf_status read_codes(vf_bits *bits, unsigned parameter, int32_t *out, uint32_t count)
{
    while (count) {
        uint64_t window = vf_peek(bits);
        unsigned used = 0;
        while (count) {
            unsigned zeros = (unsigned)__builtin_clzll(window | 1);
            unsigned length = zeros + 1 + parameter;
            if (used + length > VF_WINDOW)
                break;
            /* The stop bit and what follows it, less the stop bit: parameter bits. */
            uint64_t tail = window << zeros >> (63 - parameter);
            uint64_t folded = ((uint64_t)zeros << parameter) + tail - (1ull << parameter);
            if (VF_UNLIKELY(folded >= UINT32_MAX))
                return VF_BAD_RESIDUAL;
            *out++ = unfold((uint32_t)folded);
            window <<= length;
            used += length;
            count--;
        }
        bits->position += used;
        if (used == 0) {
            uint64_t zeros;
            uint32_t low;
            if (!vf_read_rice(bits, parameter, &zeros, &low))
                return vf_overrun(bits) || zeros == UINT64_MAX ? VF_TRUNCATED : VF_BAD_RESIDUAL;
            *out++ = unfold((uint32_t)zeros << parameter | low);
            count--;
        }
    }
    return VF_OK;
}

vf_status vf_residual_read(vf_residual *residual, vf_bits *bits, int32_t *out, uint32_t count)
{
    while (count) {
        vf_residual_open(residual, bits);
        uint32_t here = count < residual->left ? count : residual->left;
        if (residual->escape) {
            for (uint32_t i = 0; i < here; i++)
                out[i] = (int32_t)vf_read_signed(bits, residual->plain_bits);
        } else {
            vf_status status = read_codes(bits, residual->parameter, out, here);
            if (status)
                return status;
        }
        if (vf_overrun(bits))
            return VF_TRUNCATED;
        out += here;
        count -= here;
        residual->left -= here;
    }
    return VF_OK;
}
