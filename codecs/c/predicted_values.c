#include "predicted_values.h"

#include <stdlib.h>
#include <string.h>

#include "predicted_keys.h"

enum {
    NARROW = 1 << 16, /* values that a 16-bit stream has */
    HALF_NARROW = 1 << 15,
    HASH_BITS = 15,
    MOST_HASHED = 1 << 13, /* ranks of more values are not looked for, unless they are narrow */
};

/* Keys to look at: those of all pixels, or each one that occurs, in their order. */
typedef struct {
    const int64_t *keys;
    uint64_t count;
    bool distinct;
} key_list;

/* What a band's keys become. */
typedef struct {
    vf_keys keys;
    int64_t low, high; /* the keys between them are not special */
    unsigned special_count;
    int64_t specials[VF_MAX_SPECIALS]; /* keys */
    uint64_t step, entries;            /* of a linear map */
} band_plan;

/* --- Room --------------------------------------------------------------------------------------- */

unsigned vf_most_planes(const vf_predicted *tile)
{
    return vf_dtype_size(tile->dtype) == 8 ? 2 * tile->band_count : tile->band_count;
}

/* Integers of up to 16 bits, and bool, are such values from the start. */
static bool is_narrow(vf_dtype dtype)
{
    return vf_dtype_size(dtype) <= 2 && !vf_dtype_is_float(dtype);
}

unsigned vf_widest_value(vf_dtype dtype)
{
    return is_narrow(dtype) ? sizeof(int16_t) : sizeof(int32_t);
}

uint64_t vf_values_room(const vf_predicted *tile)
{
    const uint64_t plane = (tile->width + VF_SIDE) * tile->height + VF_SIDE;
    return plane * vf_most_planes(tile) * vf_widest_value(tile->dtype);
}

/* --- The range of a band ------------------------------------------------------------------------ */

/* A key far away from all others, such as nodata, would make the range of the rest wide. */
static bool stands_alone(uint64_t gap, uint64_t rest)
{
    return gap > 64 && gap / 2 > rest;
}

/* The least and the most of the keys from low to high, and what stands next to them. */
typedef struct {
    int64_t least, second, second_most, most;
} key_ends;

static key_ends ends_of(key_list list, int64_t low, int64_t high)
{
    key_ends ends = {INT64_MAX, INT64_MAX, INT64_MIN, INT64_MIN};
    for (uint64_t i = 0; i < list.count; i++) {
        const int64_t key = list.keys[i];
        if (key < low || key > high)
            continue;
        ends.least = key < ends.least ? key : ends.least;
        ends.most = key > ends.most ? key : ends.most;
    }
    for (uint64_t i = 0; i < list.count; i++) {
        const int64_t key = list.keys[i];
        if (key < ends.least || key > ends.most)
            continue;
        ends.second = key > ends.least && key < ends.second ? key : ends.second;
        ends.second_most = key < ends.most && key > ends.second_most ? key : ends.second_most;
    }
    return ends;
}

/* The same of keys in their order. */
static key_ends ends_of_distinct(key_list list, int64_t low, int64_t high)
{
    key_ends ends = {INT64_MAX, INT64_MAX, INT64_MIN, INT64_MIN};
    uint64_t first = 0, end = list.count;
    while (first < end && list.keys[first] < low)
        first++;
    while (end > first && list.keys[end - 1] > high)
        end--;
    if (first < end) {
        ends.least = list.keys[first];
        ends.most = list.keys[end - 1];
    }
    if (end - first > 1) {
        ends.second = list.keys[first + 1];
        ends.second_most = list.keys[end - 2];
    }
    return ends;
}

