#include "predicted_order.h"

#include <stdlib.h>
#include <string.h>

#include "predicted_rows.h"

enum { PARTITION = 64 };

/* --- Segments ----------------------------------------------------------------------------------- */

static vf_status make_room(vf_numbers *numbers, uint64_t more)
{
    if (numbers->count + more <= numbers->room)
        return VF_OK;
    const uint64_t room = 2 * numbers->room + more;
    int32_t *items = realloc(numbers->items, room * sizeof *items);
    if (!items)
        return VF_NO_MEMORY;
    numbers->items = items;
    numbers->room = room;
    return VF_OK;
}

/* Bits of numbers as they will be coded, nearly: Rice codes in partitions. */
static uint64_t coded_bits(const int32_t *numbers, uint64_t count)
{
    uint64_t bits = 0;
    for (uint64_t at = 0; at < count; at += PARTITION) {
        const uint64_t here = count - at < PARTITION ? count - at : PARTITION;
        uint64_t sum = 0;
        for (uint64_t i = 0; i < here; i++)
            sum += vf_fold(numbers[at + i]);
        bits += 9;
        if (sum == 0)
            continue;
        const uint64_t scaled = ((sum * 45426 >> 16) + 22) / here;
        const unsigned k = scaled ? 63u - (unsigned)__builtin_clzll(scaled) : 0;
        const uint64_t halves = here * ((UINT64_C(1) << k) - 1) / 2;
        bits += here * (k + 1) + (sum > halves ? (sum - halves) >> k : 0);
    }
    return bits;
}

/* Write values as runs of zeros and what stands between them: run lengths to out, the rest behind them.
   Returns how many numbers there are. */
static uint64_t write_runs(const int32_t *values, uint64_t count, bool of_digits, int32_t *out,
                           vf_segment *segment)
{
    uint64_t zeros = 0, nonzeros = 0, runs = 0;
    for (uint64_t i = 0; i < count; i++)
        nonzeros += values[i] != 0;
    /* The first pass counts the run lengths, so that the non-zeros have a place behind them. */
    for (uint64_t i = 0; i < count; i++) {
        if (values[i] == 0) {
            zeros++;
            continue;
        }
        runs += zeros / VF_LONG_RUN + 1;
        zeros = 0;
    }
    *segment = (vf_segment){.count = runs, .nonzeros = nonzeros, .runs = true};
    int32_t *run = out, *nonzero = out + runs;
    zeros = 0;
    for (uint64_t i = 0; i < count; i++) {
        const int32_t value = values[i];
        if (value == 0) {
            zeros++;
            continue;
        }
        for (; zeros >= VF_LONG_RUN; zeros -= VF_LONG_RUN)
            *run++ = vf_unfold(VF_LONG_RUN);
        *run++ = vf_unfold((uint32_t)zeros);
        zeros = 0;
        *nonzero++ = of_digits   ? vf_unfold(vf_fold(value) - 1)
                     : value > 0 ? value - 1
                                 : value;
    }
    return runs + nonzeros;
}

/* Append values, as they are or as runs, whichever is smaller. */
static vf_status append_segment(const int32_t *values, uint64_t count, bool of_digits,
                                vf_segment *segment, vf_numbers *numbers)
{
    uint64_t zeros = 0;
    for (uint64_t i = 0; i < count; i++)
        zeros += values[i] == 0;
    if (make_room(numbers, count + 2 * (count - zeros) + count / VF_LONG_RUN + 1) != VF_OK)
        return VF_NO_MEMORY;
    int32_t *out = numbers->items + numbers->count;
    if (zeros * 2 > count) {
        const uint64_t written = write_runs(values, count, of_digits, out, segment);
        const uint64_t bits = coded_bits(out, segment->count) +
                              coded_bits(out + segment->count, segment->nonzeros);
        if (bits < coded_bits(values, count)) {
            numbers->count += written;
            return VF_OK;
        }
    }
    *segment = (vf_segment){.count = count};
    memcpy(out, values, count * sizeof *out);
    numbers->count += count;
    return VF_OK;
}

