#include "decode/group.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "decode/frame.h"

/* Left and right are computed in 32 bits. */
enum { DEEPEST_STEREO = 24 };

vf_group *vf_group_new(const vf_stream *stream, const vf_sink *sink, int64_t *workspace)
{
    const vf_kernel *kernel;
    if (stream->size < 64 || stream->max_block_size < VF_SMALLEST_BLOCK ||
        !(kernel = vf_best_kernel(stream->most_lanes ? stream->most_lanes : VF_MOST_LANES)))
        return NULL;
    size_t size = (sizeof(vf_group) + 63) / 64 * 64;
    size_t saved = stream->channels == 2 ? (size_t)kernel->lanes * stream->max_block_size : 0;
    vf_group *group = vf_new_lines(size + saved * sizeof(int32_t));
    if (!group)
        return NULL;
    /* The large arrays are left as they are: nothing looks at what was not written, but to carry it
       along in columns of lanes that have nothing to do. */
    group->lanes.caution = 0;
    group->plain = 0;
    group->saved = (int32_t *)((uint8_t *)group + size);
    group->workspace = workspace;
    group->stream = stream;
    group->sink = sink;
    group->lanes.kernel = kernel;
    group->lanes.data = stream->data;
    group->lanes.size = stream->size;
    return group;
}

void vf_group_free(vf_group *group)
{
    vf_free_lines(group);
}

/* ---- Which frames ------------------------------------------------------------------------------ */

/* Whether every subframe of a frame is one value. Such a frame is as quickly decoded as looked at, and
   its end is known: it takes no lane. */
static bool is_flat(const vf_stream *stream, size_t byte, const vf_header *header)
{
    vf_bits bits = {stream->data, stream->size, 8 * (uint64_t)(byte + header->size)};
    for (unsigned channel = 0; channel < header->channels; channel++) {
        if (vf_read(&bits, 8) != 0)
            return false;
        bits.position += vf_channel_depth(header->stereo, channel, stream->depth);
    }
    return true;
}

/* Look for the frame that may stand at the cursor, somewhere behind byte `from`. */
static bool find_next(const vf_stream *stream, vf_cursor *cursor, size_t from, vf_header *header)
{
    while ((from = vf_find_sync(stream->data, from, stream->size, cursor->variable)) <
           stream->size) {
        if (vf_parse_header(stream->data + from, stream->size - from, header) == VF_OK &&
            vf_check_header(stream, cursor, header) == VF_OK) {
            cursor->byte = from;
            return true;
        }
        from++;
    }
    return false;
}

/* Collect frames from the cursor on, each where it seems to begin, and decode the flat ones between
   them at once. Moves the cursor up to the first collected frame; *behind becomes the place behind the
   last one, its byte only when it is known. */
static void collect(vf_group *group, vf_cursor *cursor, vf_cursor *behind)
{
    const vf_stream *stream = group->stream;
    vf_cursor at = *cursor;
    vf_header header;
    group->count = 0;
    bool found = vf_parse_header(stream->data + at.byte, stream->size - at.byte, &header) == VF_OK &&
                 vf_check_header(stream, &at, &header) == VF_OK;
    while (found) {
        size_t length;
        if (is_flat(stream, at.byte, &header)) {
            if (vf_decode_frame(stream->data + at.byte, stream->size - at.byte, &header,
                                stream->depth, group->sink, at.position, group->workspace, &length))
                break;
            vf_advance(&at, header.block_size, length);
            if (group->count == 0)
                *cursor = at;
            found = at.position < stream->total &&
                    vf_parse_header(stream->data + at.byte, stream->size - at.byte, &header) ==
                        VF_OK &&
                    vf_check_header(stream, &at, &header) == VF_OK;
            continue;
        }
        if (header.stereo != VF_INDEPENDENT && stream->depth > DEEPEST_STEREO)
            break;
        vf_group_frame *frame = &group->frames[group->count++];
        *frame = (vf_group_frame){
            .header = header,
            .byte = at.byte,
            .first = at.position,
            .position = 8 * (uint64_t)(at.byte + header.size),
        };
        vf_advance(&at, header.block_size, 0);
        if (group->count == group->lanes.kernel->lanes || at.position >= stream->total)
            break;
        /* A frame is no shorter than its header, a subframe of two bytes and a CRC. */
        found = find_next(stream, &at, at.byte + header.size + 4u, &header);
        if (found)
            frame->end = at.byte;
    }
    *behind = at;
}

