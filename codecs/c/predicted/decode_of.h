/* The planes of predicted/decode.c for one type of numbers: NUMBER and NAME(x). Included once for each. */

/* The numbers of one class, handed out in turn. Those of a segment in runs form are written out some rows
   ahead. */
typedef struct {
    const NUMBER *next; /* ready numbers; behind them VF_MARGIN may be read, whatever they are */
    uint64_t ready;
    const NUMBER *runs, *runs_end, *nonzeros;
    uint64_t zeros;    /* of the run under way */
    bool nonzero_next; /* a number that is not 0 follows them */
    bool wrong;        /* more non-zeros than the description says, or fewer */
    const NUMBER *nonzeros_end;
    NUMBER *written; /* NULL: not in runs form */
} NAME(class_numbers);

/* Take the next run length. */
static void NAME(next_run)(NAME(class_numbers) *class)
{
    uint32_t length = vf_fold(*class->runs++) & UINT16_MAX;
    class->zeros += length;
    class->nonzero_next = length < VF_LONG_RUN;
}

/* Write out until `room` numbers are ready. */
static void NAME(write_out)(NAME(class_numbers) *class, size_t room)
{
    memmove(class->written, class->next, class->ready * sizeof(NUMBER));
    NUMBER *out = class->written + class->ready, *const end = class->written + room;
    class->next = class->written;
    class->ready = room;
    while (out < end) {
        if (class->zeros == 0 && !class->nonzero_next) {
            if (class->runs == class->runs_end) { /* zeros for ever */
                memset(out, 0, (size_t)(end - out) * sizeof *out);
                return;
            }
            NAME(next_run)(class);
        }
        uint64_t left = (uint64_t)(end - out), zeros = class->zeros < left ? class->zeros : left;
        memset(out, 0, zeros * sizeof *out);
        out += zeros;
        class->zeros -= zeros;
        if (class->zeros == 0 && class->nonzero_next && out < end) {
            class->nonzero_next = false;
            if (class->nonzeros == class->nonzeros_end) {
                class->wrong = true;
                *out++ = 0;
            } else {
                NUMBER number = *class->nonzeros++;
                class->wrong |= number == NUMBER_MAX;
                *out++ = (NUMBER)(number + (number >= 0 && number != NUMBER_MAX));
            }
        }
    }
}

/* Whether a class ended where its numbers do. */
static bool NAME(has_ended)(const NAME(class_numbers) *class)
{
    if (!class->written)
        return class->ready == 0;
    for (uint64_t i = 0; i < class->ready; i++)
        if (class->next[i])
            return false;
    /* A long run may reach behind the last pixel; a non-zero may not. */
    bool pending = class->nonzero_next;
    return !class->wrong && !pending && class->runs == class->runs_end &&
           class->nonzeros == class->nonzeros_end;
}

/* What the planes of a tile are decoded with. */
typedef struct {
    const vf_predicted *tile;
    const vf_row_kernel *kernel;
    ptrdiff_t pitch;       /* of rows of numbers */
    ptrdiff_t row_of_sizes; /* of rows of magnitudes */
    NUMBER **kept;         /* residuals of planes that others refer to, else NULL */
    void *memory;          /* of all that follows */
    NUMBER *strip;         /* residuals of a strip */
    NUMBER *values;        /* row 0 of a strip; two more rows in front of it */
    NUMBER *written;       /* for the classes in runs form: `room` each */
    size_t room;
    unsigned quiet; /* rows without a magnitude that is not 0, up to the last one sorted */
    uint16_t *sizes[3], *reference_sizes[3], *scratch[3]; /* rows of magnitudes */
    int32_t *wide_scratch[2];
} NAME(work);

static const NUMBER *NAME(start_classes)(NAME(work) *work, const vf_plane *plane,
                                         const NUMBER *numbers, NAME(class_numbers) *classes)
{
    for (unsigned i = 0; i < plane->classes; i++) {
        const vf_segment *segment = &plane->segments[i];
        NAME(class_numbers) *class = &classes[i];
        *class = (NAME(class_numbers)){.next = numbers, .ready = segment->count};
        if (segment->runs) {
            class->runs = numbers;
            class->runs_end = class->nonzeros = numbers + segment->count;
            class->nonzeros_end = class->nonzeros + segment->nonzeros;
            class->next = class->written = work->written + i * (work->room + VF_MARGIN);
            class->ready = 0;
        }
        numbers += segment->count + segment->nonzeros;
    }
    return numbers;
}

