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

/* Keys to look at: those of all pixels, or each one that occurs. */
typedef struct {
    const int64_t *keys;
    uint64_t count;
} key_list;

/* What a band's keys become. */
typedef struct {
    vf_keys keys;
    int64_t low, high; /* the keys between them are not special */
    unsigned special_count;
    int64_t specials[VF_MAX_SPECIALS]; /* keys */
    uint64_t step, entries;            /* of a linear map */
} band_plan;

/* --- The range of a band ------------------------------------------------------------------------ */

/* A key far away from all others, such as nodata, would make the range of the rest wide. */
static bool stands_alone(uint64_t gap, uint64_t rest)
{
    return gap > 64 && gap / 2 > rest;
}

static void find_range(key_list list, band_plan *plan)
{
    plan->low = plan->keys.divisor ? VF_LEAST_KEY : INT64_MIN;
    plan->high = INT64_MAX;
    for (;;) {
        int64_t least = INT64_MAX, most = INT64_MIN, second = INT64_MAX, second_most = INT64_MIN;
        for (uint64_t i = 0; i < list.count; i++) {
            const int64_t key = list.keys[i];
            if (key < plan->low || key > plan->high)
                continue;
            least = key < least ? key : least;
            most = key > most ? key : most;
        }
        for (uint64_t i = 0; i < list.count; i++) {
            const int64_t key = list.keys[i];
            if (key < least || key > most)
                continue;
            second = key > least && key < second ? key : second;
            second_most = key < most && key > second_most ? key : second_most;
        }
        if (least > most) { /* none but specials */
            plan->low = 0;
            plan->high = -1;
            return;
        }
        plan->low = least;
        plan->high = most;
        if (plan->special_count == VF_MAX_SPECIALS || least == most)
            return;
        if (stands_alone((uint64_t)second - (uint64_t)least, (uint64_t)most - (uint64_t)second)) {
            plan->specials[plan->special_count++] = least;
            plan->low = second;
        } else if (stands_alone((uint64_t)most - (uint64_t)second_most,
                                (uint64_t)second_most - (uint64_t)least)) {
            plan->specials[plan->special_count++] = most;
            plan->high = second_most;
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

/* The keys that occur, sorted, if there are at most MOST_HASHED; else 0 of them. */
static vf_status distinct_keys(key_list list, int64_t *found, uint64_t *count)
{
    const uint64_t room = UINT64_C(1) << HASH_BITS;
    int64_t *slots = malloc(room * sizeof *slots);
    uint8_t *used = calloc(room, 1);
    *count = 0;
    vf_status status = slots && used ? VF_OK : VF_NO_MEMORY;
    for (uint64_t i = 0; status == VF_OK && i < list.count; i++) {
        const int64_t key = list.keys[i];
        if (i && key == list.keys[i - 1])
            continue;
        uint64_t slot = (uint64_t)key * UINT64_C(0x9E3779B97F4A7C15) >> (64 - HASH_BITS);
        while (used[slot] && slots[slot] != key)
            slot = (slot + 1) % room;
        if (used[slot])
            continue;
        if (*count == MOST_HASHED) {
            *count = 0;
            break;
        }
        used[slot] = 1;
        slots[slot] = found[(*count)++] = key;
    }
    qsort(found, *count, sizeof *found, compare_keys);
    free(slots);
    free(used);
    return status;
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
    for (uint64_t i = 0; i < count; i++)
        found[i] = vf_ordered_of_key(dtype, keys, found[i]);
    qsort(found, count, sizeof *found, compare_keys); /* specials lie anywhere */
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

/* How a band's keys become values. */
typedef struct {
    band_plan plan;
    vf_map_kind map;
    vf_dtype dtype;
    const int64_t *sorted; /* ranks: ordered integers */
    uint64_t count;
} band_map;

static int64_t value_of(const band_map *map, int64_t key)
{
    if (map->map == VF_MAP_PLAIN)
        return key;
    if (map->map == VF_MAP_LINEAR)
        return (int64_t)index_of(&map->plan, key);
    return (int64_t)rank_of(map->sorted, map->count,
                            vf_ordered_of_key(map->dtype, &map->plan.keys, key));
}

/* Choose the map of a band from its keys; `distinct` of them are listed in `found`, or none. */
static vf_status choose_map(const vf_predicted *tile, vf_band *band, key_list pixels,
                            int64_t *found, uint64_t distinct, uint64_t **gaps, band_map *map)
{
    band_plan *plan = &map->plan;
    const unsigned size = vf_dtype_size(tile->dtype);
    const bool quotients = plan->keys.divisor != 0;
    key_list list = distinct ? (key_list){found, distinct} : pixels;
    for (unsigned k = 0; k < plan->keys.special_count; k++)
        plan->specials[plan->special_count++] = VF_LEAST_KEY - 1 - (int64_t)k;
    find_range(list, plan);
    find_step(list, plan);
    if (vf_dtype_is_float(tile->dtype) && !quotients)
        plan->entries = 0; /* a linear map of floats is one of quotients */
    map->dtype = tile->dtype;
    if (distinct && ranks_serve(found, distinct, plan->step, plan->entries, pixels.count)) {
        map->map = VF_MAP_RANKS;
        map->sorted = found;
        map->count = distinct;
        return make_ranks(band, tile->dtype, &plan->keys, found, distinct, gaps);
    }
    const bool narrows = size > 2 && plan->entries <= NARROW;
    if (plan->entries && (quotients || plan->special_count || plan->step > 1 || narrows || size == 8)) {
        map->map = VF_MAP_LINEAR;
        make_linear(band, tile->dtype, plan);
    } else {
        map->map = band->map = VF_MAP_PLAIN;
    }
    return VF_OK;
}

/* Integers of up to 16 bits, and bool: each value that occurs is mapped once. */
static vf_status narrow_band(const vf_predicted *tile, vf_band *band, int64_t *keys,
                             uint64_t **gaps, int32_t *values)
{
    const uint64_t count = tile->width * tile->height;
    uint8_t *seen = calloc(NARROW, 1);
    int64_t *found = malloc(NARROW * sizeof *found);
    int32_t *table = malloc(NARROW * sizeof *table);
    vf_status status = seen && found && table ? VF_OK : VF_NO_MEMORY;
    if (status == VF_OK) {
        uint64_t distinct = 0;
        for (uint64_t i = 0; i < count; i++)
            seen[keys[i] + HALF_NARROW] = 1;
        for (int64_t i = 0; i < NARROW; i++)
            if (seen[i])
                found[distinct++] = i - HALF_NARROW;
        band_map map = {0};
        status = choose_map(tile, band, (key_list){keys, count}, found, distinct, gaps, &map);
        for (int64_t i = 0; status == VF_OK && i < NARROW; i++)
            if (seen[i])
                table[i] = (int32_t)value_of(&map, i - HALF_NARROW);
        for (uint64_t i = 0; status == VF_OK && i < count; i++)
            values[i] = table[keys[i] + HALF_NARROW];
    }
    free(seen);
    free(found);
    free(table);
    return status;
}

/* All other dtypes. `low` receives the low halves of a band that takes two planes. */
static vf_status wide_band(const vf_predicted *tile, vf_band *band, int64_t *keys, uint64_t **gaps,
                           int32_t *values, int32_t *low)
{
    const uint64_t count = tile->width * tile->height;
    int64_t *found = malloc(MOST_HASHED * sizeof *found);
    uint64_t distinct = 0;
    band_map map = {0};
    vf_status status = found ? VF_OK : VF_NO_MEMORY;
    if (status == VF_OK && vf_dtype_is_float(tile->dtype))
        status = vf_find_divisor(tile->dtype, keys, count, &map.plan.keys);
    if (status == VF_OK)
        status = distinct_keys((key_list){keys, count}, found, &distinct);
    if (status == VF_OK)
        status = choose_map(tile, band, (key_list){keys, count}, found, distinct, gaps, &map);
    int64_t value = 0;
    for (uint64_t i = 0; status == VF_OK && i < count; i++) {
        if (i == 0 || keys[i] != keys[i - 1])
            value = value_of(&map, keys[i]);
        if (low && map.map == VF_MAP_PLAIN) {
            values[i] = (int32_t)(value >> 32);
            low[i] = (int32_t)((uint32_t)value - (UINT32_C(1) << 31));
        } else {
            values[i] = (int32_t)value;
        }
    }
    free(found);
    return status;
}

/* --- Tiles -------------------------------------------------------------------------------------- */

/* Whether all values fit 16 bits, indices less half their range. */
static bool fits_narrow(const vf_predicted *tile, const vf_values *values)
{
    const uint64_t count = tile->width * tile->height;
    for (uint32_t i = 0; i < tile->band_count; i++) {
        const vf_band *band = &tile->bands[i];
        if (band->map != VF_MAP_PLAIN) {
            if (band->entries > NARROW)
                return false;
            continue;
        }
        if (vf_dtype_size(tile->dtype) <= 2)
            continue;
        for (unsigned k = 0; k < band->plane_count; k++)
            for (uint64_t n = 0; n < count; n++)
                if (values->planes[band->first_plane + k][n] !=
                    (int16_t)values->planes[band->first_plane + k][n])
                    return false;
    }
    return true;
}

static void settle_depth(const vf_predicted *tile, vf_values *values)
{
    const uint64_t count = tile->width * tile->height;
    values->depth = fits_narrow(tile, values) ? 16 : 32;
    for (uint32_t i = 0; values->depth == 16 && i < tile->band_count; i++) {
        const vf_band *band = &tile->bands[i];
        if (band->map == VF_MAP_PLAIN || band->entries <= HALF_NARROW)
            continue;
        int32_t *plane = values->planes[band->first_plane];
        for (uint64_t n = 0; n < count; n++)
            plane[n] -= HALF_NARROW;
    }
}

vf_status vf_values_choose(vf_predicted *tile, const vf_picture *picture, vf_values *values)
{
    const uint64_t count = tile->width * tile->height;
    const unsigned size = vf_dtype_size(tile->dtype);
    const bool narrow = size <= 2 && !vf_dtype_is_float(tile->dtype);
    const unsigned most_planes = size == 8 ? 2 : 1;
    *values = (vf_values){0};
    values->planes = calloc(most_planes * tile->band_count, sizeof *values->planes);
    values->gaps = calloc(tile->band_count, sizeof *values->gaps);
    int32_t *memory = malloc(count * most_planes * tile->band_count * sizeof *memory);
    int64_t *keys = malloc(count * sizeof *keys);
    values->owned = memory;
    vf_status status =
        values->planes && values->gaps && memory && keys ? VF_OK : VF_NO_MEMORY;
    tile->plane_count = 0;
    for (uint32_t i = 0; status == VF_OK && i < tile->band_count; i++) {
        vf_band *band = &tile->bands[i];
        int32_t *low = most_planes == 2 ? memory + count : NULL;
        vf_read_ordered(tile, picture->bands[i], picture->row_stride, keys);
        status = narrow ? narrow_band(tile, band, keys, &values->gaps[i], memory)
                        : wide_band(tile, band, keys, &values->gaps[i], memory, low);
        band->first_plane = tile->plane_count;
        band->plane_count = band->map == VF_MAP_PLAIN ? most_planes : 1;
        for (unsigned k = 0; k < band->plane_count; k++, memory += count)
            values->planes[tile->plane_count++] = memory;
    }
    free(keys);
    if (status == VF_OK)
        settle_depth(tile, values);
    else
        vf_values_free(values, tile);
    return status;
}

void vf_values_free(vf_values *values, const vf_predicted *tile)
{
    for (uint32_t i = 0; values->gaps && i < tile->band_count; i++)
        free(values->gaps[i]);
    free(values->gaps);
    free(values->planes);
    free(values->owned);
    *values = (vf_values){0};
}
