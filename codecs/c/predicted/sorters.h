/* What the kernels of predicted rows share: their sorters, each case compiled on its own. Included where
   TARGET, sort_plain() and sort_even_odd() are defined. */

typedef bool sorter(const vf_row *row, const int16_t **next, int16_t *e);

/* The number of classes is rounded up. */
#define SORTER(NAME, HOW, WEIGHS, COUNT)                                                           \
    TARGET static bool NAME(const vf_row *row, const int16_t **next, int16_t *e)                   \
    {                                                                                              \
        return HOW(row, next, e, WEIGHS, COUNT);                                                   \
    }
#define SORTERS(COUNT)                                                                             \
    SORTER(plain_##COUNT, sort_plain, false, COUNT)                                                \
    SORTER(weighed_plain_##COUNT, sort_plain, true, COUNT)                                         \
    SORTER(even_odd_##COUNT, sort_even_odd, false, COUNT)                                          \
    SORTER(weighed_even_odd_##COUNT, sort_even_odd, true, COUNT)
SORTERS(2)
SORTERS(4)
SORTERS(6)
SORTERS(8)
#define LISTED(COUNT)                                                                              \
    {plain_##COUNT, weighed_plain_##COUNT, even_odd_##COUNT, weighed_even_odd_##COUNT}
static sorter *const SORTERS_OF[MOST_CLASSES / 2][4] = {LISTED(2), LISTED(4), LISTED(6), LISTED(8)};

static bool sort16(const vf_row *row, const int16_t **next, int16_t *e)
{
    const vf_plane *plane = row->plane;
    if (plane->classes == 1 || plane->classes > MOST_CLASSES)
        return VF_SCALAR_ROWS.sort16(row, next, e);
    return SORTERS_OF[(plane->classes - 1) / 2][2 * plane->even_odd + plane->weighs](row, next, e);
}

static bool sort32(const vf_row *row, const int32_t **next, int32_t *e)
{
    return VF_SCALAR_ROWS.sort32(row, next, e);
}
