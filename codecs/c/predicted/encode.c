#include "predicted/encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "predicted/search.h"

enum {
    MOST_REFERENCES = 8, /* planes looked at, the last ones */
    SAMPLED_FROM = 5,    /* the first row that is looked at where not all are */
    EARLY_STEP = 2,      /* of as many of those, early rounds of fitting look at one */
};

/* What an effort does. */
typedef struct {
    unsigned row_step; /* every so many rows are looked at */
    unsigned rounds;   /* of fitting taps */
    vf_order_effort order;
} effort_plan;

static effort_plan plan_of(unsigned effort)
{
    if (effort <= 1)
        return (effort_plan){8, 2, {1, false, 4}};
    if (effort <= 3)
        return (effort_plan){8, 3, {4, false, 4}};
    if (effort <= 6)
        return (effort_plan){8, 3, {6, true, 4}};
    return (effort_plan){1, 4, {8, true, 1}};
}

/* A tile on its way. */
typedef struct {
    vf_predicted *tile;
    const vf_search_kernel *search;
    effort_plan plan;
    size_t size; /* bytes of a number */
    size_t first_row, row_step; /* rows that are looked at */
    vf_field values;            /* of the plane at hand, which become its residuals */
    void *row;                  /* to work with */
    void **planes;              /* residuals of the planes before */
    void *order_room;
} encoding;

/* --- Planes of numbers -------------------------------------------------------------------------- */

static void *row_of(const encoding *e, void *plane, size_t y)
{
    return (uint8_t *)plane + (ptrdiff_t)y * e->values.pitch * (ptrdiff_t)e->size;
}

/* Fill what stands beside the rows. */
#define FILL_SIDES(NUMBER)                                                                         \
    for (size_t y = 0; y < e->values.height; y++) {                                                \
        NUMBER *row = row_of(e, e->values.first, y);                                               \
        row[-2] = row[-1] = y ? row[-e->values.pitch] : row[0];                                    \
        row[e->values.width] = row[e->values.width - 1];                                           \
    }
static void fill_sides(const encoding *e)
{
    if (e->size == sizeof(int16_t)) {
        FILL_SIDES(int16_t)
    } else {
        FILL_SIDES(int32_t)
    }
}

static int64_t first_value(const encoding *e)
{
    return e->size == sizeof(int16_t) ? *(int16_t *)e->values.first : *(int32_t *)e->values.first;
}

/* --- Prediction --------------------------------------------------------------------------------- */

/* Solve five equations; false when they say nothing. */
static bool solve(double m[VF_UNKNOWNS][VF_UNKNOWNS + 1], float result[VF_UNKNOWNS])
{
    for (unsigned j = 0; j < VF_UNKNOWNS; j++) {
        unsigned pivot = j;
        for (unsigned k = j + 1; k < VF_UNKNOWNS; k++)
            if (fabs(m[k][j]) > fabs(m[pivot][j]))
                pivot = k;
        if (fabs(m[pivot][j]) < 1e-12)
            return false;
        for (unsigned k = 0; k <= VF_UNKNOWNS; k++) {
            const double t = m[j][k];
            m[j][k] = m[pivot][k];
            m[pivot][k] = t;
        }
        for (unsigned k = 0; k < VF_UNKNOWNS; k++) {
            const double factor = k == j ? 0 : m[k][j] / m[j][j];
            for (unsigned i = j; factor != 0 && i <= VF_UNKNOWNS; i++)
                m[k][i] = m[k][i] - factor * m[j][i];
        }
    }
    for (unsigned j = 0; j < VF_UNKNOWNS; j++) {
        const double value = m[j][VF_UNKNOWNS] / m[j][j];
        if (!(fabs(value) < 4))
            return false;
        result[j] = (float)value;
    }
    return true;
}

/* Fit the taps of a plane to its pixels, by least squares that are weighed by one over the error, which
   makes them least absolute values. */
