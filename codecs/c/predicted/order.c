#include "predicted/order.h"

#include <stdlib.h>
#include <string.h>

#include "predicted/order_rows.h"

enum {
    ACTIVITIES = 1 << 16,
    SIDE = 2, /* zeros in front of a row of magnitudes and behind it */
    SMALL_HEIGHT = 64, /* so many rows are all looked at */
    SHIFT_SAMPLING = 8, /* every so many rows tell the shift */
};

/* What one plane is ordered with. */
typedef struct {
    const vf_order_kernel *kernel;
    const vf_residuals *from;
    vf_plane *plane;
    unsigned size;        /* bytes of a number */
    uint32_t *histogram;  /* of activities */
    uint8_t *classes;     /* of all pixels, in the order of their rows */
    uint8_t *sorted;      /* numbers, class after class, with room in between */
    void *differences;    /* e of a row */
    void *split;          /* a row, even columns first */
    uint8_t *row_classes; /* in the order of columns */
    uint16_t *activities; /* of a row */
    uint16_t *sizes[3];   /* magnitudes of a row and of those above it */
    uint16_t *reference_sizes[3]; /* of the reference's row above, this one, the one below */
} ordering;

/* --- Room --------------------------------------------------------------------------------------- */

static uint64_t rounded(uint64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static uint64_t class_bytes(uint64_t pixels)
{
    return rounded(pixels + VF_ORDER_MARGIN);
}

static uint64_t sorted_bytes(uint64_t pixels, unsigned size)
{
    return rounded((pixels + (VF_MAX_CLASSES + 1) * VF_SORT_SLACK) * size);
}

static uint64_t row_bytes(uint64_t width)
{
    return rounded((width + VF_ORDER_MARGIN + 2 * SIDE) * sizeof(int32_t));
}

enum { ROWS = 10 };

uint64_t vf_order_room(uint64_t width, uint64_t height, unsigned size)
{
    return ACTIVITIES * sizeof(uint32_t) + class_bytes(width * height) +
           sorted_bytes(width * height, size) + ROWS * row_bytes(width);
}

static void make_room(ordering *o, uint8_t *room)
{
    const uint64_t width = o->from->width, pixels = width * o->from->height;
    o->histogram = (uint32_t *)(void *)room;
    o->classes = room + ACTIVITIES * sizeof *o->histogram;
    o->sorted = o->classes + class_bytes(pixels);
    uint8_t *row = o->sorted + sorted_bytes(pixels, o->size);
    memset(row, 0, ROWS * row_bytes(width));
    for (unsigned i = 0; i < 3; i++) {
        o->sizes[i] = (uint16_t *)(void *)(row + i * row_bytes(width)) + SIDE;
        o->reference_sizes[i] = (uint16_t *)(void *)(row + (3 + i) * row_bytes(width)) + SIDE;
    }
    o->differences = row + 6 * row_bytes(width);
    o->split = row + 7 * row_bytes(width);
    o->row_classes = row + 8 * row_bytes(width);
    o->activities = (uint16_t *)(void *)(row + 9 * row_bytes(width));
}

/* --- Rows --------------------------------------------------------------------------------------- */

static const void *row_of(const ordering *o, const void *plane, size_t y)
{
    return (const uint8_t *)plane + (ptrdiff_t)y * o->from->pitch * (ptrdiff_t)o->size;
}

/* What is coded of a row. */
static const void *coded_row(const ordering *o, size_t y)
{
    const vf_residuals *from = o->from;
    const void *row = row_of(o, from->residuals, y);
    if (!from->reference)
        return row;
    from->search->refer(row, row_of(o, from->reference, y), o->plane->alpha, from->width,
                        o->differences);
    return o->differences;
}

static void find_sizes(const ordering *o, size_t y, uint16_t *out)
{
    if (y < o->from->height)
        o->kernel->magnitudes(coded_row(o, y), o->from->width, o->plane->shift, out);
    else
        memset(out, 0, o->from->width * sizeof *out);
}

static void find_reference_sizes(const ordering *o, size_t y, uint16_t *out)
{
    if (y < o->from->height)
        o->kernel->magnitudes(row_of(o, o->from->reference, y), o->from->width,
                              o->from->reference_shift, out);
    else
        memset(out, 0, o->from->width * sizeof *out);
}

/* Find the magnitudes of the rows above row y, which comes next. */
static void go_to_row(const ordering *o, size_t y)
{
    find_sizes(o, y - 1, o->sizes[1]); /* row -1 is beyond all others */
    find_sizes(o, y - 2, o->sizes[2]);
    if (o->plane->weighs) {
        find_reference_sizes(o, y - 1, o->reference_sizes[0]);
        find_reference_sizes(o, y, o->reference_sizes[1]);
    }
}

/* Find the activities of row y. Returns what is coded of it. */
static const void *enter_row(const ordering *o, size_t y)
{
    const void *row = coded_row(o, y);
    o->kernel->magnitudes(row, o->from->width, o->plane->shift, o->sizes[0]);
    vf_sizes sizes = {o->sizes[0], o->sizes[1], o->sizes[2], {NULL}};
    if (o->plane->weighs) {
        find_reference_sizes(o, y + 1, o->reference_sizes[2]);
        memcpy(sizes.reference, o->reference_sizes, sizeof sizes.reference);
    }
    o->kernel->activities(&sizes, o->plane->even_odd, o->from->width, o->activities);
    return row;
}

static void leave_row(ordering *o)
{
    uint16_t *last = o->sizes[2], *first = o->reference_sizes[0];
    o->sizes[2] = o->sizes[1];
    o->sizes[1] = o->sizes[0];
    o->sizes[0] = last;
    o->reference_sizes[0] = o->reference_sizes[1];
    o->reference_sizes[1] = o->reference_sizes[2];
    o->reference_sizes[2] = first;
}

/* --- Classes ------------------------------------------------------------------------------------ */

/* The shift that brings the mean magnitude to 120 at most. */
static unsigned choose_shift(const ordering *o)
{
    uint64_t sum = 0, count = 0;
    const size_t height = o->from->height;
    for (size_t y = 0; y < height; y += height > SMALL_HEIGHT ? SHIFT_SAMPLING : 1) {
        sum += o->kernel->sum(coded_row(o, y), o->from->width);
        count += o->from->width;
    }
    unsigned shift = 0;
    while (shift < VF_MAX_SHIFT && sum / count >> shift > 120)
        shift++;
    return shift;
}

/* Count activities. Returns how many are above 0; *most: none is larger. */
static uint64_t count_activities(ordering *o, unsigned sampling, uint32_t *most)
{
    enum { QUIET = 16 }; /* pixels that are looked at together, as they are often all 0 */
    const size_t width = o->from->width, height = o->from->height;
    uint32_t *histogram = o->histogram;
    uint64_t active = 0;
    memset(histogram, 0, ACTIVITIES * sizeof *histogram);
    *most = 0;
    sampling = height > SMALL_HEIGHT ? sampling : 1;
    for (size_t y = sampling / 2; y < height; y += sampling) {
        if (y == sampling / 2 || sampling > 1)
            go_to_row(o, y);
        enter_row(o, y);
        if (sampling == 1)
            leave_row(o);
        for (size_t x = 0; x < width; x += QUIET) {
            const uint16_t *some = o->activities + x;
            const size_t count = width - x < QUIET ? width - x : QUIET;
            uint16_t largest = 0;
            for (size_t i = 0; i < count; i++)
                largest = some[i] > largest ? some[i] : largest;
            if (!largest) {
                histogram[0] += (uint32_t)count;
                continue;
            }
            *most = largest > *most ? largest : *most;
            active += count;
            for (size_t i = 0; i < count; i++) {
                histogram[some[i]]++;
                active -= some[i] == 0;
            }
        }
    }
    return active;
}

/* Thresholds at 1 and at the quantiles of the activities above 0. */
static void choose_thresholds(ordering *o, vf_order_effort effort)
{
    vf_plane *plane = o->plane;
    uint32_t most;
    const uint64_t active = count_activities(o, effort.sampling, &most);
    plane->classes = 1;
    if (!active)
        return;
    plane->thresholds[plane->classes++] = 1;
    const uint64_t parts = effort.classes - 1;
    uint64_t part = 1, seen = 0;
    for (uint32_t i = 1; i <= most && i < UINT16_MAX && part < parts; i++) {
        seen += o->histogram[i];
        if (seen * parts < active * part)
            continue;
        if (i + 1 > plane->thresholds[plane->classes - 1])
            plane->thresholds[plane->classes++] = (uint16_t)(i + 1);
        while (seen * parts >= active * part)
            part++;
    }
    /* Hardly any pixel is quiet: the first two classes are one. */
    if (plane->classes > 2 && (uint64_t)o->histogram[0] * 200 < active) {
        plane->classes--;
        memmove(plane->thresholds + 1, plane->thresholds + 2,
                (plane->classes - 1) * sizeof *plane->thresholds);
    }
}

/* The class of each pixel, and counts[k] of class k. */
static void find_classes(ordering *o, uint64_t counts[VF_MAX_CLASSES])
{
    const size_t width = o->from->width;
    memset(counts, 0, VF_MAX_CLASSES * sizeof *counts);
    go_to_row(o, 0);
    for (size_t y = 0; y < o->from->height; y++) {
        uint8_t *classes = o->classes + y * width;
        enter_row(o, y);
        leave_row(o);
        o->kernel->classify(o->activities, o->plane, width,
                            o->plane->even_odd ? o->row_classes : classes, counts);
        if (o->plane->even_odd)
            o->kernel->split_classes(o->row_classes, width, classes);
    }
    for (unsigned k = 1; k < o->plane->classes; k++)
        counts[k - 1] -= counts[k];
}

/* The numbers of all classes: those of class k from starts[k] on. */
static void sort_numbers(const ordering *o, const uint64_t counts[VF_MAX_CLASSES],
                         void *starts[VF_MAX_CLASSES])
{
    const size_t width = o->from->width;
    void *next[VF_MAX_CLASSES];
    uint8_t *start = o->sorted;
    for (unsigned k = 0; k < o->plane->classes; k++) {
        starts[k] = next[k] = start;
        start += (counts[k] + VF_SORT_SLACK) * o->size;
    }
    for (size_t y = 0; y < o->from->height; y++) {
        const void *row = coded_row(o, y);
        if (o->plane->even_odd) {
            o->kernel->split(row, width, o->split);
            row = o->split;
        }
        o->kernel->sort(row, o->classes + y * width, width, o->plane->classes, next);
    }
}

/* The numbers of the only class there is. */
static void copy_numbers(const ordering *o)
{
    const uint64_t bytes = (uint64_t)o->from->width * o->size;
    for (size_t y = 0; y < o->from->height; y++)
        memcpy(o->sorted + y * bytes, coded_row(o, y), bytes);
}

/* --- Numbers ------------------------------------------------------------------------------------ */

static void append_segment(const vf_order_kernel *kernel, const void *values, uint64_t count,
                           bool of_digits, vf_segment *segment, vf_numbers *numbers)
{
    numbers->count += kernel->segment(values, count, of_digits,
                                      numbers->items + numbers->count * numbers->size, segment);
}

void vf_order_plane(const vf_residuals *from, vf_order_effort effort, vf_plane *plane, void *room,
                    vf_numbers *numbers)
{
    ordering o = {.kernel = vf_order_kernel_of_cpu(from->search->depth), .from = from,
                  .plane = plane, .size = from->search->depth / 8};
    uint64_t counts[VF_MAX_CLASSES] = {(uint64_t)from->width * from->height};
    void *starts[VF_MAX_CLASSES];
    make_room(&o, room);
    plane->shift = choose_shift(&o);
    plane->even_odd = effort.even_odd;
    plane->classes = 1;
    if (effort.classes > 1)
        choose_thresholds(&o, effort);
    if (plane->classes > 1) {
        find_classes(&o, counts);
        sort_numbers(&o, counts, starts);
    } else {
        plane->even_odd = false;
        copy_numbers(&o);
        starts[0] = o.sorted;
    }
    for (unsigned k = 0; k < plane->classes; k++)
        append_segment(o.kernel, starts[k], counts[k], false, &plane->segments[k], numbers);
}

vf_status vf_append_digit(const uint64_t *gaps, uint64_t count, unsigned place,
                          vf_segment *segment, vf_numbers *numbers)
{
    uint8_t *digits = malloc((count ? count : 1) * numbers->size);
    if (!digits)
        return VF_NO_MEMORY;
    for (uint64_t i = 0; i < count; i++) {
        const int32_t digit = vf_unfold(gaps[i] >> 16 * place & UINT16_MAX);
        const int16_t narrow = (int16_t)digit;
        if (numbers->size == sizeof narrow)
            memcpy(digits + i * sizeof narrow, &narrow, sizeof narrow);
        else
            memcpy(digits + i * sizeof digit, &digit, sizeof digit);
    }
    append_segment(vf_order_kernel_of_cpu(8 * numbers->size), digits, count, true, segment,
                   numbers);
    free(digits);
    return VF_OK;
}
