/* The functions of predicted/search.c, compiled for some CPU and one type of numbers: TARGET, the attribute
   that asks for its vectors; LANES, how many floats one has; NUMBER and NAME(x), which are undefined at the
   end. The compiler makes the vectors. Included once for each. */

TARGET static void NAME(residuals)(const vf_field *values, const vf_plane *plane, size_t y,
                                   void *to)
{
    const NUMBER *restrict v = (const NUMBER *)values->first + (ptrdiff_t)y * values->pitch;
    const NUMBER *restrict n = v - values->pitch;
    const NUMBER *restrict nn = y > 1 ? n - values->pitch : n;
    NUMBER *restrict out = to;
    const ptrdiff_t width = (ptrdiff_t)values->width;
    const int32_t *taps = plane->taps;
    if (y == 0) {
        out[0] = (NUMBER)((uint32_t)v[0] - (uint32_t)plane->origin);
        for (ptrdiff_t x = 1; x < width; x++)
            out[x] = (NUMBER)((uint32_t)v[x] - (uint32_t)v[x - 1]);
    } else if (!plane->linear) {
        for (ptrdiff_t x = 0; x < width; x++) {
            const NUMBER most = n[x] > v[x - 1] ? n[x] : v[x - 1];
            const NUMBER least = n[x] < v[x - 1] ? n[x] : v[x - 1];
            /* Where it is taken, it lies between the two. */
            const NUMBER sum = (NUMBER)((uint32_t)n[x] + (uint32_t)v[x - 1] - (uint32_t)n[x - 1]);
            const NUMBER rising = n[x - 1] <= least ? most : sum;
            const NUMBER predicted = n[x - 1] >= most ? least : rising;
            out[x] = (NUMBER)((uint32_t)v[x] - (uint32_t)predicted);
        }
    } else if (sizeof(NUMBER) == sizeof(int16_t)) {
        LINEAR_ROW((const int16_t *)v, (const int16_t *)n, (const int16_t *)nn, taps, width,
                   (int16_t *)out);
    } else {
        const int64_t w = taps[VF_TAP_W], north = taps[VF_TAP_N], nw = taps[VF_TAP_NW],
                      ne = taps[VF_TAP_NE], ww = taps[VF_TAP_WW], above = taps[VF_TAP_NN];
        for (ptrdiff_t x = 0; x < width; x++) {
            const int64_t sum = w * v[x - 1] + north * n[x] + nw * n[x - 1] + ne * n[x + 1] +
                                ww * v[x - 2] + above * nn[x] + 128;
            out[x] = (NUMBER)((uint32_t)v[x] - (uint32_t)(sum >> 8));
        }
    }
}

TARGET static void NAME(refer)(const void *from, const void *of, int32_t alpha, size_t width,
                               void *to)
{
    const NUMBER *restrict residuals = from, *restrict reference = of;
    NUMBER *restrict out = to;
    if (sizeof(NUMBER) == sizeof(int16_t))
        for (size_t x = 0; x < width; x++)
            out[x] = (NUMBER)(residuals[x] - ((alpha * (int16_t)reference[x] + 128) >> 8));
    else
        for (size_t x = 0; x < width; x++)
            out[x] = (NUMBER)((uint32_t)residuals[x] -
                              (uint32_t)(((int64_t)alpha * reference[x] + 128) >> 8));
}

/* The cost of up to 32 numbers. */
TARGET static inline __attribute__((always_inline)) uint64_t NAME(cost_of)(const NUMBER *row,
                                                                           const uint32_t count)
{
    uint32_t halves = 0, sum = 0, most = 0, zeros = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t u = vf_fold(row[i]);
        zeros += row[i] == 0;
        sum += u;
        if (sizeof(NUMBER) > sizeof(int16_t)) {
            halves += u >> 5;
            most |= u;
        }
    }
    return block_cost(count, most >> 26 ? (uint64_t)halves << 5 : sum, count - zeros);
}

TARGET static uint64_t NAME(cost)(const void *from, size_t width)
{
    const NUMBER *row = from;
    uint64_t bits = 0;
    size_t x = 0;
    for (; x + 32 <= width; x += 32)
        bits += NAME(cost_of)(row + x, 32);
    if (x < width)
        bits += NAME(cost_of)(row + x, (uint32_t)(width - x));
    return bits;
}

/* Numbers as floats, VF_SUM_LANES at a time. */
TARGET static inline __attribute__((always_inline)) void NAME(widen)(const NUMBER *from, size_t count,
                                                                     float *restrict out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)from[i];
}