/* One row of e, with what the kernel needs. */
static bool NAME(sort_row)(NAME(work) *work, const vf_plane *plane, NAME(class_numbers) *classes,
                           const uint16_t *const reference[3], NUMBER *e)
{
    const size_t width = work->tile->width;
    const NUMBER *next[VF_MAX_CLASSES];
    for (unsigned i = 0; i < plane->classes; i++) {
        if (classes[i].written && classes[i].ready < width)
            NAME(write_out)(&classes[i], work->room);
        next[i] = classes[i].next;
    }
    const vf_row row = {.plane = plane, .width = width, .above = work->sizes[1],
                        .higher = work->sizes[2], .magnitudes = work->sizes[0],
                        .reference = {reference[0], reference[1], reference[2]},
                        .scratch = {work->scratch[0], work->scratch[1], work->scratch[2]}};
    const bool any = work->kernel->NAME(sort)(&row, next, e);
    memset(work->sizes[0] - 8, 0, 8 * sizeof(uint16_t));
    memset(work->sizes[0] + width, 0, VF_MARGIN * sizeof(uint16_t));
    for (unsigned i = 0; i < plane->classes; i++) {
        uint64_t taken = (uint64_t)(next[i] - classes[i].next);
        if (taken > classes[i].ready)
            return false;
        classes[i].next = next[i];
        classes[i].ready -= taken;
    }
    rotate(work->sizes);
    work->quiet = any ? 0 : work->quiet + 1;
    return true;
}

/* r = e + what the reference says of it. */
static void NAME(add_reference)(NUMBER *restrict e, const NUMBER *restrict reference, int32_t alpha,
                                size_t width)
{
    for (size_t x = 0; x < width; x++)
        e[x] = (NUMBER)((UNSIGNED)e[x] + (UNSIGNED)(((SUM)alpha * reference[x] + 128) >> 8));
}

/* Magnitudes of a row of the reference, of one outside the plane: 0. */
static void NAME(reference_row)(NAME(work) *work, const vf_plane *plane, uint64_t y, uint16_t *out)
{
    const size_t width = work->tile->width;
    if (y >= work->tile->height)
        memset(out, 0, width * sizeof *out);
    else
        NAME(vf_magnitudes)(work->kept[plane->reference] + (ptrdiff_t)y * work->pitch, width,
                            work->tile->planes[plane->reference].shift, out);
}

/* Residuals of the rows from `first` on. */
static bool NAME(residual_rows)(NAME(work) *work, const vf_plane *plane,
                                NAME(class_numbers) *classes, uint64_t first, unsigned rows,
                                NUMBER *residuals)
{
    uint16_t **q = work->reference_sizes;
    for (unsigned i = 0; i < rows; i++) {
        const uint64_t y = first + i;
        NUMBER *r = residuals + (ptrdiff_t)i * work->pitch;
        if (plane->weighs) {
            if (y == 0) {
                memset(q[1], 0, work->tile->width * sizeof *q[1]);
                NAME(reference_row)(work, plane, 0, q[0]);
            }
            rotate(q); /* q[1] is this row now, q[2] the one above */
            NAME(reference_row)(work, plane, y + 1, q[0]);
        }
        const uint16_t *const reference[3] = {q[2], q[1], q[0]};
        if (!NAME(sort_row)(work, plane, classes, reference, r))
            return false;
        if (plane->reference >= 0)
            NAME(add_reference)(r, work->kept[plane->reference] + (ptrdiff_t)y * work->pitch,
                                plane->alpha, work->tile->width);
    }
    return true;
}

static void NAME(first_row)(const NUMBER *r, NUMBER *v, size_t width, int64_t origin)
{
    UNSIGNED value = (UNSIGNED)origin;
    for (size_t x = 0; x < width; x++)
        v[x] = (NUMBER)(value = (UNSIGNED)(value + (UNSIGNED)r[x]));
}

/* The values of a strip. What needs no order of columns is done here. */
static void NAME(predict_strip)(NAME(work) *work, const vf_plane *plane, const NUMBER *residuals,
                                unsigned rows, bool second)
{
    const vf_strip strip = {.plane = plane, .pitch = work->pitch, .width = work->tile->width,
                            .rows = rows, .second = second,
                            .scratch = {work->wide_scratch[0], work->wide_scratch[1]}};
    if (!is_north(plane)) {
        work->kernel->NAME(predict)(&strip, residuals, work->values);
        return;
    }
    for (unsigned y = 0; y < rows; y++) {
        NUMBER *restrict v = work->values + (ptrdiff_t)y * work->pitch;
        const NUMBER *restrict r = residuals + (ptrdiff_t)y * work->pitch;
        const NUMBER *restrict north = v - work->pitch;
        for (size_t x = 0; x < strip.width; x++)
            v[x] = (NUMBER)((UNSIGNED)north[x] + (UNSIGNED)r[x]);
    }
}

