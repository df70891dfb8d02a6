/* The sorters of predicted/sorters.h for one type of numbers: NUMBER and NAME(x). Included once for each. */

/* The classes of a plane, `count` of them, a constant; those that are too many are never met. */
typedef struct {
    const NUMBER *next[MOST_CLASSES];
    counts thresholds[MOST_CLASSES];
    unsigned shift;
    counts any; /* magnitudes so far */
} NAME(classes);

TEMPLATE void NAME(begin_classes)(NAME(classes) *c, const vf_row *row, const NUMBER **next,
                                  const unsigned count)
{
    UNROLL for (unsigned i = 0; i < count; i++) {
        const bool met = i < row->plane->classes;
        c->next[i] = next[met ? i : 0];
        c->thresholds[i] = all_of(met ? row->plane->thresholds[i] : UINT16_MAX);
    }
    c->shift = row->plane->shift;
    c->any = all_of(0);
}

TEMPLATE bool NAME(end_classes)(const NAME(classes) *c, const vf_row *row, const NUMBER **next,
                                const unsigned count)
{
    UNROLL for (unsigned i = 0; i < count; i++)
        if (i < row->plane->classes)
            next[i] = c->next[i];
    return any_of(c->any);
}

/* The next numbers for the columns of `wanted`; elsewhere 0. */
TEMPLATE NAME(numbers) NAME(take)(NAME(classes) *c, counts activity, set wanted,
                                  const unsigned count)
{
    NAME(numbers) found = {0};
    set reached = wanted;
    UNROLL for (unsigned i = 0; i < count; i++) {
        const set higher = i + 1 < count ? at_least(wanted, activity, c->thresholds[i + 1]) : 0;
        NAME(spread)(&found, &c->next[i], reached & ~higher);
        reached = higher;
    }
    return found;
}

TEMPLATE counts NAME(magnitudes)(NAME(classes) *c, NAME(numbers) numbers)
{
    const counts sizes = NAME(sizes)(numbers, c->shift);
    c->any = either(c->any, sizes);
    return sizes;
}

TEMPLATE bool NAME(sort_plain)(const vf_row *row, const NUMBER **next, NUMBER *e,
                               const bool weighs, const unsigned count)
{
    NAME(classes) c;
    NAME(begin_classes)(&c, row, next, count);
    for (size_t x = 0; x < row->width; x += COLUMNS) {
        const set wanted = first_columns((ptrdiff_t)(row->width - x));
        const NAME(numbers) numbers = NAME(take)(&c, activity_of(row, x, weighs), wanted, count);
        NAME(store_numbers)(e + x, numbers);
        store(row->magnitudes + x, NAME(magnitudes)(&c, numbers));
    }
    return NAME(end_classes)(&c, row, next, count);
}

TEMPLATE bool NAME(sort_even_odd)(const vf_row *row, const NUMBER **next, NUMBER *e,
                                  const bool weighs, const unsigned count)
{
    const ptrdiff_t width = (ptrdiff_t)row->width, evens = (width + 1) / 2, odds = width / 2;
    uint16_t *odd_activity = row->scratch[0], *even_sizes = row->scratch[1];
    /* Half as many numbers as a row has, which may be twice as long. */
    uint8_t *even_numbers = (uint8_t *)row->scratch[2];
    NAME(classes) c;
    NAME(begin_classes)(&c, row, next, count);
    for (ptrdiff_t at = 0; at < evens; at += COLUMNS) {
        const counts left = activity_of(row, (size_t)(2 * at), weighs);
        const counts right = activity_of(row, (size_t)(2 * at + COLUMNS), weighs);
        const counts mine = evens_of(left, right);
        const NAME(numbers) numbers =
            NAME(take)(&c, add(mine, mine), first_columns(evens - at), count);
        store(odd_activity + at, odds_of(left, right));
        NAME(store_numbers)(even_numbers + at * (ptrdiff_t)sizeof(NUMBER), numbers);
        store(even_sizes + at, NAME(magnitudes)(&c, numbers));
    }
    store(even_sizes + evens, all_of(0));
    for (ptrdiff_t at = 0; at < evens; at += COLUMNS) {
        const NAME(numbers) numbers =
            NAME(load_numbers)(even_numbers + at * (ptrdiff_t)sizeof(NUMBER));
        const counts sizes = load(even_sizes + at);
        const counts sides = add(sizes, load(even_sizes + at + 1)), twice = add(sides, sides);
        const counts sum = add(add(load(odd_activity + at), sides), add(twice, twice));
        const NAME(numbers) others = NAME(take)(&c, sum, first_columns(odds - at), count);
        NAME(store_in_turn)(e + 2 * at, numbers, others);
        store_in_turn(row->magnitudes + 2 * at, sizes, NAME(magnitudes)(&c, others));
    }
    return NAME(end_classes)(&c, row, next, count);
}

/* Each case compiled on its own; the number of classes is rounded up. */
typedef bool NAME(sorter)(const vf_row *row, const NUMBER **next, NUMBER *e);

#define SORTER(CASE, HOW, WEIGHS, COUNT)                                                           \
    TARGET static bool NAME(CASE)(const vf_row *row, const NUMBER **next, NUMBER *e)               \
    {                                                                                              \
        return NAME(HOW)(row, next, e, WEIGHS, COUNT);                                             \
    }
#define SORTERS(COUNT)                                                                             \
    SORTER(plain_##COUNT##_of, sort_plain, false, COUNT)                                           \
    SORTER(weighed_plain_##COUNT##_of, sort_plain, true, COUNT)                                    \
    SORTER(even_odd_##COUNT##_of, sort_even_odd, false, COUNT)                                     \
    SORTER(weighed_even_odd_##COUNT##_of, sort_even_odd, true, COUNT)
#define LISTED(COUNT)                                                                              \
    {NAME(plain_##COUNT##_of), NAME(weighed_plain_##COUNT##_of), NAME(even_odd_##COUNT##_of),      \
     NAME(weighed_even_odd_##COUNT##_of)}
SORTERS(2)
SORTERS(4)
SORTERS(6)
SORTERS(8)
static NAME(sorter) *const NAME(SORTERS_OF)[MOST_CLASSES / 2][4] = {LISTED(2), LISTED(4), LISTED(6),
                                                                    LISTED(8)};
#undef SORTER
#undef SORTERS
#undef LISTED

static bool NAME(sort)(const vf_row *row, const NUMBER **next, NUMBER *e)
{
    const vf_plane *plane = row->plane;
    if (plane->classes == 1 || plane->classes > MOST_CLASSES)
        return VF_SCALAR_ROWS.NAME(sort)(row, next, e);
    const unsigned which = 2 * plane->even_odd + plane->weighs;
    return NAME(SORTERS_OF)[(plane->classes - 1) / 2][which](row, next, e);
}