/* ---- Where samples go -------------------------------------------------------------------------- */

/* Hand on samples of a lane, from `row` of its frame on, as they came out of a subframe. Overwrites them.
   False when left or right does not fit. */
static bool deliver32(vf_group *group, unsigned lane, unsigned channel, uint32_t row,
                      int32_t *samples, uint32_t count)
{
    const vf_group_frame *frame = &group->frames[lane];
    const vf_stereo stereo = frame->header.stereo;
    const uint64_t first = frame->first + row;
    if (stereo == VF_INDEPENDENT) {
        vf_sink_put32(group->sink, channel, first, samples, count);
        return true;
    }
    int32_t *saved = group->saved + (size_t)lane * group->stream->max_block_size + row;
    if (channel == 0) {
        memcpy(saved, samples, count * sizeof *saved);
        return true;
    }
    const unsigned depth = group->stream->depth;
    const uint32_t half = 1u << (depth - 1);
    uint32_t misfits = 0;
    for (uint32_t i = 0; i < count; i++) {
        /* Unsigned, because a frame that fails later may hold any rubbish. */
        uint32_t x = (uint32_t)saved[i], y = (uint32_t)samples[i];
        if (stereo == VF_LEFT_SIDE) {
            y = x - y;
        } else if (stereo == VF_SIDE_RIGHT) {
            x += y;
        } else {
            uint32_t sum = x * 2 + (y & 1);
            x = (uint32_t)((int32_t)(sum + y) >> 1);
            y = (uint32_t)((int32_t)(sum - y) >> 1);
        }
        misfits |= (x + half) >> depth | (y + half) >> depth;
        saved[i] = (int32_t)x;
        samples[i] = (int32_t)y;
    }
    vf_sink_put32(group->sink, 0, first, saved, count);
    vf_sink_put32(group->sink, 1, first, samples, count);
    return misfits == 0;
}

/* Hand on the first count rows of the lanes as the rows from `row` on of a frame. */
static bool deliver_lane(vf_group *group, unsigned lane, unsigned channel, uint32_t row,
                         uint32_t count, vf_predictor by)
{
    const unsigned wasted = group->subframes[lane].wasted;
    int32_t *samples = group->lanes.out32[lane];
    if (by == VF_NARROW) {
        int16_t *narrow = group->lanes.out16[lane];
        if (wasted == 0 && group->frames[lane].header.stereo == VF_INDEPENDENT) {
            vf_sink_put16(group->sink, channel, group->frames[lane].first + row, narrow, count);
            return true;
        }
        for (uint32_t i = 0; i < count; i++)
            samples[i] = narrow[i];
    }
    if (wasted)
        for (uint32_t i = 0; i < count; i++)
            samples[i] = (int32_t)((uint32_t)samples[i] << wasted);
    return deliver32(group, lane, channel, row, samples, count);
}

/* Decode one lane's subframe, which was opened, without the others. */
static bool decode_alone(vf_group *group, unsigned lane, unsigned channel)
{
    vf_group_frame *frame = &group->frames[lane];
    vf_subframe *subframe = &group->subframes[lane];
    const uint32_t count = frame->header.block_size;
    if (subframe->kind == VF_CONSTANT && frame->header.stereo == VF_INDEPENDENT) {
        int32_t value = (int32_t)((uint32_t)subframe->first[0] << subframe->wasted);
        vf_sink_fill(group->sink, channel, frame->first, value, count);
        return true;
    }
    vf_bits bits = {group->stream->data, group->stream->size, frame->position};
    if (vf_subframe_finish(subframe, &bits, count, group->workspace))
        return false;
    frame->position = bits.position;
    for (uint32_t row = 0, here; row < count; row += here) {
        int32_t piece[VF_ROWS];
        here = count - row < VF_ROWS ? count - row : VF_ROWS;
        for (uint32_t i = 0; i < here; i++)
            piece[i] = (int32_t)group->workspace[row + i];
        if (!deliver32(group, lane, channel, row, piece, here))
            return false;
    }
    return true;
}