static bool fit_taps(const encoding *e, vf_plane *plane)
{
    float taps[VF_UNKNOWNS];
    if (e->values.height < 5 || e->values.width < VF_SUM_LANES)
        return false;
    for (unsigned round = 0; round < e->plan.rounds; round++) {
        double sums[VF_FIT_SUMS][VF_SUM_LANES] = {{0}}, m[VF_UNKNOWNS][VF_UNKNOWNS + 1];
        /* The last round decides; those before it need not be exact. */
        const size_t step = round + 1 < e->plan.rounds ? EARLY_STEP * e->row_step : e->row_step;
        for (size_t y = 2; y < e->values.height; y += step)
            e->search->fit(&e->values, y, round ? taps : NULL, sums);
        double totals[VF_FIT_SUMS] = {0};
        for (unsigned k = 0; k < VF_FIT_SUMS; k++)
            for (unsigned i = 0; i < VF_SUM_LANES; i++)
                totals[k] += sums[k][i];
        unsigned sum = 0;
        for (unsigned a = 0; a < VF_UNKNOWNS; a++)
            for (unsigned b = a; b < VF_UNKNOWNS; b++)
                m[a][b] = m[b][a] = totals[sum++];
        for (unsigned a = 0; a < VF_UNKNOWNS; a++) {
            m[a][a] = m[a][a] * (1 + 1e-6) + 1e-3; /* never singular */
            m[a][VF_UNKNOWNS] = totals[sum++];
        }
        if (!solve(m, taps))
            return false;
    }
    static const uint8_t ORDER[VF_UNKNOWNS] = {VF_TAP_W, VF_TAP_NW, VF_TAP_NE, VF_TAP_WW, VF_TAP_NN};
    int32_t rest = 256;
    for (unsigned k = 0; k < VF_UNKNOWNS; k++) {
        plane->taps[ORDER[k]] = (int32_t)lrintf(taps[k] * 256);
        if (plane->taps[ORDER[k]] < -VF_MAX_TAP || plane->taps[ORDER[k]] > VF_MAX_TAP)
            return false;
        rest -= plane->taps[ORDER[k]];
    }
    plane->taps[VF_TAP_N] = rest;
    plane->linear = true;
    return rest >= -VF_MAX_TAP && rest <= VF_MAX_TAP;
}

/* What a prediction costs, in the rows that are looked at. */
static uint64_t prediction_cost(const encoding *e, const vf_plane *plane)
{
    uint64_t bits = 0;
    for (size_t y = e->first_row; y < e->values.height; y += e->row_step) {
        e->search->residuals(&e->values, plane, y, e->row);
        bits += e->search->cost(e->row, e->values.width);
    }
    return bits;
}

static void use_prediction(vf_plane *plane, const vf_plane *other)
{
    plane->linear = other->linear;
    memcpy(plane->taps, other->taps, sizeof plane->taps);
}

/* Choose among N, W, the median, and fitted taps. Returns the cost. */
static uint64_t choose_prediction(const encoding *e, vf_plane *plane)
{
    vf_plane candidates[4] = {{.linear = true, .taps = {[VF_TAP_N] = 256}},
                              {.linear = true, .taps = {[VF_TAP_W] = 256}},
                              {.linear = false}};
    const unsigned count = fit_taps(e, &candidates[3]) ? 4 : 3;
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < count; i++) {
        candidates[i].origin = plane->origin;
        const uint64_t bits = prediction_cost(e, &candidates[i]);
        if (bits < least) {
            least = bits;
            use_prediction(plane, &candidates[i]);
        }
    }
    return least;
}

/* --- References --------------------------------------------------------------------------------- */

/* The rows that are looked at, predicted, side by side where planes are ordered later. */
static uint8_t *tried_row(const encoding *e, size_t number)
{
    return (uint8_t *)e->order_room + number * (e->values.width + VF_BESIDE) * e->size;
}

static void predict_rows(const encoding *e, const vf_plane *plane)
{
    for (size_t y = e->first_row, i = 0; y < e->values.height; y += e->row_step, i++)
        e->search->residuals(&e->values, plane, y, tried_row(e, i));
}

