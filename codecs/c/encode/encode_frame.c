#include "encode/encode_frame.h"

#include <stdlib.h>

#include "common/crc.h"
#include "common/memory.h"
#include "decode/frame.h"
#include "encode/encode_subframe.h"

enum {
    MOST_HEADER = 16, /* bytes of a frame header */
    PAIR = 4,         /* what two channels may be stored as: left, right, mid, side */
};

struct vf_frame_encoder {
    vf_framing framing;
    vf_bench bench;
    vf_plan plans[PAIR];
    int32_t *mid, *side;
    void *memory;
};

static bool may_be_stereo(const vf_framing *framing)
{
    /* The side of 32 bits would have 33. */
    return framing->effort.stereo && framing->channels == 2 && framing->depth < 32;
}

vf_frame_encoder *vf_frame_encoder_new(const vf_framing *framing)
{
    vf_frame_encoder *encoder = vf_new_lines(sizeof *encoder);
    if (!encoder)
        return NULL;
    const size_t plain = (framing->max_block_size + 15u) / 16 * 16;
    const size_t padded = VF_AHEAD + plain + VF_BEHIND;
    const unsigned plans = may_be_stereo(framing) ? PAIR : 1;
    const unsigned windows = framing->effort.linear_order ? framing->effort.windows : 0;
    /* Samples and residuals of each plan; residuals on trial, steps, windowed and small samples, mid, side;
       windows. */
    const size_t items = (2 * plans + 6) * padded + windows * plain / 2;
    int32_t *memory = vf_new_lines(items * sizeof *memory);
    if (!memory) {
        vf_free_lines(encoder);
        return NULL;
    }
    encoder->framing = *framing;
    encoder->memory = memory;
    for (unsigned i = 0; i < 2 * plans + 6; i++)
        memset(memory + i * padded, 0, VF_AHEAD * sizeof *memory);
    memory += VF_AHEAD;
    for (unsigned i = 0; i < plans; i++, memory += 2 * padded) {
        encoder->plans[i].samples = memory;
        encoder->plans[i].folded = (uint32_t *)memory + padded;
    }
    vf_bench *bench = &encoder->bench;
    bench->windows_for = 0;
    bench->loops = vf_best_loops(framing->skipped_loops);
    bench->effort = framing->effort;
    bench->trial = (uint32_t *)memory;
    bench->steps = memory + padded;
    bench->windowed = memory + 2 * padded;
    bench->small = (int16_t *)(memory + 3 * padded);
    encoder->mid = memory + 4 * padded;
    encoder->side = memory + 5 * padded;
    memory += 6 * padded - VF_AHEAD;
    for (unsigned i = 0; i < windows; i++)
        bench->windows[i] = (uint16_t *)memory + i * plain;
    return encoder;
}

void vf_frame_encoder_free(vf_frame_encoder *encoder)
{
    if (encoder)
        vf_free_lines(encoder->memory);
    vf_free_lines(encoder);
}

size_t vf_frame_room(const vf_framing *framing, uint32_t block_size)
{
    /* A channel is no larger than its samples as they are, behind a byte; one of them may be a side. */
    const uint64_t bits =
        framing->channels * (8 + (uint64_t)block_size * framing->depth) + block_size;
    return MOST_HEADER + (size_t)(bits / 8) + 3 + VF_WRITER_SLACK;
}

/* ---- Header ------------------------------------------------------------------------------------ */

static unsigned block_size_code(uint32_t block_size)
{
    if (block_size == 192)
        return 1;
    for (unsigned i = 0; i < 4; i++)
        if (block_size == 576u << i)
            return 2 + i;
    for (unsigned i = 0; i < 8; i++)
        if (block_size == 256u << i)
            return 8 + i;
    return block_size <= 256 ? 6 : 7;
}

static unsigned depth_code(unsigned depth)
{
    switch (depth) {
    case 8: return 1;
    case 12: return 2;
    case 16: return 4;
    case 20: return 5;
    case 24: return 6;
    case 32: return 7;
    default: return 0; /* as STREAMINFO says */
    }
}

/* Write a number as UTF-8 does with characters, up to 36 bits. */
static void write_number(vf_bitwriter *writer, uint64_t number)
{
    if (number < 0x80) {
        vf_write(writer, number, 8);
        return;
    }
    unsigned more = 1; /* bytes of six bits behind the first one, which has the others */
    while (number >> (6 * more + 6 - more))
        more++;
    vf_write(writer, (0xFF80 >> more & 0xFF) | number >> 6 * more, 8);
    while (more--)
        vf_write(writer, 0x80 | (number >> 6 * more & 0x3F), 8);
}

static void write_header(vf_bitwriter *writer, const vf_framing *framing, uint32_t block_size,
                         uint64_t number, vf_stereo stereo)
{
    enum { RATE_44100 = 9 };
    uint8_t *start = writer->at;
    const unsigned size = block_size_code(block_size);
    const unsigned channels = stereo == VF_INDEPENDENT ? framing->channels - 1 : 7u + (unsigned)stereo;
    vf_write(writer, 0xFFF8u | framing->variable, 16);
    vf_write(writer, size << 4 | RATE_44100, 8);
    vf_write(writer, channels << 4 | depth_code(framing->depth) << 1, 8);
    write_number(writer, number);
    if (size == 6 || size == 7)
        vf_write(writer, block_size - 1, size == 6 ? 8 : 16);
    vf_write(writer, vf_crc8(start, (size_t)(writer->at - start)), 8);
}