/* ---- One channel of all frames ----------------------------------------------------------------- */

/* The fastest predictor that is exact: sums of 32 bits must stay below 2**30 for all samples. */
static vf_predictor predictor_of(const vf_subframe *subframe)
{
    uint64_t reach = 0;
    for (unsigned i = 0; i < subframe->order; i++)
        reach += (uint64_t)abs(subframe->coefficients[i]);
    /* Residuals to which nothing is added fit, whatever the depth. */
    if (subframe->order && (subframe->depth > 30 || reach << (subframe->depth - 1) > 1u << 30))
        return VF_WIDE;
    return subframe->depth > 16 ? VF_MIDDLE : VF_NARROW;
}

/* Note which partition of its residual a lane is in from sample `at` on, and at which bit. */
static void begin_partition(vf_group *group, unsigned lane, uint32_t at, uint64_t position)
{
    vf_lanes *l = &group->lanes;
    const vf_residual *residual = &group->subframes[lane].residual;
    bool plain = residual->escape || residual->parameter > VF_LARGEST_PARAMETER;
    group->ends[lane] = at + residual->left;
    group->plain = (group->plain & ~(1u << lane)) | (unsigned)plain << lane;
    l->position[lane] = position;
    l->code_bits[lane] = residual->parameter + 1u;
    l->parameter[l->kernel->column[lane]] = residual->parameter;
}

/* Fill in a lane's column: its predictor, and its first `rows` samples (as many as the longest predictor
   looks at), predicted one by one. */
static bool begin_lane(vf_group *group, unsigned lane, uint32_t rows)
{
    vf_lanes *l = &group->lanes;
    vf_subframe *s = &group->subframes[lane];
    const unsigned column = l->kernel->column[lane], order = s->order;
    l->shift[column] = s->shift;
    l->newest[column] = order ? (uint16_t)s->coefficients[0] : 0;
    for (unsigned i = 0; i < order; i++) {
        l->whole_taps[i][column] = s->coefficients[i];
        l->wide_taps[i][column] = s->coefficients[i] / (double)(1u << s->shift);
        if (i)
            l->older[(i - 1) / 2][column] |= i & 1 ? (uint32_t)(uint16_t)s->coefficients[i] << 16
                                                   : (uint16_t)s->coefficients[i];
    }

    int32_t residuals[VF_MAX_ORDER];
    int64_t samples[VF_MAX_ORDER];
    vf_bits bits = {group->stream->data, group->stream->size, group->frames[lane].position};
    memcpy(samples, s->first, order * sizeof *samples);
    if (vf_residual_read(&s->residual, &bits, residuals, rows - order) ||
        vf_predict(s, residuals, rows - order, samples + order))
        return false;
    begin_partition(group, lane, rows, bits.position);
    for (uint32_t row = 0; row < rows; row++) {
        size_t at = (size_t)(VF_HISTORY + row) * l->kernel->lanes + column;
        uint16_t before = row ? (uint16_t)samples[row - 1] : 0;
        l->pairs[at] = (uint32_t)(uint16_t)samples[row] << 16 | before;
        l->whole[at] = (int32_t)samples[row];
        l->wide[at] = (double)samples[row];
    }
    return true;
}

/* Open partitions that begin at sample `at`, of lanes in the set `running`, and let lanes that have
   nothing to do repeat what the first of these does: what comes of it is dropped. Returns the samples
   until the next partition ends, at most count. */