/* The factor by which the predicted rows follow the residuals of a reference, in 256ths; 0: it is no use. */
static int32_t fit_alpha(const encoding *e, int32_t reference)
{
    double factor = 0;
    for (unsigned round = 0; round < 3; round++) {
        double sums[2][VF_SUM_LANES] = {{0}}, squares = 0, products = 0;
        for (size_t y = e->first_row, i = 0; y < e->values.height; y += e->row_step, i++)
            e->search->relate(row_of(e, e->planes[reference], y), tried_row(e, i), e->values.width,
                              (float)factor, round == 0, sums);
        for (unsigned i = 0; i < VF_SUM_LANES; i++) {
            squares += sums[0][i];
            products += sums[1][i];
        }
        factor = squares > 0 ? products / squares : 0;
    }
    const double alpha = nearbyint(factor * 256);
    return alpha >= INT16_MIN && alpha <= INT16_MAX ? (int32_t)alpha : 0;
}

static uint64_t reference_cost(const encoding *e, int32_t reference, int32_t alpha)
{
    uint64_t bits = 0;
    for (size_t y = e->first_row, i = 0; y < e->values.height; y += e->row_step, i++) {
        e->search->refer(tried_row(e, i), row_of(e, e->planes[reference], y), alpha,
                         e->values.width, e->row);
        bits += e->search->cost(e->row, e->values.width);
    }
    return bits;
}

/* Try a reference for the predicted rows, which are those of `tried`. */
static void try_reference(const encoding *e, const vf_plane *tried, int32_t reference,
                          vf_plane *plane, uint64_t *least)
{
    const int32_t alpha = fit_alpha(e, reference);
    const uint64_t bits = alpha ? reference_cost(e, reference, alpha) : UINT64_MAX;
    if (bits >= *least)
        return;
    *least = bits;
    use_prediction(plane, tried);
    plane->reference = reference;
    plane->alpha = alpha;
}

/* Look for an earlier plane whose residuals tell those of this one, also with that plane's own prediction:
   bands of one scene are then wrong in the same places. */
static void choose_reference(const encoding *e, uint32_t number, vf_plane *plane, uint64_t alone)
{
    const vf_plane own = *plane;
    uint64_t least = alone - alone / 512;
    const uint32_t first = number > MOST_REFERENCES ? number - MOST_REFERENCES : 0;
    predict_rows(e, &own);
    for (uint32_t i = first; i < number; i++)
        try_reference(e, &own, (int32_t)i, plane, &least);
    for (uint32_t i = first; i < number; i++) {
        vf_plane tried = own;
        use_prediction(&tried, &e->tile->planes[i]);
        if (tried.linear == own.linear && memcmp(tried.taps, own.taps, sizeof own.taps) == 0)
            continue;
        predict_rows(e, &tried);
        try_reference(e, &tried, (int32_t)i, plane, &least);
    }
    /* Where next to nothing is left, the reference's magnitudes tell nothing of it. */
    plane->weighs = plane->reference >= 0 && least > alone * 11 / 20;
}

/* --- Tiles -------------------------------------------------------------------------------------- */

/* Put residuals in the place of values, from the last row up, for each needs the values of those above. */
static void make_residuals(const encoding *e, const vf_plane *plane)
{
    for (size_t y = e->values.height; y-- > 0;) {
        e->search->residuals(&e->values, plane, y, e->row);
        memcpy(row_of(e, e->values.first, y), e->row, e->values.width * e->size);
    }
}

static void encode_plane(encoding *e, uint32_t number, vf_numbers *numbers)
{
    vf_plane *plane = &e->tile->planes[number];
    e->values.first = e->planes[number];
    *plane = (vf_plane){.reference = -1, .origin = first_value(e)};
    fill_sides(e);
    const uint64_t alone = choose_prediction(e, plane);
    if (number)
        choose_reference(e, number, plane, alone);
    make_residuals(e, plane);
    const bool refers = plane->reference >= 0;
    const vf_residuals from = {
        .search = e->search, .residuals = e->values.first,
        .reference = refers ? e->planes[plane->reference] : NULL,
        .reference_shift = refers ? e->tile->planes[plane->reference].shift : 0,
        .pitch = e->values.pitch, .width = e->values.width, .height = e->values.height};
    vf_order_plane(&from, e->plan.order, plane, e->order_room, numbers);
}

