#include "predicted/description.h"

#include <stdlib.h>
#include <string.h>

#include "zarr_flac.h"

enum { VERSION = 1, CHECKSUM = 4 /* bytes of the CRC-32 at the end */ };
enum { FLAG_LINEAR = 1, FLAG_EVEN_ODD = 2, FLAG_REFERENCE = 4, FLAG_WEIGHS = 8 };
/* The fewest bytes that a band and its plane take, so that their number is known to be possible. */
enum { LEAST_PLANE = 5, LEAST_BAND = 1 + LEAST_PLANE };

static const struct {
    uint8_t size;
    bool is_unsigned, is_float;
} DTYPES[VF_DTYPE_COUNT] = {
    [VF_BOOL] = {1, true, false},   [VF_INT8] = {1, false, false},
    [VF_INT16] = {2, false, false}, [VF_INT32] = {4, false, false},
    [VF_INT64] = {8, false, false}, [VF_UINT8] = {1, true, false},
    [VF_UINT16] = {2, true, false}, [VF_UINT32] = {4, true, false},
    [VF_UINT64] = {8, true, false}, [VF_FLOAT16] = {2, false, true},
    [VF_FLOAT32] = {4, false, true}, [VF_FLOAT64] = {8, false, true},
};

unsigned vf_dtype_size(vf_dtype dtype)
{
    return DTYPES[dtype].size;
}
bool vf_dtype_is_float(vf_dtype dtype)
{
    return DTYPES[dtype].is_float;
}
bool vf_dtype_is_unsigned(vf_dtype dtype)
{
    return DTYPES[dtype].is_unsigned;
}

/* --- Reading ------------------------------------------------------------------------------------ */

/* The bytes still to be read. After `bad`, all that is read is 0. */
typedef struct {
    const uint8_t *next, *end;
    bool bad;
} reader;

static uint8_t read_byte(reader *in)
{
    if (in->next == in->end) {
        in->bad = true;
        return 0;
    }
    return *in->next++;
}

/* LEB128 in its shortest form, of at most 64 bits. */
static uint64_t read_number(reader *in)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = read_byte(in), bits = byte & 127;
        if (in->bad || (shift == 63 && bits > 1) || (byte == 0 && shift))
            break;
        value |= bits << shift;
        if (byte < 128)
            return value;
    }
    in->bad = true;
    return 0;
}

static uint64_t read_within(reader *in, uint64_t least, uint64_t most)
{
    uint64_t value = read_number(in);
    if (value < least || value > most)
        in->bad = true;
    return in->bad ? least : value;
}

