#include "predicted/values.h"

#include <stdlib.h>
#include <string.h>

#include "predicted/keys.h"
#include "predicted/maps.h"

enum {
    NARROW = 1 << 16, /* values that a 16-bit stream has */
    HALF_NARROW = 1 << 15,
    HASH_BITS = 15,
    MOST_HASHED = 1 << 13, /* ranks of more values are not looked for, unless they are narrow */
};

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

/* --- Ranks -------------------------------------------------------------------------------------- */

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
    qsort(found, distinct, sizeof *found, vf_compare_keys);
    return distinct;
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

enum { PIECE = 32 }; /* pixels that are looked at together, as they are often the same */

static bool is_uniform(const int16_t *row, uint64_t count)
{
    uint16_t differ = 0;
    for (uint64_t i = 0; i < count; i++)
        differ |= (uint16_t)(row[i] ^ row[0]);
    return differ == 0;
}

/* The values of narrow keys, in place. Indices of more than 15 bits are stored less half their range. */
static void map_narrow(const vf_predicted *tile, const vf_band *band, const vf_map_plan *plan,
                       const int64_t *found, uint64_t distinct, int16_t *table, value_rows rows)
{
    const int32_t less = band->entries > HALF_NARROW ? HALF_NARROW : 0;
    for (uint64_t i = 0; i < distinct; i++) {
        const uint64_t index = band->map == VF_MAP_RANKS ? i : vf_index_of(plan, found[i]);
        table[found[i] + HALF_NARROW] = (int16_t)((int32_t)index - less);
    }
    for (uint64_t y = 0; y < tile->height; y++) {
        int16_t *row = narrow_row(rows, y);
        for (uint64_t x = 0, here; x < tile->width; x += here) {
            here = tile->width - x < PIECE ? tile->width - x : PIECE;
            const int16_t first = table[row[x] + HALF_NARROW];
            if (is_uniform(row + x, here))
                for (uint64_t i = 0; i < here; i++)
                    row[x + i] = first;
            else
                for (uint64_t i = 0; i < here; i++)
                    row[x + i] = table[row[x + i] + HALF_NARROW];
        }
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
        for (uint64_t x = 0, here; x < tile->width; x += here) {
            here = tile->width - x < PIECE ? tile->width - x : PIECE;
            const uint64_t looked_at = is_uniform(row + x, here) ? 1 : here;
            for (uint64_t i = 0; i < looked_at; i++)
                seen[row[x + i] + HALF_NARROW] = 1;
        }
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
        vf_map_plan plan = {0};
        uint64_t at = 0;
        for (int32_t key = least; key <= most; at += seen[key + HALF_NARROW], key++)
            found[at] = key; /* without a branch; the last one may be left over */
        status = vf_choose_map(tile->dtype, band, NULL, tile->width * tile->height, found,
                               distinct, gaps, &plan);
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
static int64_t value_of(const vf_band *band, const vf_map_plan *plan, int64_t key)
{
    return band->map == VF_MAP_PLAIN ? key : (int64_t)vf_index_of(plan, key);
}

/* All other dtypes. `low` receives the low halves of a band that takes two planes. */
static vf_status wide_band(const vf_predicted *tile, vf_band *band, int64_t *keys, uint64_t **gaps,
                           key_help *help, value_rows rows, value_rows low)
{
    const uint64_t width = tile->width, count = width * tile->height;
    vf_map_plan plan = {0};
    vf_status status = VF_OK;
    if (vf_dtype_is_float(tile->dtype))
        status = vf_find_divisor(tile->dtype, keys, count, &plan.keys);
    if (status != VF_OK)
        return status;
    memset(&help->table, 0, sizeof help->table);
    const uint64_t distinct = distinct_keys(keys, count, &help->table, help->found);
    status = vf_choose_map(tile->dtype, band, keys, count, help->found, distinct, gaps, &plan);
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