static vf_status encode_bands(encoding *e, const vf_values *values, vf_numbers *numbers)
{
    vf_status status = VF_OK;
    for (uint32_t i = 0; status == VF_OK && i < e->tile->band_count; i++) {
        vf_band *band = &e->tile->bands[i];
        for (unsigned k = 0; status == VF_OK && k < band->digit_count; k++)
            status = vf_append_digit(values->gaps[i], band->entries - 1, k, &band->digits[k],
                                     numbers);
        for (unsigned k = 0; status == VF_OK && k < band->plane_count; k++)
            encode_plane(e, band->first_plane + k, numbers);
    }
    return status;
}

/* Where what a tile takes stands in one piece of memory: an allocator that gets it back keeps it for the
   next tile. */
typedef struct {
    uint64_t order, row, numbers, all; /* offsets in bytes; the values come first */
} layout;

static uint64_t rounded(uint64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static layout lay_out(const vf_predicted *tile)
{
    const uint64_t pixels = tile->width * tile->height, planes = vf_most_planes(tile);
    const unsigned item = vf_widest_value(tile->dtype);
    /* No table of ranks has more digits: narrow ones have one place, others few entries. */
    const uint64_t digits = pixels < 1 << 14 ? 4 * pixels : 1 << 16;
    const uint64_t numbers =
        planes * vf_most_numbers(pixels, VF_MAX_CLASSES) +
        tile->band_count * vf_most_numbers(digits, VF_MAX_DIGITS) + VF_MAX_PADDING + 1;
    layout at;
    /* Looking for references comes before ordering, and works in the same place. */
    const uint64_t order = vf_order_room(tile->width, tile->height, item);
    const uint64_t tried = (tile->width + VF_BESIDE) * tile->height * item;
    at.order = rounded(vf_values_room(tile));
    at.row = at.order + rounded(planes > 1 && tried > order ? tried : order);
    at.numbers = at.row + rounded((tile->width + VF_BESIDE) * item);
    at.all = at.numbers + rounded(numbers * item);
    return at;
}

vf_status vf_predicted_encode(vf_predicted *tile, const vf_picture *picture, unsigned effort,
                              vf_numbers *numbers, void **room)
{
    const layout at = lay_out(tile);
    vf_values values;
    tile->bands = calloc(tile->band_count, sizeof *tile->bands);
    tile->planes = calloc(2 * (size_t)tile->band_count, sizeof *tile->planes);
    uint8_t *memory = *room = vf_new_lines(at.all);
    if (!tile->bands || !tile->planes || !memory)
        return VF_NO_MEMORY;
    vf_status status = vf_values_choose(tile, picture, memory, &values);
    if (status != VF_OK)
        return status;
    const size_t width = tile->width, height = tile->height;
    encoding e = {.tile = tile, .search = vf_search_kernel_of_cpu(values.depth),
                  .plan = plan_of(effort), .size = values.depth / 8,
                  .values = {.pitch = values.pitch, .width = width, .height = height},
                  .planes = values.planes, .row = memory + at.row,
                  .order_room = memory + at.order};
    /* Small tiles are looked at whole. */
    e.row_step = height > 16 ? e.plan.row_step : 1;
    e.first_row = height > SAMPLED_FROM && e.row_step > 1 ? SAMPLED_FROM : height > 1;
    *numbers = (vf_numbers){.items = memory + at.numbers, .size = values.depth / 8};
    status = encode_bands(&e, &values, numbers);
    vf_values_free(&values, tile);
    tile->numbers = numbers->count;
    return status;
}
