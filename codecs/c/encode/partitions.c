#include "encode/partitions.h"

enum {
    LAST_OF_4_BITS = 14, /* the largest Rice parameters: with all bits 1 they announce plain numbers */
    LAST_OF_5_BITS = 30,
    MARGIN = 2, /* the best parameter is at most so far from what the mean lets expect */
};

static unsigned bit_length(uint32_t value)
{
    return value ? 32 - (unsigned)__builtin_clz(value) : 0;
}

/* About the best Rice parameter for numbers whose sum is so much, as they are distributed when they are
   residuals: log2 of ln 2 times their mean. */
static unsigned likely_parameter(uint64_t sum, uint32_t count)
{
    uint64_t mean = (sum / 256 * 177 + sum % 256 * 177 / 256) / count;
    unsigned length = 0;
    for (; mean; mean >>= 1)
        length++;
    return length;
}

/* The finest partitions that the block and the effort allow. */
static unsigned finest_order(const vf_effort *effort, uint32_t count, unsigned order)
{
    unsigned finest = 0;
    while (finest < effort->partition_order && (count >> finest) % 2 == 0 &&
           count >> (finest + 1) >= effort->least_partition && count >> (finest + 1) > order)
        finest++;
    return finest;
}

void vf_find_partitions(const vf_loops *loops, const vf_effort *effort, const uint32_t *folded,
                        uint32_t count, unsigned order, vf_tally *tally,
                        vf_partitions *partitions)
{
    const unsigned finest = finest_order(effort, count, order);
    const uint32_t size = count >> finest;
    uint8_t choice[VF_MOST_PARTITIONS];
    vf_sums sums;
    loops->begin(folded, size, finest, tally, &sums);

    const unsigned longest = bit_length(sums.largest);
    unsigned least = likely_parameter(sums.least, size), last = likely_parameter(sums.most, size) + 1;
    least = least < MARGIN ? 0 : least - MARGIN;
    last = last > longest ? longest : last;
    last = last > LAST_OF_5_BITS ? LAST_OF_5_BITS : last;
    least = least > last ? last : least;
    const bool wide = sums.total >> least >> 30;
    loops->tally(folded, size, finest, least, last, wide, tally);

    partitions->bits = UINT64_MAX;
    partitions->sum = sums.total;
    for (unsigned at = finest + 1; at-- > 0;) {
        if (at < finest)
            loops->merge(tally, at, least, last, wide);
        for (unsigned bits = least > LAST_OF_4_BITS ? 5 : 4; bits <= (last > LAST_OF_4_BITS ? 5u : 4u);
             bits++) {
            const unsigned end = bits == 4 && last > LAST_OF_4_BITS ? LAST_OF_4_BITS : last;
            const uint64_t all = loops->choose(tally, count >> at, at, order, least, end, wide,
                                               effort->escapes) +
                                 ((uint64_t)bits << at) + 6;
            if (all >= partitions->bits)
                continue;
            partitions->bits = all;
            partitions->order = (uint8_t)at;
            partitions->parameter_bits = (uint8_t)bits;
            for (uint32_t p = 0; p < 1u << at; p++)
                choice[p] = (uint8_t)tally->choice[p];
        }
    }

    const unsigned joined = finest - partitions->order;
    for (uint32_t p = 0; p < 1u << partitions->order; p++) {
        uint32_t most = 0;
        for (uint32_t i = p << joined; i < (p + 1) << joined; i++) {
            const uint32_t here = tally->most[vf_reversed(i, finest)];
            most = here > most ? here : most;
        }
        partitions->most[p] = most;
        partitions->choice[p] = choice[vf_reversed(p, partitions->order)];
    }
}

void vf_write_partitions(const vf_loops *loops, vf_bitwriter *writer, const uint32_t *folded,
                         uint32_t count, unsigned order, const vf_partitions *partitions)
{
    const unsigned bits = partitions->parameter_bits;
    vf_write(writer, bits - 4, 2);
    vf_write(writer, partitions->order, 4);
    uint32_t at = order;
    for (uint32_t p = 0; p < 1u << partitions->order; p++) {
        const uint32_t end = (p + 1) * (count >> partitions->order);
        const unsigned choice = partitions->choice[p];
        if (choice < VF_ESCAPE) {
            vf_write(writer, choice, bits);
            loops->write_codes(writer, folded + at, end - at, choice, partitions->most[p]);
        } else {
            const unsigned width = choice - VF_ESCAPE;
            vf_write(writer, (1u << bits) - 1, bits);
            vf_write(writer, width, 5);
            for (uint32_t i = at; width && i < end; i++)
                vf_write_signed(writer, (int32_t)(folded[i] >> 1 ^ (0 - (folded[i] & 1))), width);
        }
        at = end;
    }
}
