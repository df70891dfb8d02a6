/* The functions of predicted_search.c, compiled for some CPU: TARGET, the attribute that asks for its
   vectors, and NAME(x). The compiler makes the vectors. Included once for each. */

/* Signed, modulo 2**16 or 2**32. */
#define WRAPPED(VALUE, SHIFT) ((int32_t)((uint32_t)(VALUE) << (SHIFT)) >> (SHIFT))

TARGET static void NAME(residuals)(const vf_field *values, const vf_plane *plane, size_t y,
                                   int32_t *restrict out)
{
    const int32_t *restrict v = values->first + (ptrdiff_t)y * values->pitch;
    const int32_t *restrict n = v - values->pitch;
    const int32_t *restrict nn = y > 1 ? n - values->pitch : n;
    const unsigned shift = 32 - values->depth;
    const ptrdiff_t width = (ptrdiff_t)values->width;
    const int32_t *taps = plane->taps;
    if (y == 0) {
        out[0] = WRAPPED((uint32_t)v[0] - (uint32_t)plane->origin, shift);
        for (ptrdiff_t x = 1; x < width; x++)
            out[x] = WRAPPED((uint32_t)v[x] - (uint32_t)v[x - 1], shift);
    } else if (!plane->linear) {
        for (ptrdiff_t x = 0; x < width; x++) {
            const int32_t most = n[x] > v[x - 1] ? n[x] : v[x - 1];
            const int32_t least = n[x] < v[x - 1] ? n[x] : v[x - 1];
            const int32_t sum =
                (int32_t)((uint32_t)n[x] + (uint32_t)v[x - 1] - (uint32_t)n[x - 1]);
            const int32_t predicted = n[x - 1] >= most ? least : n[x - 1] <= least ? most : sum;
            out[x] = WRAPPED((uint32_t)v[x] - (uint32_t)predicted, shift);
        }
    } else if (shift) {
        const int32_t w = taps[VF_TAP_W], north = taps[VF_TAP_N], nw = taps[VF_TAP_NW],
                      ne = taps[VF_TAP_NE], ww = taps[VF_TAP_WW], above = taps[VF_TAP_NN];
        for (ptrdiff_t x = 0; x < width; x++) {
            const int32_t sum = w * v[x - 1] + north * n[x] + nw * n[x - 1] + ne * n[x + 1] +
                                ww * v[x - 2] + above * nn[x] + 128;
            out[x] = WRAPPED(v[x] - (sum >> 8), shift);
        }
    } else {
        const int64_t w = taps[VF_TAP_W], north = taps[VF_TAP_N], nw = taps[VF_TAP_NW],
                      ne = taps[VF_TAP_NE], ww = taps[VF_TAP_WW], above = taps[VF_TAP_NN];
        for (ptrdiff_t x = 0; x < width; x++) {
            const int64_t sum = w * v[x - 1] + north * n[x] + nw * n[x - 1] + ne * n[x + 1] +
                                ww * v[x - 2] + above * nn[x] + 128;
            out[x] = (int32_t)((uint32_t)v[x] - (uint32_t)(sum >> 8));
        }
    }
}

TARGET static void NAME(refer)(const int32_t *restrict residuals, const int32_t *restrict reference,
                               int32_t alpha, unsigned depth, size_t width, int32_t *restrict out)
{
    const unsigned shift = 32 - depth;
    if (shift)
        for (size_t x = 0; x < width; x++)
            out[x] = WRAPPED(residuals[x] - ((alpha * reference[x] + 128) >> 8), shift);
    else
        for (size_t x = 0; x < width; x++)
            out[x] = (int32_t)((uint32_t)residuals[x] -
                               (uint32_t)(((int64_t)alpha * reference[x] + 128) >> 8));
}

TARGET static uint64_t NAME(cost)(const int32_t *row, size_t width)
{
    uint64_t bits = 0;
    for (size_t x = 0; x < width; x += 32) {
        const uint32_t count = width - x < 32 ? (uint32_t)(width - x) : 32;
        uint32_t halves = 0, most = 0, others = 0;
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t u = vf_fold(row[x + i]);
            halves += u >> 5;
            most |= u;
            others += u != 0;
        }
        uint64_t sum = (uint64_t)halves << 5;
        if (most >> 26 == 0) {
            uint32_t exact = 0;
            for (uint32_t i = 0; i < count; i++)
                exact += vf_fold(row[x + i]);
            sum = exact;
        }
        bits += block_cost(count, sum, others);
    }
    return bits;
}

