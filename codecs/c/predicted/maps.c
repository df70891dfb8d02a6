#include "predicted/maps.h"

#include <stdlib.h>

enum { NARROW = 1 << 16 }; /* values that a 16-bit stream has */

/* Keys to look at: those of all pixels, or each one that occurs, in their order. */
typedef struct {
    const int64_t *keys;
    uint64_t count;
    bool distinct;
} key_list;

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

static void find_range(key_list list, vf_map_plan *plan)
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
static void find_step(key_list list, vf_map_plan *plan)
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

/* --- Ranks -------------------------------------------------------------------------------------- */

int vf_compare_keys(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
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
        qsort(found, count, sizeof *found, vf_compare_keys);
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

/* --- Bands -------------------------------------------------------------------------------------- */

static void make_linear(vf_band *band, vf_dtype dtype, const vf_map_plan *plan)
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

vf_status vf_choose_map(vf_dtype dtype, vf_band *band, const int64_t *keys, uint64_t count,
                        int64_t *found, uint64_t distinct, uint64_t **gaps, vf_map_plan *plan)
{
    const unsigned size = vf_dtype_size(dtype);
    const bool quotients = plan->keys.divisor != 0;
    const key_list list = {distinct ? found : keys, distinct ? distinct : count, distinct};
    for (unsigned k = 0; k < plan->keys.special_count; k++)
        plan->specials[plan->special_count++] = VF_LEAST_KEY - 1 - (int64_t)k;
    find_range(list, plan);
    find_step(list, plan);
    if (vf_dtype_is_float(dtype) && !quotients)
        plan->entries = 0; /* a linear map of floats is one of quotients */
    if (distinct && ranks_serve(found, distinct, plan->step, plan->entries, count))
        return make_ranks(band, dtype, &plan->keys, found, distinct, gaps);
    const bool narrows = size > 2 && plan->entries <= NARROW;
    if (plan->entries && (quotients || plan->special_count || plan->step > 1 || narrows || size == 8))
        make_linear(band, dtype, plan);
    else
        band->map = VF_MAP_PLAIN;
    return VF_OK;
}