/* What becomes of the values of a plane, row by row. */
typedef struct {
    const vf_pixels *pixels;
    uint8_t *first;       /* first pixel; NULL: not wanted */
    ptrdiff_t row_stride;
    NUMBER *high;         /* values of the first of two planes, row after row; NULL: one plane */
    bool to_high;         /* this is the first of two */
} NAME(target);

static bool NAME(put_rows)(const NAME(work) *work, const NAME(target) *target, uint64_t first,
                           unsigned rows)
{
    const size_t width = work->tile->width;
    for (unsigned i = 0; i < rows; i++) {
        const NUMBER *v = work->values + (ptrdiff_t)i * work->pitch;
        const uint64_t y = first + i;
        NUMBER *high = target->high ? target->high + y * width : NULL;
        if (target->to_high)
            memcpy(high, v, width * sizeof *v);
        else if (!NAME(vf_pixels_row)(target->pixels, high, v, width,
                                      target->first + (ptrdiff_t)y * target->row_stride))
            return false;
    }
    return true;
}

/* Decode a plane, whose numbers begin at *numbers, and move them on. A plane that nobody needs is stepped
   over. */
static vf_status NAME(decode_plane)(NAME(work) *work, uint32_t number, const NUMBER **numbers,
                                    const NAME(target) *target)
{
    const vf_predicted *tile = work->tile;
    const vf_plane *plane = &tile->planes[number];
    const size_t width = tile->width;
    NUMBER *kept = work->kept[number];
    const bool wanted = target->first || target->to_high;
    NAME(class_numbers) classes[VF_MAX_CLASSES];
    *numbers = NAME(start_classes)(work, plane, *numbers, classes);
    if (!wanted && !kept)
        return VF_OK;
    for (unsigned i = 1; i < 3; i++)
        memset(work->sizes[i], 0, width * sizeof *work->sizes[i]);
    uint64_t y = 0;
    while (y < tile->height) {
        /* Row 0 is predicted from itself; the others in strips. */
        const uint64_t left = tile->height - y, most = y ? VF_STRIP : 1;
        const unsigned rows = (unsigned)(left < most ? left : most);
        NUMBER *r = kept ? kept + (ptrdiff_t)y * work->pitch : work->strip;
        if (!NAME(residual_rows)(work, plane, classes, y, rows, r))
            return VF_BAD_NUMBERS;
        if (wanted) {
            if (y == 0)
                NAME(first_row)(r, work->values, width, plane->origin);
            else
                NAME(predict_strip)(work, plane, r, rows, y == 1);
            if (!NAME(put_rows)(work, target, y, rows))
                return VF_SAMPLE_OUT_OF_RANGE;
            /* The last two rows stand above the next strip. */
            if (rows > 1)
                memcpy(work->values - 2 * work->pitch,
                       work->values + (ptrdiff_t)(rows - 2) * work->pitch, width * sizeof *r);
            memcpy(work->values - work->pitch,
                   work->values + (ptrdiff_t)(rows - 1) * work->pitch, width * sizeof *r);
        }
        y += rows;
    }
    for (unsigned i = 0; i < plane->classes; i++)
        if (!NAME(has_ended)(&classes[i]))
            return VF_BAD_NUMBERS;
    return VF_OK;
}

/* The digits of a band's ranks, unfolded; NULL where there are none. */
static vf_status NAME(read_digits)(const vf_band *band, const NUMBER **numbers, uint16_t **result)
{
    const uint64_t gaps = band->entries - 1;
    *result = NULL;
    if (!band->digit_count)
        return VF_OK;
    uint16_t *digits = calloc(band->digit_count * gaps, sizeof *digits);
    if (!digits)
        return VF_NO_MEMORY;
    *result = digits;
    for (unsigned place = 0; place < band->digit_count; place++, digits += gaps) {
        const vf_segment *segment = &band->digits[place];
        const NUMBER *here = *numbers, *nonzeros = here + segment->count;
        *numbers += segment->count + segment->nonzeros;
        uint64_t at = 0;
        if (!segment->runs) {
            if (segment->count != gaps)
                return VF_BAD_NUMBERS;
            for (; at < gaps; at++)
                digits[at] = (uint16_t)vf_fold(here[at]);
            continue;
        }
        for (uint64_t i = 0; i < segment->count; i++) {
            const uint32_t length = vf_fold(here[i]) & UINT16_MAX;
            at += length;
            if (length == VF_LONG_RUN)
                continue;
            if (at >= gaps || nonzeros == *numbers)
                return VF_BAD_NUMBERS;
            digits[at++] = (uint16_t)(vf_fold(*nonzeros++) + 1);
        }
        if (nonzeros != *numbers)
            return VF_BAD_NUMBERS;
    }
    return VF_OK;
}