TARGET static void NAME(fit)(const vf_field *values, size_t y, const float taps[VF_UNKNOWNS],
                             double sums[VF_FIT_SUMS][VF_SUM_LANES])
{
    const int32_t *v = values->first + (ptrdiff_t)y * values->pitch;
    const int32_t *n = v - values->pitch, *nn = n - values->pitch;
    float here[VF_FIT_SUMS][VF_SUM_LANES] = {{0}};
    float q[VF_UNKNOWNS] = {0};
    for (unsigned k = 0; taps && k < VF_UNKNOWNS; k++)
        q[k] = taps[k];
    for (size_t start = 0; start + VF_SUM_LANES <= values->width; start += VF_SUM_LANES) {
        float d[VF_UNKNOWNS][VF_SUM_LANES], pixel[VF_SUM_LANES], weight[VF_SUM_LANES];
        for (unsigned i = 0; i < VF_SUM_LANES; i++) {
            const ptrdiff_t x = (ptrdiff_t)(start + i);
            const float north = (float)n[x];
            d[0][i] = (float)v[x - 1] - north;
            d[1][i] = (float)n[x - 1] - north;
            d[2][i] = (float)n[x + 1] - north;
            d[3][i] = (float)v[x - 2] - north;
            d[4][i] = (float)nn[x] - north;
            pixel[i] = (float)v[x] - north;
            const float activity = fabsf(d[0][i]) + fabsf(d[1][i]) + fabsf(d[2][i]);
            float left = pixel[i] - q[0] * d[0][i];
            left = left - q[1] * d[1][i];
            left = left - q[2] * d[2][i];
            left = left - q[3] * d[3][i];
            left = left - q[4] * d[4][i];
            weight[i] = 1.0f / (taps ? fabsf(left) + 0.25f * activity + 0.5f : activity + 1.0f);
        }
        unsigned sum = 0;
        for (unsigned a = 0; a < VF_UNKNOWNS; a++) {
            float weighed[VF_SUM_LANES];
            for (unsigned i = 0; i < VF_SUM_LANES; i++)
                weighed[i] = weight[i] * d[a][i];
            for (unsigned b = a; b < VF_UNKNOWNS; b++, sum++)
                for (unsigned i = 0; i < VF_SUM_LANES; i++)
                    here[sum][i] += weighed[i] * d[b][i];
            for (unsigned i = 0; i < VF_SUM_LANES; i++)
                here[VF_FIT_SUMS - VF_UNKNOWNS + a][i] += weighed[i] * pixel[i];
        }
    }
    for (unsigned k = 0; k < VF_FIT_SUMS; k++)
        for (unsigned i = 0; i < VF_SUM_LANES; i++)
            sums[k][i] += (double)here[k][i];
}

TARGET static void NAME(relate)(const int32_t *reference, const int32_t *residuals, size_t width,
                                float factor, bool first, double sums[2][VF_SUM_LANES])
{
    float squares[VF_SUM_LANES] = {0}, products[VF_SUM_LANES] = {0};
    for (size_t start = 0; start + VF_SUM_LANES <= width; start += VF_SUM_LANES)
        for (unsigned i = 0; i < VF_SUM_LANES; i++) {
            const float a = (float)reference[start + i], b = (float)residuals[start + i];
            const float left = fabsf(b - factor * a) + 0.5f + 0.1f * fabsf(a);
            const float weight = 1.0f / (first ? fabsf(a) + fabsf(b) + 1.0f : left);
            squares[i] += weight * a * a;
            products[i] += weight * a * b;
        }
    for (unsigned i = 0; i < VF_SUM_LANES; i++) {
        sums[0][i] += (double)squares[i];
        sums[1][i] += (double)products[i];
    }
}

#undef WRAPPED