static int64_t read_signed(reader *in)
{
    uint64_t value = read_number(in);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static int64_t read_signed_within(reader *in, int64_t least, int64_t most)
{
    int64_t value = read_signed(in);
    if (value < least || value > most)
        in->bad = true;
    return in->bad ? least : value;
}

/* A segment of at most `most` values. */
static vf_segment read_segment(reader *in, uint64_t most)
{
    uint64_t value = read_number(in);
    vf_segment segment = {.count = value >> 1, .runs = value & 1};
    if (segment.runs)
        segment.nonzeros = read_within(in, 0, most);
    /* A run length is one before a non-zero, or one of 65,535 zeros. */
    uint64_t possible = segment.runs ? segment.nonzeros + most / VF_LONG_RUN : most;
    if (segment.count > possible || (segment.runs && segment.nonzeros > segment.count))
        in->bad = true;
    return segment;
}

static void read_plane(reader *in, vf_plane *plane, uint32_t number, uint64_t pixels)
{
    uint8_t flags = read_byte(in);
    if (flags & ~(FLAG_LINEAR | FLAG_EVEN_ODD | FLAG_REFERENCE | FLAG_WEIGHS) ||
        (flags & FLAG_WEIGHS && !(flags & FLAG_REFERENCE)))
        in->bad = true;
    plane->linear = flags & FLAG_LINEAR;
    plane->even_odd = flags & FLAG_EVEN_ODD;
    plane->weighs = flags & FLAG_WEIGHS;
    plane->origin = read_signed_within(in, INT32_MIN, INT32_MAX);
    if (plane->linear) {
        static const uint8_t ORDER[] = {VF_TAP_W, VF_TAP_NW, VF_TAP_NE, VF_TAP_WW, VF_TAP_NN};
        int32_t rest = 256;
        for (size_t i = 0; i < sizeof ORDER; i++) {
            plane->taps[ORDER[i]] = (int32_t)read_signed_within(in, -VF_MAX_TAP, VF_MAX_TAP);
            rest -= plane->taps[ORDER[i]];
        }
        plane->taps[VF_TAP_N] = rest;
        if (rest < -VF_MAX_TAP || rest > VF_MAX_TAP)
            in->bad = true;
    }
    plane->reference = -1;
    if (flags & FLAG_REFERENCE) {
        if (number == 0)
            in->bad = true;
        plane->reference = (int32_t)read_within(in, 0, number ? number - 1 : 0);
        plane->alpha = (int32_t)read_signed_within(in, INT16_MIN, INT16_MAX);
    }
    plane->shift = read_byte(in);
    plane->classes = read_byte(in);
    if (plane->shift > VF_MAX_SHIFT || plane->classes < 1 || plane->classes > VF_MAX_CLASSES) {
        in->bad = true;
        return;
    }
    for (unsigned i = 1; i < plane->classes; i++) {
        uint64_t before = plane->thresholds[i - 1];
        if (before == UINT16_MAX)
            in->bad = true;
        else
            plane->thresholds[i] = (uint16_t)(before + read_within(in, 1, UINT16_MAX - before));
    }
    /* The classes share the pixels, and a run of zeros has one at least. */
    for (unsigned i = 0; i < plane->classes; i++) {
        const vf_segment segment = read_segment(in, pixels);
        plane->segments[i] = segment;
        pixels -= in->bad ? 0 : segment.runs ? segment.nonzeros : segment.count;
    }
}

/* Whether base + step * last stays within 64 bits; *result is the sum. */
static bool last_value(int64_t base, uint64_t step, uint64_t last, int64_t *result)
{
    uint64_t room = (uint64_t)INT64_MAX - (uint64_t)base; /* modulo 2**64: right for any base */
    uint64_t product;
    if (__builtin_mul_overflow(step, last, &product) || product > room)
        return false;
    *result = (int64_t)((uint64_t)base + product);
    return true;
}

static void read_linear(reader *in, vf_band *band, vf_dtype dtype, int64_t least, int64_t most)
{
    band->special_count = (unsigned)read_within(in, 0, VF_MAX_SPECIALS);
    for (unsigned i = 0; i < band->special_count; i++)
        band->specials[i] = read_signed_within(in, least, most);
    band->base = read_signed(in);
    band->step = read_within(in, 1, UINT64_MAX);
    band->divisor = read_within(in, 1, UINT64_MAX);
    if (band->entries <= band->special_count)
        return; /* no index is left for the rest */
    int64_t last;
    if (!last_value(band->base, band->step, band->entries - 1 - band->special_count, &last)) {
        in->bad = true;
    } else if (vf_dtype_is_float(dtype)) {
        /* Whole numbers of doubles, so that the quotient is what it says. */
        const int64_t exact = INT64_C(1) << 53;
        if (band->base < -exact || last > exact || band->divisor > (uint64_t)exact)
            in->bad = true;
    } else if (band->base < least || last > most || band->divisor != 1) {
        in->bad = true;
    }
}

static void read_band(reader *in, vf_predicted *tile, vf_band *band)
{
    const unsigned bits = 8 * vf_dtype_size(tile->dtype);
    const int64_t most = (int64_t)((UINT64_C(1) << (bits - 1)) - 1), least = -most - 1;
    const uint64_t pixels = tile->width * tile->height;
    uint8_t map = read_byte(in);
    if (map >= VF_MAP_COUNT)
        in->bad = true;
    band->map = map;
    if (band->map == VF_MAP_LINEAR) {
        band->entries = read_within(in, 1, UINT64_C(1) << 31);
        read_linear(in, band, tile->dtype, least, most);
    } else if (band->map == VF_MAP_RANKS) {
        /* Ranks are those of values that occur. */
        band->entries = read_within(in, 1, pixels < INT32_MAX ? pixels : INT32_MAX);
        band->base = read_signed_within(in, least, most);
        band->digit_count = read_byte(in);
        if (band->digit_count > VF_MAX_DIGITS || (band->digit_count == 0) != (band->entries == 1)) {
            in->bad = true;
            return;
        }
        for (unsigned i = 0; i < band->digit_count; i++)
            band->digits[i] = read_segment(in, band->entries - 1);
    }
    band->first_plane = tile->plane_count;
    band->plane_count = band->map == VF_MAP_PLAIN && bits == 64 ? 2 : 1;
    for (unsigned i = 0; i < band->plane_count && !in->bad; i++, tile->plane_count++)
        read_plane(in, &tile->planes[tile->plane_count], tile->plane_count, pixels);
}

/* Count the numbers of a segment, which stay far below 2**64 each. */
static void count_segments(const vf_segment *segments, unsigned count, reader *in, uint64_t *sum)
{
    for (unsigned i = 0; i < count; i++)
        if (__builtin_add_overflow(*sum, segments[i].count + segments[i].nonzeros, sum))
            in->bad = true;
}

vf_status vf_predicted_parse(const uint8_t *data, size_t size, vf_predicted *tile)
{
    *tile = (vf_predicted){0};
    if (size < CHECKSUM)
        return VF_BAD_DESCRIPTION;
    size -= CHECKSUM;
    uint32_t checksum = 0;
    for (unsigned i = 0; i < CHECKSUM; i++)
        checksum = checksum << 8 | data[size + i];
    if (checksum != vf_crc32(0, data, size))
        return VF_BAD_DESCRIPTION;
    reader in = {data, data + size, false};
    uint8_t version = read_byte(&in);
    if (!in.bad && version != VERSION)
        return VF_UNKNOWN_VERSION;
    uint8_t dtype = read_byte(&in);
    tile->width = read_within(&in, 1, VF_MAX_SIDE);
    tile->height = read_within(&in, 1, VF_MAX_SIDE);
    uint64_t bands = read_within(&in, 1, VF_MAX_BANDS);
    if (in.bad || dtype >= VF_DTYPE_COUNT || tile->width * tile->height >> 40 ||
        bands > size / LEAST_BAND)
        return VF_BAD_DESCRIPTION;
    tile->dtype = dtype;
    tile->band_count = (uint32_t)bands;
    tile->bands = calloc(bands, sizeof *tile->bands);
    tile->planes = calloc(2 * bands, sizeof *tile->planes);
    if (!tile->bands || !tile->planes) {
        vf_predicted_free(tile);
        return VF_NO_MEMORY;
    }
    for (uint64_t i = 0; i < bands && !in.bad; i++) {
        vf_band *band = &tile->bands[i];
        read_band(&in, tile, band);
        if (in.bad)
            break; /* counts of segments may be anything */
        count_segments(band->digits, band->digit_count, &in, &tile->numbers);
        for (unsigned k = 0; k < band->plane_count; k++) {
            const vf_plane *plane = &tile->planes[band->first_plane + k];
            count_segments(plane->segments, plane->classes, &in, &tile->numbers);
        }
    }
    if (in.bad || in.next != in.end || tile->numbers >> 56) {
        vf_predicted_free(tile);
        return VF_BAD_DESCRIPTION;
    }
    return VF_OK;
}

void vf_predicted_free(vf_predicted *tile)
{
    free(tile->bands);
    free(tile->planes);
    *tile = (vf_predicted){0};
}

/* --- Writing ------------------------------------------------------------------------------------ */

static uint8_t *put_number(uint8_t *out, uint64_t value)
{
    for (; value > 127; value >>= 7)
        *out++ = (uint8_t)(value | 128);
    *out++ = (uint8_t)value;
    return out;
}

static uint8_t *put_signed(uint8_t *out, int64_t value)
{
    return put_number(out, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

static uint8_t *put_segments(uint8_t *out, const vf_segment *segments, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        out = put_number(out, segments[i].count << 1 | segments[i].runs);
        if (segments[i].runs)
            out = put_number(out, segments[i].nonzeros);
    }
    return out;
}

static uint8_t *put_plane(uint8_t *out, const vf_plane *plane)
{
    *out++ = (uint8_t)((plane->linear ? FLAG_LINEAR : 0) | (plane->even_odd ? FLAG_EVEN_ODD : 0) |
                       (plane->reference >= 0 ? FLAG_REFERENCE : 0) |
                       (plane->weighs ? FLAG_WEIGHS : 0));
    out = put_signed(out, plane->origin);
    if (plane->linear) {
        out = put_signed(out, plane->taps[VF_TAP_W]);
        out = put_signed(out, plane->taps[VF_TAP_NW]);
        out = put_signed(out, plane->taps[VF_TAP_NE]);
        out = put_signed(out, plane->taps[VF_TAP_WW]);
        out = put_signed(out, plane->taps[VF_TAP_NN]);
    }
    if (plane->reference >= 0) {
        out = put_number(out, (uint64_t)plane->reference);
        out = put_signed(out, plane->alpha);
    }
    *out++ = (uint8_t)plane->shift;
    *out++ = (uint8_t)plane->classes;
    for (unsigned i = 1; i < plane->classes; i++)
        out = put_number(out, (uint64_t)(plane->thresholds[i] - plane->thresholds[i - 1]));
    return put_segments(out, plane->segments, plane->classes);
}

size_t vf_predicted_room(const vf_predicted *tile)
{
    const size_t number = 10, segments = 2 * number;
    const size_t band = 2 + (5 + VF_MAX_SPECIALS) * number + VF_MAX_DIGITS * segments;
    const size_t plane = 3 + 8 * number + VF_MAX_CLASSES * (3 + segments);
    return 2 + CHECKSUM + 3 * number + tile->band_count * band + tile->plane_count * plane;
}

size_t vf_predicted_pack(const vf_predicted *tile, uint8_t *const start)
{
    uint8_t *out = start;
    *out++ = VERSION;
    *out++ = (uint8_t)tile->dtype;
    out = put_number(out, tile->width);
    out = put_number(out, tile->height);
    out = put_number(out, tile->band_count);
    for (uint32_t i = 0; i < tile->band_count; i++) {
        const vf_band *band = &tile->bands[i];
        *out++ = (uint8_t)band->map;
        if (band->map != VF_MAP_PLAIN)
            out = put_number(out, band->entries);
        if (band->map == VF_MAP_LINEAR) {
            out = put_number(out, band->special_count);
            for (unsigned k = 0; k < band->special_count; k++)
                out = put_signed(out, band->specials[k]);
            out = put_signed(out, band->base);
            out = put_number(out, band->step);
            out = put_number(out, band->divisor);
        } else if (band->map == VF_MAP_RANKS) {
            out = put_signed(out, band->base);
            *out++ = (uint8_t)band->digit_count;
            out = put_segments(out, band->digits, band->digit_count);
        }
        for (unsigned k = 0; k < band->plane_count; k++)
            out = put_plane(out, &tile->planes[band->first_plane + k]);
    }
    const uint32_t checksum = vf_crc32(0, start, (size_t)(out - start));
    for (unsigned shift = 32; shift; shift -= 8)
        *out++ = (uint8_t)(checksum >> (shift - 8));
    return (size_t)(out - start);
}