static void find_range(key_list list, band_plan *plan)
{
    plan->low = plan->keys.divisor ? VF_LEAST_KEY : INT64_MIN;
    plan->high = INT64_MAX;
    for (;;) {
        const key_ends ends = list.distinct ? ends_of_distinct(list, plan->low, plan->high)
                                            : ends_of(list, plan->low, plan->high);
        const int64_t least = ends.least, most = ends.most;
        if (least > most) { /* none but specials */
            plan->low = 0;
            plan->high = -1;
            return;
        }
        plan->low = least;
        plan->high = most;
        if (plan->special_count == VF_MAX_SPECIALS || least == most)
            return;
        if (stands_alone((uint64_t)ends.second - (uint64_t)least,
                         (uint64_t)most - (uint64_t)ends.second)) {
            plan->specials[plan->special_count++] = least;
            plan->low = ends.second;
        } else if (stands_alone((uint64_t)most - (uint64_t)ends.second_most,
                                (uint64_t)ends.second_most - (uint64_t)least)) {
            plan->specials[plan->special_count++] = most;
            plan->high = ends.second_most;
        } else {
            return;
        }
    }
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* How many indices a linear map of these keys has. 0: more than 2**31. */
static void find_step(key_list list, band_plan *plan)
{
    uint64_t step = 0;
    for (uint64_t i = 0; i < list.count && step != 1; i++)
        if (list.keys[i] > plan->low && list.keys[i] <= plan->high)
            step = common_divisor((uint64_t)list.keys[i] - (uint64_t)plan->low, step);
    plan->step = step ? step : 1;
    const bool none = plan->low > plan->high;
    const uint64_t last = none ? 0 : ((uint64_t)plan->high - (uint64_t)plan->low) / plan->step;
    plan->entries = last >> 31 ? 0 : last + !none + plan->special_count;
    if (plan->entries >> 31)
        plan->entries = 0;
}

/* The index of a key in the linear map. */
static inline uint64_t index_of(const band_plan *plan, int64_t key)
{
    if (key >= plan->low && key <= plan->high) {
        const uint64_t distance = (uint64_t)key - (uint64_t)plan->low;
        return plan->special_count + (plan->step == 1 ? distance : distance / plan->step);
    }
    unsigned k = 0;
    while (plan->specials[k] != key)
        k++;
    return k;
}

/* --- Ranks -------------------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The keys that occur, and a number that each one can be given. */
typedef struct {
    int64_t keys[1 << HASH_BITS];
    uint16_t numbers[1 << HASH_BITS]; /* plus 1; 0: there is no key */
} key_table;

/* The slot of a key, or the one where it would be. */
static inline uint32_t slot_of(const key_table *table, int64_t key)
{
    uint32_t slot = (uint32_t)((uint64_t)key * UINT64_C(0x9E3779B97F4A7C15) >> (64 - HASH_BITS));
    while (table->numbers[slot] && table->keys[slot] != key)
        slot = (slot + 1) % (1u << HASH_BITS);
    return slot;
}

/* The keys that occur, sorted, if there are at most MOST_HASHED; else 0 of them. The table is of zeros. */
static uint64_t distinct_keys(const int64_t *keys, uint64_t count, key_table *table, int64_t *found)
{
    uint64_t distinct = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (i && keys[i] == keys[i - 1])
            continue;
        const uint32_t slot = slot_of(table, keys[i]);
        if (table->numbers[slot])
            continue;
        if (distinct == MOST_HASHED)
            return 0;
        table->numbers[slot] = 1;
        table->keys[slot] = found[distinct++] = keys[i];
    }
    qsort(found, distinct, sizeof *found, compare_keys);
    return distinct;
}

/* Whether ranks are worth their table: few values with gaps between them, or mostly gaps. */
static bool ranks_serve(const int64_t *keys, uint64_t count, uint64_t step, uint64_t entries,
                        uint64_t pixels)
{
    uint64_t neighbours = 0;
    for (uint64_t i = 1; i < count; i++)
        neighbours += (uint64_t)keys[i] - (uint64_t)keys[i - 1] == step;
    if (count <= 256)
        return entries == 0 || count < entries;
    return (entries == 0 || neighbours * 5 < (count - 1) * 4) && count * 4 < pixels;
}

static vf_status make_ranks(vf_band *band, vf_dtype dtype, const vf_keys *keys, int64_t *found,
                            uint64_t count, uint64_t **gaps)
{
    for (uint64_t i = 0; keys->divisor && i < count; i++)
        found[i] = vf_ordered_of_key(dtype, keys, found[i]);
    if (keys->special_count) /* they lie anywhere */
        qsort(found, count, sizeof *found, compare_keys);
    *gaps = malloc((count ? count : 1) * sizeof **gaps);
    if (!*gaps)
        return VF_NO_MEMORY;
    band->map = VF_MAP_RANKS;
    band->entries = count;
    band->base = found[0];
    uint64_t all = 0;
    for (uint64_t i = 1; i < count; i++)
        all |= (*gaps)[i - 1] = (uint64_t)found[i] - (uint64_t)found[i - 1] - 1;
    band->digit_count = count > 1;
    while (band->digit_count < VF_MAX_DIGITS && all >> 16 * band->digit_count)
        band->digit_count++;
    return VF_OK;
}