static uint32_t next_step(vf_group *group, unsigned running, uint32_t at, uint32_t count)
{
    vf_lanes *l = &group->lanes;
    const uint8_t *column = l->kernel->column;
    for (unsigned set = running; set; set &= set - 1) {
        const unsigned lane = (unsigned)__builtin_ctz(set);
        if (VF_UNLIKELY(group->ends[lane] == at)) {
            vf_residual *residual = &group->subframes[lane].residual;
            vf_bits bits = {group->stream->data, group->stream->size, l->position[lane]};
            residual->left = 0;
            vf_residual_open(residual, &bits);
            begin_partition(group, lane, at, bits.position);
        }
        count = group->ends[lane] - at < count ? group->ends[lane] - at : count;
    }
    unsigned model = (unsigned)__builtin_ctz(running);
    unsigned idle = ~running & ((1u << l->kernel->lanes) - 1);
    for (; idle; idle &= idle - 1) {
        const unsigned lane = (unsigned)__builtin_ctz(idle);
        l->position[lane] = l->position[model];
        l->code_bits[lane] = l->code_bits[model];
        l->parameter[column[lane]] = l->parameter[column[model]];
    }
    return count;
}

/* Decode rows where one of the lanes has an escape partition or a huge parameter: read residuals lane by
   lane. */
static bool step_plainly(vf_group *group, unsigned running, uint32_t at, uint32_t row,
                         uint32_t count, unsigned order, vf_predictor by)
{
    vf_lanes *l = &group->lanes;
    int32_t residuals[VF_ROWS];
    uint32_t parameter[VF_MOST_LANES];
    /* As codes of parameter 0 they can be any number. */
    memcpy(parameter, l->parameter, sizeof parameter);
    memset(l->parameter, 0, sizeof l->parameter);
    for (; running; running &= running - 1) {
        const unsigned lane = (unsigned)__builtin_ctz(running);
        vf_residual *residual = &group->subframes[lane].residual;
        vf_bits bits = {group->stream->data, group->stream->size, l->position[lane]};
        residual->left = group->ends[lane] - at;
        if (vf_residual_read(residual, &bits, residuals, count))
            return false;
        l->position[lane] = bits.position;
        l->kernel->place(l, lane, row, residuals, count);
    }
    l->kernel->predict(l, row, count, order, by);
    memcpy(l->parameter, parameter, sizeof parameter);
    return true;
}

/* Whether all samples of a lane, so far, fit its subframe. */
static bool fits(const vf_group *group, unsigned lane, vf_predictor by)
{
    const vf_lanes *l = &group->lanes;
    const unsigned column = l->kernel->column[lane];
    const double half = (double)(1ull << (group->subframes[lane].depth - 1));
    double least = by == VF_WIDE ? l->least_wide[column] : l->least[column];
    double most = by == VF_WIDE ? l->most_wide[column] : l->most[column];
    return least >= -half && most < half;
}

/* Take lanes out of the set `running` whose frames end at sample `at`, and judge them now: from here on
   their columns fill with rubbish. *next becomes the sample at which the next of those that are left will
   end. */
static unsigned drop_done(vf_group *group, unsigned running, uint32_t at, vf_predictor by,
                          uint32_t *next)
{
    *next = UINT32_MAX;
    for (unsigned set = running; set; set &= set - 1) {
        const unsigned lane = (unsigned)__builtin_ctz(set);
        const uint32_t block_size = group->frames[lane].header.block_size;
        if (block_size == at) {
            group->frames[lane].position = group->lanes.position[lane];
            group->misfits |= (unsigned)!fits(group, lane, by) << lane;
            running &= ~(1u << lane);
        } else if (block_size < *next) {
            *next = block_size;
        }
    }
    return running;
}

