#include "predicted_encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predicted_search.h"

enum {
    MOST_REFERENCES = 8, /* planes looked at, the last ones */
    SAMPLED_FROM = 5,    /* the first row that is looked at where not all are */
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
        return (effort_plan){8, 3, {1, false, 3}};
    if (effort <= 3)
        return (effort_plan){8, 3, {4, false, 3}};
    if (effort <= 6)
        return (effort_plan){8, 3, {6, true, 3}};
    return (effort_plan){1, 4, {8, true, 1}};
}

/* A tile on its way. */
typedef struct {
    vf_predicted *tile;
    const vf_search_kernel *search;
    effort_plan plan;
    unsigned depth;
    size_t first_row, row_step; /* rows that are looked at */
    vf_field values;            /* of the plane at hand */
    int32_t *row, *other_row;   /* to work with */
    ptrdiff_t pitch;            /* of residuals */
    int32_t **residuals;        /* r of each plane, row after row; the first one has VF_SIDE in front */
    int32_t *differences;       /* e of the plane at hand, where it has a reference */
    void *owned;
} encoding;

/* --- Planes of numbers -------------------------------------------------------------------------- */

/* Copy a plane into the field, and fill what stands beside its rows. */
static void fill_field(vf_field *field, const int32_t *values)
{
    const size_t width = field->width;
    for (size_t y = 0; y < field->height; y++) {
        int32_t *row = field->first + (ptrdiff_t)y * field->pitch;
        memcpy(row, values + y * width, width * sizeof *row);
        row[-2] = row[-1] = y ? row[-field->pitch] : row[0];
        row[width] = row[width - 1];
    }
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
        for (size_t y = 2; y < e->values.height; y += e->row_step)
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

static const int32_t *residual_row(const encoding *e, int32_t plane, size_t y)
{
    return e->residuals[plane] + (ptrdiff_t)y * e->pitch;
}

/* The factor by which the residuals of a reference follow, in 256ths; 0: it is no use. */
static int32_t fit_alpha(const encoding *e, const vf_plane *plane, int32_t reference)
{
    double factor = 0;
    for (unsigned round = 0; round < 3; round++) {
        double sums[2][VF_SUM_LANES] = {{0}}, squares = 0, products = 0;
        for (size_t y = e->first_row; y < e->values.height; y += e->row_step) {
            e->search->residuals(&e->values, plane, y, e->row);
            e->search->relate(residual_row(e, reference, y), e->row, e->values.width,
                              (float)factor, round == 0, sums);
        }
        for (unsigned i = 0; i < VF_SUM_LANES; i++) {
            squares += sums[0][i];
            products += sums[1][i];
        }
        factor = squares > 0 ? products / squares : 0;
    }
    const double alpha = nearbyint(factor * 256);
    return alpha >= INT16_MIN && alpha <= INT16_MAX ? (int32_t)alpha : 0;
}

static uint64_t reference_cost(const encoding *e, const vf_plane *plane, int32_t reference,
                               int32_t alpha)
{
    uint64_t bits = 0;
    for (size_t y = e->first_row; y < e->values.height; y += e->row_step) {
        e->search->residuals(&e->values, plane, y, e->row);
        e->search->refer(e->row, residual_row(e, reference, y), alpha, e->depth, e->values.width,
                         e->other_row);
        bits += e->search->cost(e->other_row, e->values.width);
    }
    return bits;
}

/* Look for an earlier plane whose residuals tell those of this one, also with that plane's own prediction:
   bands of one scene are then wrong in the same places. */
static void choose_reference(const encoding *e, uint32_t number, vf_plane *plane, uint64_t alone)
{
    const vf_plane own = *plane;
    uint64_t least = alone - alone / 512;
    const uint32_t first = number > MOST_REFERENCES ? number - MOST_REFERENCES : 0;
    for (uint32_t i = first; i < number; i++) {
        const vf_plane *other = &e->tile->planes[i];
        for (unsigned with_its = 0; with_its < 2; with_its++) {
            vf_plane tried = own;
            if (with_its) {
                use_prediction(&tried, other);
                if (tried.linear == own.linear &&
                    memcmp(tried.taps, own.taps, sizeof own.taps) == 0)
                    continue;
            }
            const int32_t alpha = fit_alpha(e, &tried, (int32_t)i);
            if (!alpha)
                continue;
            const uint64_t bits = reference_cost(e, &tried, (int32_t)i, alpha);
            if (bits >= least)
                continue;
            least = bits;
            *plane = tried;
            plane->reference = (int32_t)i;
            plane->alpha = alpha;
        }
    }
    /* Where next to nothing is left, the reference's magnitudes tell nothing of it. */
    plane->weighs = plane->reference >= 0 && least > alone * 11 / 20;
}

/* --- Tiles -------------------------------------------------------------------------------------- */

static vf_status encode_plane(encoding *e, uint32_t number, const int32_t *values,
                              vf_numbers *numbers)
{
    vf_plane *plane = &e->tile->planes[number];
    const size_t width = e->values.width, height = e->values.height;
    *plane = (vf_plane){.reference = -1, .origin = values[0]};
    fill_field(&e->values, values);
    const uint64_t alone = choose_prediction(e, plane);
    if (number)
        choose_reference(e, number, plane, alone);
    const int32_t *coded = e->residuals[number];
    for (size_t y = 0; y < height; y++) {
        int32_t *r = e->residuals[number] + (ptrdiff_t)y * e->pitch;
        e->search->residuals(&e->values, plane, y, r);
        if (plane->reference >= 0)
            e->search->refer(r, residual_row(e, plane->reference, y), plane->alpha, e->depth, width,
                             e->differences + (ptrdiff_t)y * e->pitch);
    }
    if (plane->reference >= 0)
        coded = e->differences;
    const vf_residuals from = {
        .residuals = coded,
        .reference = plane->weighs ? e->residuals[plane->reference] : NULL,
        .reference_shift = plane->weighs ? e->tile->planes[plane->reference].shift : 0,
        .pitch = e->pitch, .width = width, .height = height};
    return vf_order_plane(&from, e->plan.order, plane, numbers);
}

static vf_status make_room(encoding *e)
{
    const size_t width = e->tile->width, height = e->tile->height;
    const size_t planes = e->tile->plane_count, pitch = width + 2 * VF_SIDE;
    const size_t items = pitch * height + 2 * VF_SIDE;
    int32_t *memory = e->owned = malloc((items * (planes + 2) + 2 * pitch) * sizeof *memory);
    e->residuals = malloc(planes * sizeof *e->residuals);
    if (!memory || !e->residuals)
        return VF_NO_MEMORY;
    e->pitch = (ptrdiff_t)pitch;
    e->values = (vf_field){memory + VF_SIDE, e->pitch, width, height, e->depth};
    e->differences = memory + items + VF_SIDE;
    for (size_t i = 0; i < planes; i++)
        e->residuals[i] = memory + (2 + i) * items + VF_SIDE;
    e->row = memory + (2 + planes) * items;
    e->other_row = e->row + pitch;
    /* Small tiles are looked at whole. */
    e->row_step = height > 16 ? e->plan.row_step : 1;
    e->first_row = height > SAMPLED_FROM && e->row_step > 1 ? SAMPLED_FROM : height > 1;
    return VF_OK;
}

static vf_status encode_bands(encoding *e, const vf_values *values, vf_numbers *numbers)
{
    vf_status status = make_room(e);
    for (uint32_t i = 0; status == VF_OK && i < e->tile->band_count; i++) {
        vf_band *band = &e->tile->bands[i];
        for (unsigned k = 0; status == VF_OK && k < band->digit_count; k++)
            status = vf_append_digit(values->gaps[i], band->entries - 1, k, &band->digits[k],
                                     numbers);
        for (unsigned k = 0; status == VF_OK && k < band->plane_count; k++)
            status = encode_plane(e, band->first_plane + k, values->planes[band->first_plane + k],
                                  numbers);
    }
    free(e->owned);
    free(e->residuals);
    return status;
}

vf_status vf_predicted_encode(vf_predicted *tile, const vf_picture *picture, unsigned effort,
                              vf_numbers *numbers, unsigned *depth)
{
    vf_values values;
    tile->bands = calloc(tile->band_count, sizeof *tile->bands);
    tile->planes = calloc(2 * (size_t)tile->band_count, sizeof *tile->planes);
    if (!tile->bands || !tile->planes)
        return VF_NO_MEMORY;
    vf_status status = vf_values_choose(tile, picture, &values);
    if (status != VF_OK)
        return status;
    *depth = values.depth;
    encoding e = {.tile = tile, .search = vf_search_kernel_of_cpu(), .plan = plan_of(effort),
                  .depth = values.depth};
    status = encode_bands(&e, &values, numbers);
    vf_values_free(&values, tile);
    tile->numbers = numbers->count;
    return status;
}