/* The rank of an ordered integer. */
static uint64_t rank_of(const int64_t *sorted, uint64_t count, int64_t ordered)
{
    uint64_t low = 0, high = count - 1;
    while (low < high) {
        const uint64_t middle = (low + high) / 2;
        if (sorted[middle] < ordered)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* --- Bands -------------------------------------------------------------------------------------- */

static void make_linear(vf_band *band, vf_dtype dtype, const band_plan *plan)
{
    band->map = VF_MAP_LINEAR;
    band->entries = plan->entries;
    band->special_count = plan->special_count;
    for (unsigned k = 0; k < plan->special_count; k++)
        band->specials[k] = vf_ordered_of_key(dtype, &plan->keys, plan->specials[k]);
    band->base = plan->low;
    band->step = plan->step;
    band->divisor = plan->keys.divisor ? plan->keys.divisor : 1;
}

/* Choose the map of a band from its keys; `distinct` of them are listed in `found`, or none. Ranks leave
   ordered integers there. */
static vf_status choose_map(const vf_predicted *tile, vf_band *band, const int64_t *keys,
                            int64_t *found, uint64_t distinct, uint64_t **gaps, band_plan *plan)
{
    const uint64_t count = tile->width * tile->height;
    const unsigned size = vf_dtype_size(tile->dtype);
    const bool quotients = plan->keys.divisor != 0;
    const key_list list = {distinct ? found : keys, distinct ? distinct : count, distinct};
    for (unsigned k = 0; k < plan->keys.special_count; k++)
        plan->specials[plan->special_count++] = VF_LEAST_KEY - 1 - (int64_t)k;
    find_range(list, plan);
    find_step(list, plan);
    if (vf_dtype_is_float(tile->dtype) && !quotients)
        plan->entries = 0; /* a linear map of floats is one of quotients */
    if (distinct && ranks_serve(found, distinct, plan->step, plan->entries, count))
        return make_ranks(band, tile->dtype, &plan->keys, found, distinct, gaps);
    const bool narrows = size > 2 && plan->entries <= NARROW;
    if (plan->entries && (quotients || plan->special_count || plan->step > 1 || narrows || size == 8))
        make_linear(band, tile->dtype, plan);
    else
        band->map = VF_MAP_PLAIN;
    return VF_OK;
}

/* Where the values of a plane go. */
typedef struct {
    void *first;
    ptrdiff_t pitch;
} value_rows;

static int16_t *narrow_row(value_rows rows, uint64_t y)
{
    return (int16_t *)rows.first + (ptrdiff_t)y * rows.pitch;
}

static int32_t *wide_row(value_rows rows, uint64_t y)
{
    return (int32_t *)rows.first + (ptrdiff_t)y * rows.pitch;
}

/* The values of narrow keys, in place. Indices of more than 15 bits are stored less half their range. */
static void map_narrow(const vf_predicted *tile, const vf_band *band, const band_plan *plan,
                       const int64_t *found, uint64_t distinct, int16_t *table, value_rows rows)
{
    const int32_t less = band->entries > HALF_NARROW ? HALF_NARROW : 0;
    for (uint64_t i = 0; i < distinct; i++) {
        const uint64_t index = band->map == VF_MAP_RANKS ? i : index_of(plan, found[i]);
        table[found[i] + HALF_NARROW] = (int16_t)((int32_t)index - less);
    }
    for (uint64_t y = 0; y < tile->height; y++) {
        int16_t *row = narrow_row(rows, y);
        for (uint64_t x = 0; x < tile->width; x++)
            row[x] = table[row[x] + HALF_NARROW];
    }
}

/* Integers of up to 16 bits, and bool: each value that occurs is looked at once. */
static vf_status narrow_band(const vf_predicted *tile, vf_band *band, uint64_t **gaps,
                             value_rows rows)
{
    uint8_t *seen = calloc(NARROW, 1);
    if (!seen)
        return VF_NO_MEMORY;
    int16_t least = INT16_MAX, most = INT16_MIN;
    for (uint64_t y = 0; y < tile->height; y++) {
        const int16_t *row = narrow_row(rows, y);
        for (uint64_t x = 0; x < tile->width; x++)
            seen[row[x] + HALF_NARROW] = 1;
        for (uint64_t x = 0; x < tile->width; x++) {
            least = row[x] < least ? row[x] : least;
            most = row[x] > most ? row[x] : most;
        }
    }
    uint64_t distinct = 0;
    for (int32_t key = least; key <= most; key++)
        distinct += seen[key + HALF_NARROW];
    int64_t *found = malloc((distinct + 1) * sizeof *found);
    vf_status status = found ? VF_OK : VF_NO_MEMORY;
    if (status == VF_OK) {
        band_plan plan = {0};
        uint64_t at = 0;
        for (int32_t key = least; key <= most; at += seen[key + HALF_NARROW], key++)
            found[at] = key; /* without a branch; the last one may be left over */
        status = choose_map(tile, band, NULL, found, distinct, gaps, &plan);
        int16_t *table = NULL;
        if (status == VF_OK && band->map != VF_MAP_PLAIN) {
            table = malloc(NARROW * sizeof *table);
            if (table)
                map_narrow(tile, band, &plan, found, distinct, table, rows);
            else
                status = VF_NO_MEMORY;
        }
        free(table);
    }
    free(found);
    free(seen);
    return status;
}

/* What helps with wide keys, none of it small. */
typedef struct {
    key_table table;
    int64_t found[MOST_HASHED];
} key_help;

/* The value of a key that no table has. */
static int64_t value_of(const vf_band *band, const band_plan *plan, int64_t key)
{
    return band->map == VF_MAP_PLAIN ? key : (int64_t)index_of(plan, key);
}

/* All other dtypes. `low` receives the low halves of a band that takes two planes. */
static vf_status wide_band(const vf_predicted *tile, vf_band *band, int64_t *keys, uint64_t **gaps,
                           key_help *help, value_rows rows, value_rows low)
{
    const uint64_t width = tile->width, count = width * tile->height;
    band_plan plan = {0};
    vf_status status = VF_OK;
    if (vf_dtype_is_float(tile->dtype))
        status = vf_find_divisor(tile->dtype, keys, count, &plan.keys);
    if (status != VF_OK)
        return status;
    memset(&help->table, 0, sizeof help->table);
    const uint64_t distinct = distinct_keys(keys, count, &help->table, help->found);
    status = choose_map(tile, band, keys, help->found, distinct, gaps, &plan);
    const bool ranks = status == VF_OK && band->map == VF_MAP_RANKS;
    for (uint32_t slot = 0; ranks && slot < 1u << HASH_BITS; slot++)
        if (help->table.numbers[slot])
            help->table.numbers[slot] = (uint16_t)(
                1 + rank_of(help->found, distinct,
                            vf_ordered_of_key(tile->dtype, &plan.keys, help->table.keys[slot])));
    int64_t value = 0, before = 0;
    for (uint64_t y = 0; status == VF_OK && y < tile->height; y++, keys += width) {
        int32_t *high_row = wide_row(rows, y), *low_row = NULL;
        if (low.first && band->map == VF_MAP_PLAIN)
            low_row = wide_row(low, y);
        for (uint64_t x = 0; x < width; x++) {
            if ((x == 0 && y == 0) || keys[x] != before)
                value = ranks ? help->table.numbers[slot_of(&help->table, keys[x])] - 1
                              : value_of(band, &plan, keys[x]);
            before = keys[x];
            high_row[x] = (int32_t)(low_row ? value >> 32 : value);
            if (low_row)
                low_row[x] = (int32_t)((uint32_t)value - (UINT32_C(1) << 31));
        }
    }
    return status;
}

/* --- Tiles -------------------------------------------------------------------------------------- */

/* Whether all values of a plane have 16 bits. */
static bool plane_is_narrow(const vf_predicted *tile, value_rows rows)
{
    for (uint64_t y = 0; y < tile->height; y++) {
        const int32_t *row = wide_row(rows, y);
        uint32_t misfits = 0;
        for (uint64_t x = 0; x < tile->width; x++)
            misfits |= (uint32_t)row[x] + HALF_NARROW;
        if (misfits >> 16)
            return false;
    }
    return true;
}

/* Whether all wide values fit 16 bits, indices less half their range. */
static bool fits_narrow(const vf_predicted *tile, const vf_values *values)
{
    for (uint32_t i = 0; i < tile->band_count; i++) {
        const vf_band *band = &tile->bands[i];
        if (band->map != VF_MAP_PLAIN && band->entries > NARROW)
            return false;
        for (unsigned k = 0; band->map == VF_MAP_PLAIN && k < band->plane_count; k++)
            if (!plane_is_narrow(tile, (value_rows){values->planes[band->first_plane + k],
                                                    values->pitch}))
                return false;
    }
    return true;
}

/* Make the wide values of all planes narrow, each plane in its own place. */
static void make_narrow(const vf_predicted *tile, vf_values *values)
{
    for (uint32_t i = 0; i < tile->band_count; i++) {
        const vf_band *band = &tile->bands[i];
        const int32_t less =
            band->map != VF_MAP_PLAIN && band->entries > HALF_NARROW ? HALF_NARROW : 0;
        for (unsigned k = 0; k < band->plane_count; k++) {
            const value_rows rows = {values->planes[band->first_plane + k], values->pitch};
            for (uint64_t y = 0; y < tile->height; y++) {
                const int32_t *from = wide_row(rows, y);
                int16_t *to = narrow_row(rows, y); /* never ahead of what is read */
                for (uint64_t x = 0; x < tile->width; x++) {
                    const int16_t value = (int16_t)(from[x] - less);
                    memcpy(to + x, &value, sizeof value);
                }
            }
        }
    }
    values->depth = 16;
}

vf_status vf_values_choose(vf_predicted *tile, const vf_picture *picture, void *room,
                           vf_values *values)
{
    const uint64_t width = tile->width, height = tile->height;
    const unsigned item = vf_widest_value(tile->dtype);
    const bool narrow = is_narrow(tile->dtype);
    const uint32_t most_planes = vf_most_planes(tile);
    *values = (vf_values){.depth = 8 * item, .pitch = (ptrdiff_t)(width + VF_SIDE)};
    values->planes = calloc(most_planes, sizeof *values->planes);
    values->gaps = calloc(tile->band_count, sizeof *values->gaps);
    int64_t *keys = narrow ? NULL : malloc(width * height * sizeof *keys);
    key_help *help = narrow ? NULL : malloc(sizeof *help);
    vf_status status =
        values->planes && values->gaps && (narrow || (keys && help)) ? VF_OK : VF_NO_MEMORY;
    tile->plane_count = 0;
    const uint64_t plane_size = (height * (width + VF_SIDE) + VF_SIDE) * item;
    uint8_t *next = (uint8_t *)room + VF_SIDE * item;
    for (uint32_t i = 0; status == VF_OK && i < tile->band_count; i++) {
        vf_band *band = &tile->bands[i];
        const value_rows rows = {next, values->pitch};
        const value_rows low = {most_planes > tile->band_count ? next + plane_size : NULL,
                                values->pitch};
        if (narrow) {
            vf_read_narrow(tile, picture->bands[i], picture->row_stride, rows.first, rows.pitch);
            status = narrow_band(tile, band, &values->gaps[i], rows);
        } else {
            vf_read_ordered(tile, picture->bands[i], picture->row_stride, keys);
            status = wide_band(tile, band, keys, &values->gaps[i], help, rows, low);
        }
        band->first_plane = tile->plane_count;
        band->plane_count = band->map == VF_MAP_PLAIN && low.first ? 2 : 1;
        for (unsigned k = 0; k < band->plane_count; k++, next += plane_size)
            values->planes[tile->plane_count++] = next;
    }
    free(keys);
    free(help);
    if (status != VF_OK)
        vf_values_free(values, tile);
    else if (!narrow && fits_narrow(tile, values))
        make_narrow(tile, values);
    return status;
}

void vf_values_free(vf_values *values, const vf_predicted *tile)
{
    for (uint32_t i = 0; values->gaps && i < tile->band_count; i++)
        free(values->gaps[i]);
    free(values->gaps);
    free(values->planes);
    *values = (vf_values){0};
}