/* Decode the subframes of the lanes in the set `active`, all of them predicted. */
static bool decode_together(vf_group *group, unsigned active, unsigned channel)
{
    vf_lanes *l = &group->lanes;
    unsigned order = 0;
    uint32_t longest = 0;
    vf_predictor by = VF_NARROW;
    for (unsigned lane = 0; lane < l->kernel->lanes; lane++)
        if (active >> lane & 1) {
            const vf_subframe *subframe = &group->subframes[lane];
            uint32_t block_size = group->frames[lane].header.block_size;
            order = subframe->order > order ? subframe->order : order;
            longest = block_size > longest ? block_size : longest;
            vf_predictor wanted = predictor_of(subframe);
            by = wanted > by ? wanted : by;
        }
    memset(l->pairs, 0, VF_HISTORY * l->kernel->lanes * sizeof *l->pairs);
    memset(l->whole, 0, VF_HISTORY * l->kernel->lanes * sizeof *l->whole);
    memset(l->wide, 0, VF_HISTORY * l->kernel->lanes * sizeof *l->wide);
    memset(l->parameter, 0,
           offsetof(vf_lanes, most_wide) + sizeof l->most_wide - offsetof(vf_lanes, parameter));
    for (unsigned lane = 0; lane < l->kernel->lanes; lane++)
        if (active >> lane & 1 && !begin_lane(group, lane, order))
            return false;

    uint32_t at = order, next_end; /* sample in work; where the next frame ends */
    group->misfits = 0;
    unsigned running = drop_done(group, active, at, by, &next_end);
    for (uint32_t start = 0; start < longest; start += VF_ROWS) {
        const uint32_t rows = longest - start < VF_ROWS ? longest - start : VF_ROWS;
        while (at < start + rows) {
            const uint32_t row = at - start, count = next_step(group, running, at, rows - row);
            if (VF_UNLIKELY(group->plain & running)) {
                if (!step_plainly(group, running, at, row, count, order, by))
                    return false;
            } else if (!vf_lanes_run(l, row, count, order, by)) {
                return false;
            }
            at += count;
            if (at == next_end)
                running = drop_done(group, running, at, by, &next_end);
        }
        l->kernel->transpose(l, rows, by);
        for (unsigned lane = 0; lane < l->kernel->lanes; lane++) {
            uint32_t block_size = group->frames[lane].header.block_size;
            if (!(active >> lane & 1) || block_size <= start)
                continue;
            uint32_t here = block_size - start < rows ? block_size - start : rows;
            if (!deliver_lane(group, lane, channel, start, here, by))
                return false;
        }
        vf_lanes_move_on(l, by);
    }
    return group->misfits == 0;
}

static bool decode_channel(vf_group *group, unsigned channel)
{
    unsigned predicted = 0;
    for (unsigned lane = 0; lane < group->count; lane++) {
        vf_group_frame *frame = &group->frames[lane];
        vf_bits bits = {group->stream->data, group->stream->size, frame->position};
        unsigned depth = vf_channel_depth(frame->header.stereo, channel, group->stream->depth);
        if (vf_subframe_open(&group->subframes[lane], &bits, frame->header.block_size, depth))
            return false;
        frame->position = bits.position;
        if (group->subframes[lane].kind == VF_PREDICTED &&
            frame->header.block_size >= VF_SMALLEST_BLOCK)
            predicted |= 1u << lane;
    }
    if (__builtin_popcount(predicted) < VF_FEWEST_LANES)
        predicted = 0;
    for (unsigned lane = 0; lane < group->count; lane++)
        if (!(predicted >> lane & 1) && !decode_alone(group, lane, channel))
            return false;
    return !predicted || decode_together(group, predicted, channel);
}

unsigned vf_group_decode(vf_group *group, vf_cursor *cursor)
{
    const vf_stream *stream = group->stream;
    vf_cursor behind;
    collect(group, cursor, &behind);
    if (group->count == 0)
        return cursor->position < stream->total ? 1 : 0;
    if (group->count < VF_FEWEST_LANES)
        return group->count;
    for (unsigned channel = 0; channel < stream->channels; channel++)
        if (!decode_channel(group, channel))
            return group->count;
    /* The frames began where they seemed to, if each ends where the next one begins. */
    for (unsigned lane = 0; lane < group->count; lane++) {
        const vf_group_frame *frame = &group->frames[lane];
        size_t length;
        if (vf_finish_frame(stream->data + frame->byte, stream->size - frame->byte,
                            frame->position - 8 * (uint64_t)frame->byte, &length))
            return group->count;
        if (frame->end == 0)
            behind.byte = frame->byte + length;
        else if (frame->byte + length != frame->end)
            return group->count;
    }
    *cursor = behind;
    return 0;
}