vf_status vf_append_digit(const uint64_t *gaps, uint64_t count, unsigned place,
                          vf_segment *segment, vf_numbers *numbers)
{
    int32_t *digits = malloc((count ? count : 1) * sizeof *digits);
    if (!digits)
        return VF_NO_MEMORY;
    for (uint64_t i = 0; i < count; i++)
        digits[i] = vf_unfold(gaps[i] >> 16 * place & UINT16_MAX);
    vf_status status = append_segment(digits, count, true, segment, numbers);
    free(digits);
    return status;
}

/* --- Classes ------------------------------------------------------------------------------------ */

/* What one plane is ordered with. Rows of magnitudes have zeros beside them. */
typedef struct {
    const vf_residuals *from;
    vf_plane *plane;
    uint16_t *activity; /* of all pixels */
    uint16_t *sizes[3], *reference_sizes[3];
    void *memory;
} ordering;

/* The shift that brings the mean magnitude to 120 at most. */
static unsigned choose_shift(const vf_residuals *from)
{
    uint64_t sum = 0, count = 0;
    for (size_t y = 0; y < from->height; y += from->height > 64 ? 8 : 1) {
        const int32_t *row = from->residuals + (ptrdiff_t)y * from->pitch;
        for (size_t x = 0; x < from->width; x++)
            sum += vf_fold(row[x]) / 2;
        count += from->width;
    }
    unsigned shift = 0;
    while (shift < VF_MAX_SHIFT && sum / count >> shift > 120)
        shift++;
    return shift;
}

static void rotate(uint16_t *rows[3])
{
    uint16_t *last = rows[2];
    rows[2] = rows[1];
    rows[1] = rows[0];
    rows[0] = last;
}

/* The activities of all pixels. Their own row's neighbours count where even columns come first. */
static void find_activities(ordering *o)
{
    const vf_residuals *from = o->from;
    const size_t width = from->width;
    uint16_t **q = o->reference_sizes;
    for (size_t y = 0; y < from->height; y++) {
        uint16_t *activity = o->activity + y * width;
        if (from->reference) {
            const int32_t *below = from->reference + (ptrdiff_t)(y + 1) * from->pitch;
            if (y == 0)
                vf_magnitudes32(from->reference, width, from->reference_shift, q[0]);
            rotate(q);
            if (y + 1 < from->height)
                vf_magnitudes32(below, width, from->reference_shift, q[0]);
            else
                memset(q[0], 0, width * sizeof *q[0]);
        }
        const vf_row row = {.plane = o->plane, .width = width, .above = o->sizes[1],
                            .higher = o->sizes[2], .reference = {q[2], q[1], q[0]},
                            .scratch = {activity}};
        vf_activity(&row);
        uint16_t *m = o->sizes[0];
        vf_magnitudes32(from->residuals + (ptrdiff_t)y * from->pitch, width, o->plane->shift, m);
        if (o->plane->even_odd) {
            for (size_t x = 0; x < width; x += 2)
                activity[x] = (uint16_t)(2 * activity[x]);
            for (size_t x = 1; x < width; x += 2)
                activity[x] = (uint16_t)(activity[x] + 5 * (m[x - 1] + m[x + 1]));
        }
        rotate(o->sizes);
    }
}

/* Thresholds at 1 and at the quantiles of the activities above 0. */
static void choose_thresholds(const ordering *o, vf_order_effort effort)
{
    const uint64_t pixels = (uint64_t)o->from->width * o->from->height;
    vf_plane *plane = o->plane;
    uint32_t histogram[1 << 16] = {0};
    uint64_t active = 0, seen = 0;
    for (uint64_t i = 0; i < pixels; i += effort.sampling)
        histogram[o->activity[i]]++;
    for (uint32_t i = 1; i < 1 << 16; i++)
        active += histogram[i];
    plane->classes = 1;
    if (!active || effort.classes == 1)
        return;
    plane->thresholds[plane->classes++] = 1;
    const uint64_t parts = effort.classes - 1;
    uint64_t part = 1;
    for (uint32_t i = 1; i < UINT16_MAX && part < parts; i++) {
        seen += histogram[i];
        if (seen * parts < active * part)
            continue;
        if (i + 1 > plane->thresholds[plane->classes - 1])
            plane->thresholds[plane->classes++] = (uint16_t)(i + 1);
        while (seen * parts >= active * part)
            part++;
    }
    /* Hardly any pixel is quiet: the first two classes are one. */
    if (plane->classes > 2 && (uint64_t)histogram[0] * 200 < active) {
        plane->classes--;
        memmove(plane->thresholds + 1, plane->thresholds + 2,
                (plane->classes - 1) * sizeof *plane->thresholds);
    }
}

