/* Predicted tiles: what their description says. Bytes of an APPLICATION block <-> numbers, checked. Knows
   neither frames nor pixels. The format stands in codecs/README.md, "Predicted tiles". */
#ifndef VF_PREDICTED_H
#define VF_PREDICTED_H

#include "zarr_flac.h"

enum {
    VF_MAX_CLASSES = 16,
    VF_MAX_SPECIALS = 3,
    VF_MAX_DIGITS = 4,
    VF_MAX_SHIFT = 24,
    VF_MAX_TAP = 1024,
    VF_MAX_MAGNITUDE = 1900, /* 34 of them, the most that an activity sums, fit 16 bits */
    VF_LONG_RUN = 65535,     /* a run length: so many zeros, and the run goes on */
    VF_MAX_PADDING = 63,     /* zeros behind the last number */
};

bool vf_dtype_is_float(vf_dtype dtype);
bool vf_dtype_is_unsigned(vf_dtype dtype); /* bool is */

/* Numbers that stand together in the stream. */
typedef struct {
    uint64_t count;    /* numbers, or run lengths */
    uint64_t nonzeros; /* behind the run lengths */
    bool runs;
} vf_segment;

/* The neighbours that a linear prediction weighs. */
enum { VF_TAP_W, VF_TAP_N, VF_TAP_NW, VF_TAP_NE, VF_TAP_WW, VF_TAP_NN, VF_TAPS };

typedef struct {
    bool linear;   /* else the median */
    bool even_odd; /* of each row the even columns first */
    bool weighs;   /* the reference's magnitudes count in the activity */
    int32_t reference; /* an earlier plane, or -1 */
    int32_t alpha;     /* its weight in 256ths */
    int32_t taps[VF_TAPS]; /* in 256ths; their sum is 256 */
    int64_t origin;        /* the prediction of the first pixel */
    unsigned shift;
    unsigned classes;
    uint16_t thresholds[VF_MAX_CLASSES]; /* least activity of each class; the first one is 0 */
    vf_segment segments[VF_MAX_CLASSES];
} vf_plane;

typedef enum { VF_MAP_PLAIN, VF_MAP_LINEAR, VF_MAP_RANKS, VF_MAP_COUNT } vf_map_kind;

typedef struct {
    vf_map_kind map;
    uint64_t entries;  /* linear and ranks: how many indices there are */
    unsigned special_count;
    int64_t specials[VF_MAX_SPECIALS]; /* ordered integers */
    int64_t base;      /* linear: of the first index behind the specials; ranks: the first value */
    uint64_t step, divisor;
    unsigned digit_count;
    vf_segment digits[VF_MAX_DIGITS];
    uint32_t first_plane, plane_count;
} vf_band;

typedef struct {
    vf_dtype dtype;
    uint64_t width, height;
    uint32_t band_count, plane_count;
    vf_band *bands;
    vf_plane *planes;
    uint64_t numbers; /* of the stream, without what pads it */
} vf_predicted;

/* Parse a description. Takes about 1 kB of memory a band. On VF_OK every field lies within its
   range, no sum overflows, and *tile owns memory: free it with vf_predicted_free(). Otherwise
   VF_UNKNOWN_VERSION, VF_BAD_DESCRIPTION or VF_NO_MEMORY, and nothing is owned. */
vf_status vf_predicted_parse(const uint8_t *data, size_t size, vf_predicted *tile);
void vf_predicted_free(vf_predicted *tile);

/* Write a description to out, which has room for vf_predicted_room() bytes. Returns how many it took. */
size_t vf_predicted_room(const vf_predicted *tile);
size_t vf_predicted_pack(const vf_predicted *tile, uint8_t *out);

/* How numbers that are never negative stand in a stream: 0, 1, 2, 3 ... as 0, -1, 1, -2 ... */
static inline int32_t vf_unfold(uint32_t number)
{
    return (int32_t)(number >> 1) ^ -(int32_t)(number & 1);
}
static inline uint32_t vf_fold(int32_t number)
{
    return ((uint32_t)number << 1) ^ (uint32_t)(number >> 31);
}

#endif
