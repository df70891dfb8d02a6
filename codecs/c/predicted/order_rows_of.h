/* The functions of predicted/order_rows.c, compiled for some CPU and one type of numbers: TARGET, the
   attribute that asks for its vectors, NUMBER, UNSIGNED, and NAME(x), which are undefined at the end. The
   compiler makes the vectors. Included once for each. */

TARGET static uint64_t NAME(sum)(const void *from, size_t width)
{
    const NUMBER *row = from;
    uint64_t sum = 0;
    for (size_t x = 0; x < width; x++)
        sum += vf_fold(row[x]) / 2;
    return sum;
}

TARGET static void NAME(magnitudes)(const void *from, size_t width, unsigned shift,
                                    uint16_t *restrict out)
{
    const NUMBER *row = from;
    for (size_t x = 0; x < width; x++) {
        const UNSIGNED size = (UNSIGNED)((UNSIGNED)(row[x] < 0 ? 0u - (UNSIGNED)row[x]
                                                               : (UNSIGNED)row[x]) >>
                                         shift);
        out[x] = (uint16_t)(size < VF_MAX_MAGNITUDE ? size : VF_MAX_MAGNITUDE);
    }
}

TARGET static void NAME(activities)(const vf_sizes *sizes, bool even_odd, size_t width,
                                    uint16_t *restrict out)
{
    const uint16_t *restrict m = sizes->above, *restrict n = sizes->higher;
    const uint16_t *restrict own = sizes->here;
    for (ptrdiff_t x = 0; x < (ptrdiff_t)width; x++)
        out[x] = (uint16_t)(m[x - 2] + 2 * (m[x - 1] + m[x] + m[x + 1]) + m[x + 2] + n[x - 1] +
                            n[x] + n[x + 1]);
    if (sizes->reference[0]) {
        const uint16_t *restrict above = sizes->reference[0], *restrict below = sizes->reference[2];
        const uint16_t *restrict here = sizes->reference[1];
        for (ptrdiff_t x = 0; x < (ptrdiff_t)width; x++)
            out[x] = (uint16_t)(out[x] + 2 * here[x] + here[x - 1] + here[x + 1] + above[x] +
                                below[x]);
    }
    for (ptrdiff_t x = 0; even_odd && x < (ptrdiff_t)width; x++) {
        const uint16_t even = (uint16_t)(2 * out[x]);
        const uint16_t odd = (uint16_t)(out[x] + 5 * (own[x - 1] + own[x + 1]));
        const uint16_t is_odd = (uint16_t)(0 - ((uint16_t)x & 1));
        out[x] = (uint16_t)((odd & is_odd) | (even & ~is_odd));
    }
}

TARGET static void NAME(classify)(const uint16_t *activities, const vf_plane *plane, size_t width,
                                  uint8_t *restrict out, uint64_t counts[VF_MAX_CLASSES])
{
    enum { PIECE = 4096, /* columns that are counted in 16 bits */ TOGETHER = 3 };
    uint16_t thresholds[VF_MAX_CLASSES + TOGETHER];
    memset(thresholds, 0xFF, sizeof thresholds); /* no activity is as large */
    memcpy(thresholds, plane->thresholds, plane->classes * sizeof *thresholds);
    for (size_t at = 0; at < width; at += PIECE) {
        const size_t here = width - at < PIECE ? width - at : PIECE;
        const uint16_t *restrict activity = activities + at;
        uint8_t *restrict class = out + at;
        counts[0] += here;
        for (unsigned k = 1; k < plane->classes; k += TOGETHER) {
            const uint16_t first = thresholds[k], second = thresholds[k + 1];
            const uint16_t third = thresholds[k + 2];
            const uint8_t so_far = k == 1 ? 0 : 0xFF; /* what stands in class counts from then on */
            uint16_t firsts = 0, seconds = 0, thirds = 0;
            for (size_t x = 0; x < here; x++) {
                const uint16_t a = activity[x] >= first, b = activity[x] >= second;
                const uint16_t c = activity[x] >= third;
                class[x] = (uint8_t)((class[x] & so_far) + a + b + c);
                firsts = (uint16_t)(firsts + a);
                seconds = (uint16_t)(seconds + b);
                thirds = (uint16_t)(thirds + c);
            }
            const uint16_t met[TOGETHER] = {firsts, seconds, thirds};
            for (unsigned i = 0; i < TOGETHER && k + i < plane->classes; i++)
                counts[k + i] += met[i];
        }
    }
}

TARGET static void NAME(split)(const void *from, size_t width, void *to)
{
    const NUMBER *restrict row = from;
    NUMBER *restrict evens = to, *restrict odds = evens + (width + 1) / 2;
    for (size_t i = 0; i < width / 2; i++) {
        evens[i] = row[2 * i];
        odds[i] = row[2 * i + 1];
    }
    if (width % 2)
        evens[width / 2] = row[width - 1];
}

