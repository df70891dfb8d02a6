/* The functions of predicted/rows.c for one type of numbers: NUMBER, its unsigned UNSIGNED, a type SUM that
   holds every sum of a linear prediction, and NAME(x). Included once for each. */

bool NAME(vf_magnitudes)(const NUMBER *restrict numbers, size_t width, unsigned shift,
                         uint16_t *restrict out)
{
    UNSIGNED any = 0;
    for (size_t x = 0; x < width; x++) {
        UNSIGNED size = (UNSIGNED)(numbers[x] < 0 ? (UNSIGNED)-(UNSIGNED)numbers[x]
                                                  : (UNSIGNED)numbers[x]);
        size = (UNSIGNED)(shift < 8 * sizeof(NUMBER) ? size >> shift : 0);
        out[x] = (uint16_t)(size < VF_MAX_MAGNITUDE ? size : VF_MAX_MAGNITUDE);
        any |= size;
    }
    return any != 0;
}

void NAME(vf_widen_above)(const vf_strip *strip, const NUMBER *values, int32_t flipped)
{
    const ptrdiff_t width = (ptrdiff_t)strip->width;
    const NUMBER *above = values - strip->pitch;
    const NUMBER *higher = strip->second ? above : above - strip->pitch;
    int32_t *restrict wide_above = strip->scratch[0], *restrict wide_higher = strip->scratch[1];
    for (ptrdiff_t x = 0; x < width; x++) {
        wide_above[x] = above[x] ^ flipped;
        wide_higher[x] = higher[x] ^ flipped;
    }
    wide_above[-1] = higher[0] ^ flipped;
    wide_above[width] = above[width - 1] ^ flipped;
}

static inline unsigned NAME(class_of)(const vf_plane *plane, unsigned activity)
{
    unsigned found = 0;
    for (unsigned i = 1; i < plane->classes; i++)
        found += activity >= plane->thresholds[i];
    return found;
}

static inline uint16_t NAME(magnitude)(NUMBER number, unsigned shift)
{
    uint16_t magnitude;
    NAME(vf_magnitudes)(&number, 1, shift, &magnitude);
    return magnitude;
}

static bool NAME(sort)(const vf_row *row, const NUMBER **next, NUMBER *e)
{
    const vf_plane *plane = row->plane;
    const size_t width = row->width;
    const uint16_t *activity = row->scratch[0];
    if (plane->classes == 1 && !plane->even_odd) {
        memcpy(e, next[0], width * sizeof *e);
        next[0] += width;
        return NAME(vf_magnitudes)(e, width, plane->shift, row->magnitudes);
    }
    vf_activity(row);
    if (!plane->even_odd) {
        for (size_t x = 0; x < width; x++)
            e[x] = *next[NAME(class_of)(plane, activity[x])]++;
        return NAME(vf_magnitudes)(e, width, plane->shift, row->magnitudes);
    }
    uint16_t *m = row->magnitudes;
    for (size_t x = 0; x < width; x += 2) {
        e[x] = *next[NAME(class_of)(plane, 2u * activity[x])]++;
        m[x] = NAME(magnitude)(e[x], plane->shift);
    }
    for (size_t x = 1; x < width; x += 2) {
        unsigned sides = m[x - 1] + (x + 1 < width ? m[x + 1] : 0u);
        e[x] = *next[NAME(class_of)(plane, activity[x] + 5 * sides)]++;
    }
    return NAME(vf_magnitudes)(e, width, plane->shift, m);
}

static void NAME(predict_linear)(const vf_plane *plane, const NUMBER *r, NUMBER *v,
                                 const NUMBER *north, const NUMBER *above_north, size_t width,
                                 NUMBER corner)
{
    const SUM w = plane->taps[VF_TAP_W], n = plane->taps[VF_TAP_N], nw = plane->taps[VF_TAP_NW],
              ne = plane->taps[VF_TAP_NE], ww = plane->taps[VF_TAP_WW],
              nn = plane->taps[VF_TAP_NN];
    SUM west = north[0], west_west = north[0], north_west = corner;
    for (size_t x = 0; x < width; x++) {
        SUM north_east = north[x + 1 < width ? x + 1 : x];
        SUM sum = w * west + n * north[x] + nw * north_west + ne * north_east + ww * west_west +
                  nn * above_north[x] + 128;
        v[x] = (NUMBER)((UNSIGNED)(sum >> 8) + (UNSIGNED)r[x]);
        west_west = west;
        west = v[x];
        north_west = north[x];
    }
}

static void NAME(predict_median)(const NUMBER *r, NUMBER *v, const NUMBER *north, size_t width,
                                 NUMBER corner)
{
    NUMBER west = north[0], north_west = corner;
    for (size_t x = 0; x < width; x++) {
        NUMBER most = north[x] > west ? north[x] : west, least = north[x] < west ? north[x] : west;
        NUMBER predicted = north_west >= most    ? least
                           : north_west <= least ? most
                                                 : (NUMBER)((UNSIGNED)north[x] + (UNSIGNED)west -
                                                            (UNSIGNED)north_west);
        v[x] = (NUMBER)((UNSIGNED)predicted + (UNSIGNED)r[x]);
        west = v[x];
        north_west = north[x];
    }
}

static void NAME(predict)(const vf_strip *strip, const NUMBER *residuals, NUMBER *values)
{
    for (unsigned y = 0; y < strip->rows; y++) {
        NUMBER *v = values + (ptrdiff_t)y * strip->pitch;
        const NUMBER *r = residuals + (ptrdiff_t)y * strip->pitch;
        const NUMBER *north = v - strip->pitch;
        const NUMBER *above_north = strip->second && y == 0 ? north : north - strip->pitch;
        /* Left of the row above stands the first value of the row above that. */
        if (strip->plane->linear)
            NAME(predict_linear)(strip->plane, r, v, north, above_north, strip->width,
                                 above_north[0]);
        else
            NAME(predict_median)(r, v, north, strip->width, above_north[0]);
    }
}