/* The numbers of all classes, one behind the other: counts[i] of class i. */
static vf_status sort_numbers(const ordering *o, int32_t *sorted, uint64_t counts[VF_MAX_CLASSES])
{
    const vf_residuals *from = o->from;
    const vf_plane *plane = o->plane;
    const size_t width = from->width;
    const uint64_t pixels = (uint64_t)width * from->height;
    uint8_t *class_of = calloc(pixels, 1);
    if (!class_of)
        return VF_NO_MEMORY;
    counts[0] = pixels;
    for (unsigned k = 1; k < plane->classes; k++) {
        const uint16_t threshold = plane->thresholds[k];
        counts[k] = 0;
        for (size_t y = 0; y < from->height; y++) {
            const uint16_t *restrict activity = o->activity + y * width;
            uint8_t *restrict class = class_of + y * width;
            uint32_t met = 0;
            for (size_t x = 0; x < width; x++) {
                const uint8_t here = activity[x] >= threshold;
                class[x] = (uint8_t)(class[x] + here);
                met += here;
            }
            counts[k] += met;
        }
        counts[k - 1] -= counts[k];
    }
    int32_t *next[VF_MAX_CLASSES] = {sorted};
    for (unsigned k = 1; k < plane->classes; k++)
        next[k] = next[k - 1] + counts[k - 1];
    const size_t step = plane->even_odd ? 2 : 1;
    for (size_t y = 0; y < from->height; y++) {
        const int32_t *row = from->residuals + (ptrdiff_t)y * from->pitch;
        const uint8_t *class = class_of + y * width;
        for (size_t phase = 0; phase < step; phase++)
            for (size_t x = phase; x < width; x += step)
                *next[class[x]]++ = row[x];
    }
    free(class_of);
    return VF_OK;
}

vf_status vf_order_plane(const vf_residuals *from, vf_order_effort effort, vf_plane *plane,
                         vf_numbers *numbers)
{
    const uint64_t pixels = (uint64_t)from->width * from->height;
    const size_t pitch = from->width + 2 * VF_MARGIN;
    ordering o = {.from = from, .plane = plane};
    uint16_t *memory = o.memory = calloc(6 * pitch, sizeof *memory);
    o.activity = malloc(pixels * sizeof *o.activity);
    int32_t *sorted = malloc(pixels * sizeof *sorted);
    vf_status status = memory && o.activity && sorted ? VF_OK : VF_NO_MEMORY;
    if (status == VF_OK) {
        for (unsigned i = 0; i < 3; i++) {
            o.sizes[i] = memory + i * pitch + VF_MARGIN;
            o.reference_sizes[i] = memory + (3 + i) * pitch + VF_MARGIN;
        }
        plane->shift = choose_shift(from);
        plane->even_odd = effort.even_odd;
        if (effort.classes > 1) {
            find_activities(&o);
            choose_thresholds(&o, effort);
        } else {
            plane->classes = 1;
        }
        if (plane->classes == 1)
            plane->even_odd = false;
        uint64_t counts[VF_MAX_CLASSES];
        status = sort_numbers(&o, sorted, counts);
        const int32_t *next = sorted;
        for (unsigned k = 0; status == VF_OK && k < plane->classes; next += counts[k], k++)
            status = append_segment(next, counts[k], false, &plane->segments[k], numbers);
    }
    free(memory);
    free(o.activity);
    free(sorted);
    return status;
}