typedef float NAME(floats) __attribute__((vector_size(4 * LANES)));
typedef int32_t NAME(bits) __attribute__((vector_size(4 * LANES)));

TARGET static inline __attribute__((always_inline)) NAME(floats) NAME(load)(const float *from)
{
    NAME(floats) vector;
    __builtin_memcpy(&vector, from, sizeof vector);
    return vector;
}

TARGET static inline __attribute__((always_inline)) NAME(floats) NAME(size)(NAME(floats) x)
{
    return (NAME(floats))((NAME(bits))x & 0x7FFFFFFF);
}

enum { NAME(PIECE) = 256 }; /* columns that are made floats at a time */

TARGET static void NAME(fit)(const vf_field *values, size_t y, const float taps[VF_UNKNOWNS],
                             double sums[VF_FIT_SUMS][VF_SUM_LANES])
{
    const NUMBER *v = (const NUMBER *)values->first + (ptrdiff_t)y * values->pitch;
    const NUMBER *n = v - values->pitch, *nn = n - values->pitch;
    const NAME(floats) zero = {0};
    float here[NAME(PIECE) + 2], north[NAME(PIECE) + 2], above[NAME(PIECE)];
    float all[VF_FIT_SUMS][VF_SUM_LANES] = {{0}}, q[VF_UNKNOWNS] = {0};
    for (unsigned k = 0; taps && k < VF_UNKNOWNS; k++)
        q[k] = taps[k];
    const size_t end = values->width / VF_SUM_LANES * VF_SUM_LANES;
    for (size_t start = 0, count; start < end; start += count) {
        count = end - start < NAME(PIECE) ? end - start : NAME(PIECE);
        NAME(widen)(v + start - 2, count + 2, here);
        NAME(widen)(n + start - 1, count + 2, north);
        NAME(widen)(nn + start, count, above);
        /* Each lane is one column of VF_SUM_LANES, so that all CPUs add up in the same order. */
        for (unsigned lane = 0; lane < VF_SUM_LANES; lane += LANES) {
            NAME(floats) sum[VF_FIT_SUMS];
#pragma GCC unroll 32
            for (unsigned k = 0; k < VF_FIT_SUMS; k++)
                sum[k] = NAME(load)(&all[k][lane]);
            for (size_t x = lane; x < count; x += VF_SUM_LANES) {
                const NAME(floats) base = NAME(load)(north + x + 1);
                const NAME(floats) d[VF_UNKNOWNS] = {
                    NAME(load)(here + x + 1) - base, NAME(load)(north + x) - base,
                    NAME(load)(north + x + 2) - base, NAME(load)(here + x) - base,
                    NAME(load)(above + x) - base};
                const NAME(floats) pixel = NAME(load)(here + x + 2) - base;
                const NAME(floats) activity = NAME(size)(d[0]) + NAME(size)(d[1]) + NAME(size)(d[2]);
                NAME(floats) left = pixel - (zero + q[0]) * d[0];
#pragma GCC unroll 4
                for (unsigned k = 1; k < VF_UNKNOWNS; k++)
                    left = left - (zero + q[k]) * d[k];
                const NAME(floats) weight =
                    1.0f / (taps ? NAME(size)(left) + 0.25f * activity + 0.5f : activity + 1.0f);
                unsigned k = 0;
#pragma GCC unroll 5
                for (unsigned a = 0; a < VF_UNKNOWNS; a++) {
                    const NAME(floats) weighed = weight * d[a];
#pragma GCC unroll 5
                    for (unsigned b = a; b < VF_UNKNOWNS; b++, k++)
                        sum[k] += weighed * d[b];
                    sum[VF_FIT_SUMS - VF_UNKNOWNS + a] += weighed * pixel;
                }
            }
#pragma GCC unroll 32
            for (unsigned k = 0; k < VF_FIT_SUMS; k++)
                __builtin_memcpy(&all[k][lane], &sum[k], sizeof sum[k]);
        }
    }
    for (unsigned k = 0; k < VF_FIT_SUMS; k++)
        for (unsigned i = 0; i < VF_SUM_LANES; i++)
            sums[k][i] += (double)all[k][i];
}

TARGET static void NAME(relate)(const void *of, const void *from, size_t width, float factor,
                                bool first, double sums[2][VF_SUM_LANES])
{
    const NUMBER *reference = of, *residuals = from;
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

#undef NUMBER
#undef NAME