static vf_status NAME(decode_band)(NAME(work) *work, const vf_band *band, unsigned depth,
                                   const NUMBER **numbers, NAME(target) *target)
{
    uint16_t *digits;
    vf_pixels pixels = {0};
    vf_status status = NAME(read_digits)(band, numbers, &digits);
    if (status == VF_OK && target->first)
        status = vf_pixels_prepare(work->tile, band, depth, digits, &pixels);
    free(digits);
    target->pixels = &pixels;
    NUMBER *first = NULL;
    if (status == VF_OK && band->plane_count == 2 && target->first) {
        first = target->high =
            malloc(work->tile->width * work->tile->height * sizeof *target->high);
        if (!first)
            status = VF_NO_MEMORY;
    }
    for (uint32_t i = 0; i < band->plane_count && status == VF_OK; i++) {
        target->to_high = first && i == 0;
        status = NAME(decode_plane)(work, band->first_plane + i, numbers, target);
    }
    free(first);
    vf_pixels_free(&pixels);
    return status;
}

static void NAME(free_work)(NAME(work) *work)
{
    for (uint32_t i = 0; work->kept && i < work->tile->plane_count; i++)
        if (work->kept[i])
            free(work->kept[i] - VF_MARGIN);
    free(work->kept);
    free(work->memory);
}

static vf_status NAME(make_work)(NAME(work) *work)
{
    const vf_predicted *tile = work->tile;
    const size_t width = tile->width, height = tile->height;
    bool any_runs = false;
    work->kept = calloc(tile->plane_count, sizeof *work->kept);
    if (!work->kept)
        return VF_NO_MEMORY;
    work->pitch = (ptrdiff_t)(width + VF_MARGIN);
    for (uint32_t i = 0; i < tile->plane_count; i++) {
        const vf_plane *plane = &tile->planes[i];
        for (unsigned k = 0; k < plane->classes; k++)
            any_runs |= plane->segments[k].runs;
        if (plane->reference >= 0 && !work->kept[plane->reference]) {
            NUMBER *memory =
                malloc(((size_t)work->pitch * (height + VF_STRIP) + 2 * VF_MARGIN) * sizeof *memory);
            if (!memory)
                return VF_NO_MEMORY;
            work->kept[plane->reference] = memory + VF_MARGIN;
        }
    }
    work->room = width + 4096;
    const size_t pitch = (size_t)work->pitch, margin = 2 * VF_MARGIN;
    const size_t written = any_runs ? VF_MAX_CLASSES * (work->room + VF_MARGIN) : 0;
    const size_t numbers = pitch * VF_STRIP + margin + pitch * (VF_STRIP + 2) + margin + written;
    const size_t sizes = 9 * (width + margin);
    const size_t wide = 2 * (width + margin);
    const size_t room =
        wide * sizeof(int32_t) + numbers * sizeof(NUMBER) + sizes * sizeof(uint16_t);
    uint8_t *memory = work->memory = calloc(room, 1);
    if (!memory)
        return VF_NO_MEMORY;
    int32_t *wide_row = (int32_t *)(void *)memory + VF_MARGIN;
    for (unsigned i = 0; i < 2; i++, wide_row += width + margin)
        work->wide_scratch[i] = wide_row;
    NUMBER *next = (NUMBER *)(void *)((int32_t *)(void *)memory + wide);
    work->strip = next + VF_MARGIN;
    next += pitch * VF_STRIP + margin;
    work->values = next + VF_MARGIN + 2 * pitch;
    next += pitch * (VF_STRIP + 2) + margin;
    work->written = next;
    next += written;
    uint16_t *row = (uint16_t *)(void *)next + VF_MARGIN;
    for (unsigned i = 0; i < 3; i++, row += width + margin)
        work->sizes[i] = row;
    for (unsigned i = 0; i < 3; i++, row += width + margin)
        work->reference_sizes[i] = row;
    for (unsigned i = 0; i < 3; i++, row += width + margin)
        work->scratch[i] = row;
    return VF_OK;
}

static vf_status NAME(decode)(const vf_predicted *tile, const NUMBER *numbers, uint64_t total,
                              unsigned depth, const vf_raster *raster, const vf_row_kernel *kernel)
{
    NAME(work) work = {.tile = tile, .kernel = kernel};
    const NUMBER *const end = numbers + total;
    vf_status status = NAME(make_work)(&work);
    for (uint32_t i = 0; i < tile->band_count && status == VF_OK; i++) {
        NAME(target) target = {.first = raster->bands[i], .row_stride = raster->row_stride};
        status = NAME(decode_band)(&work, &tile->bands[i], depth, &numbers, &target);
    }
    NAME(free_work)(&work);
    for (; status == VF_OK && numbers < end; numbers++)
        if (*numbers)
            status = VF_BAD_NUMBERS;
    return status;
}