/* --- Segments ----------------------------------------------------------------------------------- */

/* Bits of some numbers as they will be coded, nearly. */
TARGET static inline __attribute__((always_inline)) uint64_t NAME(piece_bits)(const NUMBER *numbers,
                                                                              const uint32_t count)
{
    uint64_t sum = 0;
    if (sizeof(NUMBER) == sizeof(int16_t)) {
        uint32_t narrow = 0;
        for (uint32_t i = 0; i < count; i++)
            narrow += vf_fold(numbers[i]);
        sum = narrow;
    } else {
        for (uint32_t i = 0; i < count; i++)
            sum += vf_fold(numbers[i]);
    }
    return rice_bits(sum, count);
}

TARGET static uint64_t NAME(coded_bits)(const NUMBER *numbers, uint64_t count)
{
    uint64_t bits = 0, at = 0;
    for (; at + PARTITION <= count; at += PARTITION)
        bits += NAME(piece_bits)(numbers + at, PARTITION);
    return bits + (at < count ? NAME(piece_bits)(numbers + at, (uint32_t)(count - at)) : 0);
}

TARGET static uint64_t NAME(zeros)(const NUMBER *numbers, uint64_t count)
{
    uint64_t zeros = 0;
    for (uint64_t at = 0; at < count; at += 4096) {
        const uint32_t here = count - at < 4096 ? (uint32_t)(count - at) : 4096;
        UNSIGNED some = 0;
        for (uint32_t i = 0; i < here; i++)
            some = (UNSIGNED)(some + (numbers[at + i] == 0));
        zeros += some;
    }
    return zeros;
}

/* Bit i of the result is whether number i of up to 64 is not 0. */
TARGET static uint64_t NAME(nonzeros)(const NUMBER *numbers, uint64_t count)
{
    uint8_t flags[64] = {0};
    uint64_t set = 0;
    UNSIGNED any = 0;
    if (count >= 64)
        for (unsigned i = 0; i < 64; i++) {
            flags[i] = numbers[i] != 0;
            any |= (UNSIGNED)numbers[i];
        }
    else
        for (unsigned i = 0; i < count; i++) {
            flags[i] = numbers[i] != 0;
            any |= (UNSIGNED)numbers[i];
        }
    if (!any)
        return 0;
    /* A product brings the lowest bits of eight bytes together. */
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t eight;
        memcpy(&eight, flags + i, sizeof eight);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        eight = __builtin_bswap64(eight);
#endif
        set |= (eight * UINT64_C(0x0102040810204080) >> 56) << i;
    }
    return set;
}

/* Write numbers as runs of zeros and what stands between them: run lengths to out, the rest behind them. */
TARGET static void NAME(runs)(const NUMBER *numbers, uint64_t count, uint64_t nonzeros,
                              bool of_digits, NUMBER *out, vf_segment *segment)
{
    NUMBER *run = out, *const rest = out + nonzeros + count / VF_LONG_RUN, *nonzero = rest;
    uint64_t next = 0; /* the first number that no run has */
    for (uint64_t at = 0; at < count; at += 64)
        for (uint64_t set = NAME(nonzeros)(numbers + at, count - at); set; set &= set - 1) {
            const uint64_t place = at + (unsigned)__builtin_ctzll(set);
            uint64_t zeros = place - next;
            const int32_t number = numbers[place];
            for (; zeros >= VF_LONG_RUN; zeros -= VF_LONG_RUN)
                *run++ = (NUMBER)vf_unfold(VF_LONG_RUN);
            *run++ = (NUMBER)vf_unfold((uint32_t)zeros);
            *nonzero++ = (NUMBER)(of_digits ? vf_unfold(vf_fold(number) - 1)
                                            : number - (number > 0));
            next = place + 1;
        }
    if (run != rest)
        memmove(run, rest, nonzeros * sizeof *rest);
    *segment =
        (vf_segment){.count = (uint64_t)(run - out), .nonzeros = nonzeros, .runs = true};
}

TARGET static uint64_t NAME(segment)(const void *from, uint64_t count, bool of_digits, void *to,
                                     vf_segment *segment)
{
    const NUMBER *numbers = from;
    NUMBER *out = to;
    const uint64_t zeros = NAME(zeros)(numbers, count);
    if (zeros * 2 > count) {
        NAME(runs)(numbers, count, count - zeros, of_digits, out, segment);
        if (NAME(coded_bits)(out, segment->count) +
                NAME(coded_bits)(out + segment->count, segment->nonzeros) <
            NAME(coded_bits)(numbers, count))
            return segment->count + segment->nonzeros;
    }
    *segment = (vf_segment){.count = count};
    memcpy(out, numbers, count * sizeof *out);
    return count;
}

#undef NUMBER
#undef UNSIGNED
#undef NAME