/* ---- Two channels ------------------------------------------------------------------------------ */

/* What is stored of a pair, by vf_stereo. */
static const uint8_t STORED[][2] = {
    [VF_INDEPENDENT] = {0, 1}, [VF_LEFT_SIDE] = {0, 3}, [VF_SIDE_RIGHT] = {3, 1}, [VF_MID_SIDE] = {2, 3}};

/* About how much each of left, right, mid and side costs. */
static void guess(const vf_bench *bench, const int32_t *const *planes, uint32_t count,
                  uint64_t costs[PAIR])
{
    for (unsigned i = 0; i < PAIR; i++) {
        uint64_t sums[VF_FIXED_ORDERS];
        bench->loops->fixed_sums(planes[i], count, true, sums);
        costs[i] = sums[0];
        for (unsigned order = 1; order < VF_FIXED_ORDERS; order++)
            costs[i] = sums[order] < costs[i] ? sums[order] : costs[i];
    }
}

static vf_stereo cheapest(const uint64_t costs[PAIR])
{
    vf_stereo best = VF_INDEPENDENT;
    for (vf_stereo stereo = VF_LEFT_SIDE; stereo <= VF_MID_SIDE; stereo++)
        if (costs[STORED[stereo][0]] + costs[STORED[stereo][1]] <
            costs[STORED[best][0]] + costs[STORED[best][1]])
            best = stereo;
    return best;
}

/* Plan those of left, right, mid and side that are in the set `wanted`, to what they cost. */
static void plan_each(vf_frame_encoder *encoder, const int32_t *const *all, uint32_t count,
                      unsigned wanted, uint64_t costs[PAIR])
{
    for (unsigned i = 0; i < PAIR; i++)
        if (wanted >> i & 1) {
            vf_plan_subframe(&encoder->bench, all[i], count, encoder->framing.depth + (i == 3),
                             &encoder->plans[i]);
            costs[i] = encoder->plans[i].bits;
        }
}

static unsigned set_of(vf_stereo stereo)
{
    return 1u << STORED[stereo][0] | 1u << STORED[stereo][1];
}

/* Plan two channels; *first and *second become the plans of what is stored. */
static vf_stereo plan_pair(vf_frame_encoder *encoder, const int32_t *const *planes,
                           uint32_t count, const vf_plan **first, const vf_plan **second)
{
    const uint64_t plain = 2 * (8 + (uint64_t)count * encoder->framing.depth);
    const int32_t *all[PAIR] = {planes[0], planes[1], encoder->mid, encoder->side};
    uint64_t costs[PAIR];
    vf_stereo stereo;
    for (uint32_t i = 0; i < count; i++) {
        const int32_t left = planes[0][i], right = planes[1][i];
        encoder->mid[i] = (int32_t)(((int64_t)left + right) >> 1);
        encoder->side[i] = left - right;
    }
    if (encoder->framing.effort.stereo_trials) {
        plan_each(encoder, all, count, (1 << PAIR) - 1, costs);
        stereo = cheapest(costs);
    } else {
        guess(&encoder->bench, all, count, costs);
        stereo = cheapest(costs);
        plan_each(encoder, all, count, set_of(stereo), costs);
        /* A wrong guess may take more than samples as they are: those of noise. */
        if (costs[STORED[stereo][0]] + costs[STORED[stereo][1]] > plain) {
            stereo = VF_INDEPENDENT;
            plan_each(encoder, all, count, set_of(stereo), costs);
        }
    }
    *first = &encoder->plans[STORED[stereo][0]];
    *second = &encoder->plans[STORED[stereo][1]];
    return stereo;
}

/* ---- A frame ----------------------------------------------------------------------------------- */

size_t vf_encode_frame(vf_frame_encoder *encoder, const int32_t *const *planes, uint32_t block_size,
                       uint64_t number, uint8_t *out)
{
    const vf_framing *framing = &encoder->framing;
    const vf_loops *loops = encoder->bench.loops;
    vf_bitwriter writer = {.at = out};
    if (may_be_stereo(framing)) {
        const vf_plan *first, *second;
        const vf_stereo stereo = plan_pair(encoder, planes, block_size, &first, &second);
        write_header(&writer, framing, block_size, number, stereo);
        vf_write_subframe(loops, &writer, first);
        vf_write_subframe(loops, &writer, second);
    } else {
        write_header(&writer, framing, block_size, number, VF_INDEPENDENT);
        for (unsigned channel = 0; channel < framing->channels; channel++) {
            vf_plan_subframe(&encoder->bench, planes[channel], block_size, framing->depth,
                             &encoder->plans[0]);
            vf_write_subframe(loops, &writer, &encoder->plans[0]);
        }
    }
    vf_write_to_byte(&writer);
    vf_write(&writer, vf_crc16(out, (size_t)(writer.at - out)), 16);
    return (size_t)(writer.at - out);
}
