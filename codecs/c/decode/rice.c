#include "decode/rice.h"

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

/* Read one Rice code, however long: zeros in front of the stop bit, then parameter (0 to 31) bits.
   False when the data ends, or the number is more than a residual may be (RFC 9639 9.2.7.3). */
static bool read_one(vf_bits *bits, unsigned parameter, uint64_t *zeros, uint32_t *low)
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

/* Read `codes` codes at a time as long as there are so many, and eight bytes to look at; returns how many
   were read. Stops early at a code that is too long for that. codes is a constant in every call, so that
   the inner loop is unrolled.

   window holds the next bits, left aligned, `valid` of them for certain. No code is looked at twice:
   valid sinks below 0 when the codes of a turn were longer than the window, and the turn is dropped. */
static inline __attribute__((always_inline)) uint32_t
read_short_codes(vf_bits *bits, const unsigned parameter, int32_t *out, const uint32_t count,
                 const uint32_t codes)
{
    const uint8_t *const end = bits->data + bits->size;
    const uint8_t *at = bits->data + (bits->position >> 3);
    uint64_t window = 0;
    int valid = 0;
    uint32_t done = 0;
    if (end - at < 16)
        return 0;
    window = vf_load64(at) << (bits->position & 7);
    valid = 56 - (int)(bits->position & 7);
    at += 7;
    while (count - done >= codes && end - at >= 8) {
        /* Fill up to 56 bits or more. Bits of the last byte that is only partly valid come again. */
        window |= vf_load64(at) >> valid;
        at += (63 - valid) >> 3;
        valid |= 56;
        const int before = valid;
        for (uint32_t j = 0; j < codes; j++) {
            unsigned zeros = (unsigned)__builtin_clzll(window | 1);
            uint64_t tail = window << zeros;
            window = tail << parameter << 1;
            valid -= (int)(zeros + 1 + parameter);
            /* The stop bit and what follows it, less the stop bit: parameter bits. */
            uint32_t low = (uint32_t)(tail >> (63 - parameter)) - (1u << parameter);
            out[done + j] = unfold((zeros << parameter) + low);
        }
        if (VF_UNLIKELY(valid < 0)) {
            valid = before;
            break;
        }
        done += codes;
    }
    bits->position = 8 * (uint64_t)(at - bits->data) - (uint64_t)valid;
    return done;
}

/* With a larger parameter the number of a code may need more than 32 bits, though it fits a window. */
enum { LARGEST_PARAMETER = 26 };

vf_status vf_read_few_codes(vf_bits *bits, unsigned parameter, int32_t *out, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t window = vf_peek(bits), zeros = (uint64_t)__builtin_clzll(window | 1);
        uint32_t low;
        if (VF_LIKELY(zeros + 1 + parameter <= VF_WINDOW && parameter <= LARGEST_PARAMETER)) {
            low = (uint32_t)(window << zeros >> (63 - parameter)) - (1u << parameter);
            bits->position += zeros + 1 + parameter;
        } else if (!read_one(bits, parameter, &zeros, &low)) {
            return vf_overrun(bits) || zeros == UINT64_MAX ? VF_TRUNCATED : VF_BAD_RESIDUAL;
        }
        out[i] = unfold(((uint32_t)zeros << parameter) + low);
    }
    return VF_OK;
}

static inline __attribute__((always_inline)) vf_status
read_codes(vf_bits *bits, unsigned parameter, int32_t *out, uint32_t count)
{
    for (;;) {
        uint32_t codes = 1, done = 0;
        if (parameter <= 3)
            done = read_short_codes(bits, parameter, out, count, codes = 6);
        else if (parameter <= 8)
            done = read_short_codes(bits, parameter, out, count, codes = 4);
        else if (parameter <= 16)
            done = read_short_codes(bits, parameter, out, count, codes = 2);
        else if (parameter <= LARGEST_PARAMETER)
            done = read_short_codes(bits, parameter, out, count, codes);
        out += done;
        count -= done;
        if (count == 0)
            return VF_OK;
        /* An extraordinary code, or the end of the partition, or of the data. */
        codes = codes < count ? codes : count;
        vf_status status = vf_read_few_codes(bits, parameter, out, codes);
        if (status != VF_OK)
            return status;
        out += codes;
        count -= codes;
    }
}

static vf_status read_codes_plainly(vf_bits *bits, unsigned parameter, int32_t *out,
                                    uint32_t count)
{
    return read_codes(bits, parameter, out, count);
}

#if defined(__x86_64__)
/* The same, where the compiler may use shifts that leave the flags alone, and count zeros. */
static __attribute__((target("bmi,bmi2,lzcnt"))) vf_status
read_codes_bmi2(vf_bits *bits, unsigned parameter, int32_t *out, uint32_t count)
{
    return read_codes(bits, parameter, out, count);
}
#define BEST_READ_CODES (__builtin_cpu_supports("bmi2") ? read_codes_bmi2 : read_codes_plainly)
#else
#define BEST_READ_CODES read_codes_plainly
#endif

vf_status vf_residual_read(vf_residual *residual, vf_bits *bits, int32_t *out, uint32_t count)
{
    while (count) {
        vf_residual_open(residual, bits);
        uint32_t here = count < residual->left ? count : residual->left;
        if (residual->escape) {
            for (uint32_t i = 0; i < here; i++)
                out[i] = (int32_t)vf_read_signed(bits, residual->plain_bits);
        } else {
            vf_status status = BEST_READ_CODES(bits, residual->parameter, out, here);
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
