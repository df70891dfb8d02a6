/* zarr-flac: FLAC streams (RFC 9639) and predicted tiles (../README.md), decoded, encoded and scanned.

   All that a program needs of this library: compile every other file below this folder but python/ with
   `-std=c11 -ffp-contract=off -I` this folder, with gcc or clang, and include this header alone.

   There is no state: every function may be called from any number of threads at once, on arguments of their
   own. Memory belongs to the caller; a workspace is freed before a function returns, and what is handed over
   is said to be. Data may be anything: no byte of a stream or of a description makes a function read or
   write outside of what it was given. Other arguments have to be as their comments say.

   Metadata blocks are the caller's business: a stream's facts come from its STREAMINFO block, a description
   from the APPLICATION block `zfpt`. */
#ifndef ZARR_FLAC_H
#define ZARR_FLAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Errors ------------------------------------------------------------------------------------ */

typedef enum {
    VF_OK = 0,
    VF_TRUNCATED,          /* the stream ends within a frame, or before the samples wanted */
    VF_NO_SYNC,            /* no frame begins where one has to */
    VF_BAD_HEADER,         /* a frame header with reserved or impossible fields */
    VF_BAD_HEADER_CRC,     /* CRC-8 of a frame header */
    VF_BAD_FRAME_CRC,      /* CRC-16 of a frame */
    VF_BAD_SUBFRAME,       /* a subframe with reserved or impossible fields */
    VF_BAD_RESIDUAL,       /* reserved coding method, impossible partitions, residual too large */
    VF_BAD_PADDING,        /* bits between the last subframe and the CRC-16 that are not 0 */
    VF_SAMPLE_OUT_OF_RANGE,/* a sample that needs more bits than the frame has */
    VF_WRONG_CHANNELS,     /* another number of channels than STREAMINFO says */
    VF_WRONG_DEPTH,        /* another depth than STREAMINFO says */
    VF_WRONG_BLOCK_SIZE,   /* more samples than STREAMINFO allows, or than are wanted */
    VF_OUT_OF_ORDER,       /* a frame number that does not follow: one is missing or misplaced */
    VF_TOO_LONG,           /* a further frame behind the last sample wanted */
    VF_UNKNOWN_VERSION,    /* of a predicted tile's description */
    VF_BAD_DESCRIPTION,    /* of a predicted tile: fields that are impossible, missing or left over */
    VF_BAD_NUMBERS,        /* numbers of a predicted tile that do not fit its description */
    VF_NO_MEMORY,
    VF_STATUS_COUNT
} vf_status;

/* A few English words for a status, never NULL. The text lives forever. */
const char *vf_status_name(vf_status status);

/* ---- Streams, decoded -------------------------------------------------------------------------- */

enum { VF_MAX_CHANNELS = 8 };

/* What is to be decoded. */
typedef struct {
    const uint8_t *data; /* the whole stream */
    size_t size;         /* its bytes; less than 2**60 */
    size_t first_frame;  /* where the frames begin, at most size */
    uint32_t min_block_size, max_block_size; /* at most 65,536 */
    unsigned channels; /* 1 to 8 */
    unsigned depth;    /* bits per sample, 4 to 32 */
    uint64_t total;    /* samples of each channel that are wanted; less than 2**58 */
    uint64_t first_number; /* of the first frame's header: not 0 in a piece of a longer stream */
    bool sum_up;       /* whether the CRC-32 of all data is wanted */
    bool must_end;     /* a further frame behind them is an error */
    bool sizes_vary;   /* even where frames are counted, as old encoders wrote them */
    /* Frames decoded at once, at most: 0 for as many as this CPU likes. Tests compare all that it can do
       with 1, which is scalar code. */
    unsigned most_lanes;
} vf_stream;

/* As total: as many as there are, for a scan. */
#define VF_ALL UINT64_MAX

/* Where samples go: straight into an array, as pixels of its type. */
typedef struct {
    uint8_t *planes[VF_MAX_CHANNELS]; /* first pixel of each channel; NULL: not wanted */
    uint64_t width;                   /* pixels in a row; sample s stands in row s / width */
    ptrdiff_t row_stride;             /* bytes from a row to the next, of any sign */
    uint32_t offset;    /* what is added to a sample, modulo the size of an item */
    unsigned item_size; /* 1, 2 or 4 bytes: a pixel, in this machine's byte order */
} vf_sink;

/* How far decoding got: the frame to come, or the one that is wrong. */
typedef struct {
    uint64_t frame;    /* its number, counted from 0 */
    uint64_t position; /* its first sample */
    size_t byte;       /* where it begins in the data */
    bool variable;     /* kind of numbers in this stream; known from the first frame on */
    uint32_t fixed_block_size;
    uint32_t crc32; /* of the first `summed` bytes of the data */
    size_t summed;
} vf_cursor;

/* Decode the stream to sink, whose planes have room for total samples (or are all NULL). Every frame
   must have a right header, follow the one before, and have right checksums. Bytes behind the last
   frame are ignored. *cursor says where it ended, well or not; when well, with the CRC-32 of all data if
   that is wanted, those bytes included. VF_OK, or what is wrong; samples may have been written then.
   Takes some 600 kB of memory. */
vf_status vf_decode_stream(const vf_stream *stream, const vf_sink *sink, vf_cursor *cursor);

/* Which of two channels is stored as a difference. */
typedef enum { VF_INDEPENDENT, VF_LEFT_SIDE, VF_SIDE_RIGHT, VF_MID_SIDE } vf_stereo;

/* What a frame says of itself (RFC 9639 section 9.1). */
typedef struct {
    uint64_t number;     /* of the frame, or of its first sample when the block size varies */
    uint32_t block_size; /* samples per channel, 1 to 65,536, though RFC 9639 ends at 65,535 */
    uint8_t channels;    /* 1 to 8 */
    uint8_t depth;       /* bits per sample; 0: as STREAMINFO says */
    uint8_t size;        /* bytes of this header, its CRC-8 included */
    bool variable;       /* number counts samples */
    vf_stereo stereo;
} vf_header;

/* Parse the frame header at data. Reads at most size bytes. Fills header only when it returns
   VF_OK; else VF_NO_SYNC, VF_BAD_HEADER, VF_BAD_HEADER_CRC or VF_TRUNCATED. */
vf_status vf_parse_header(const uint8_t *data, size_t size, vf_header *header);

/* ---- Streams, scanned ---------------------------------------------------------------------------

   The frames of a stream that comes in pieces: where each begins and ends, without decoding them. What is
   found, and what is said of damage, does not depend on where the pieces end. */

/* What a scan remembers from piece to piece. Zeros, and the byte of the first frame as base and byte, to
   begin with. Bytes are counted from the start of the stream; data[0] of a piece is number base. */
typedef struct {
    uint64_t base;
    uint64_t frame, position; /* as in vf_cursor: the frame to come, or whose end is looked for */
    uint64_t byte;
    uint64_t searched; /* no frame begins between `byte` and here */
    uint64_t checked;  /* the CRC-16 from `byte` up to here is crc */
    uint64_t limit;    /* bytes of the frame in which its end is looked for, before it is decoded */
    uint64_t enough;   /* bytes of it that have to be there to try that (again) */
    vf_header header;  /* of that frame */
    uint32_t fixed_block_size;
    uint16_t crc;
    uint8_t place; /* see decode/scan.c */
    uint8_t ended; /* a vf_status: why no further frame began behind the last one */
    bool variable;
} vf_scan;

typedef struct {
    uint64_t byte, length, first, block_size;
} vf_found;

/* Called for each frame. May return false to stop for want of memory. */
typedef struct {
    bool (*take)(void *context, const vf_found *frame);
    void *context;
} vf_finder;

/* Go on with the bytes in stream->data, of which the first are those of number scan->base and up that
   the call before left over. last: no more will come. Of stream, first_frame, must_end and most_lanes do
   not matter; total may be VF_ALL: then the stream ends where no further frame begins.
   VF_OK, or what is wrong with the frame at scan->byte: then the scan is over. Sets scan->base to the
   first byte that has to be there again the next time. What it wants to keep is less than four frames, and
   never 16 MiB, even of a stream that is damaged. */
vf_status vf_scan_frames(const vf_stream *stream, bool last, vf_scan *scan, const vf_finder *finder);

/* ---- Streams, encoded -------------------------------------------------------------------------- */

/* What RFC 9639 permits: samples of a channel in a stream, and in each frame but the last one. */
#define VF_MOST_TOTAL ((UINT64_C(1) << 36) - 1)
enum { VF_LEAST_BLOCK = 16, VF_MOST_BLOCK = 65535 };

typedef enum { VF_SIGNED, VF_UNSIGNED, VF_FLOAT } vf_number;

/* Where samples come from: pixels of an array, aligned in any way, which stand for samples as the mapping
   `exact` of ../README.md says. */
typedef struct {
    const uint8_t *pixels;  /* the first pixel of the first plane */
    uint64_t width;         /* pixels in a row; pixel p of a plane stands in row p / width */
    ptrdiff_t plane_stride; /* bytes from a plane to the next, of any sign, as the other two */
    ptrdiff_t row_stride;
    ptrdiff_t pixel_stride;
    vf_number number;
    unsigned item_size; /* bytes of a pixel: 1, 2, 4 or 8; 2 to 8 for floats */
    unsigned depth;     /* bits of a sample; all those of an item (32 of 8 bytes) but for integers */
    bool swapped;       /* pixels are in the byte order that is not this machine's */
} vf_source;

/* Channels that a plane of the source becomes: two for items of 8 bytes, high and low half. */
static inline unsigned vf_source_channels(const vf_source *source)
{
    return source->item_size == 8 ? 2 : 1;
}

enum { VF_MOST_EFFORT = 8, VF_DEFAULT_EFFORT = 5 };

/* How hard an encoder tries: what it tries, and how it judges. */
typedef struct {
    uint8_t fixed_orders;    /* fixed predictors that may serve: bit o for the one of order o */
    uint8_t fixed_trials;    /* how many of them are tried, the likeliest ones */
    uint8_t linear_order;    /* most taps of a linear predictor, 0 to 32; 0: none */
    uint8_t windows;         /* through which samples are looked at for that, 0 to 6: encode/linear.h */
    uint8_t linear_trials;   /* orders that are tried for each window, the likeliest ones; 0: one in all */
    uint8_t precision_trials; /* coefficients with as many bits more or fewer than the likeliest, too */
    uint8_t partition_order; /* largest of the residual, 0 to 8 */
    uint16_t least_partition; /* residuals in a partition, but for the first one; at least 16 */
    bool escapes;            /* partitions of plain numbers */
    bool stereo;             /* of two channels, store one or both as sum or difference */
    bool stereo_trials;      /* try all ways to do so, and do not only guess */
} vf_effort;

/* What effort 0 (fast) to 8 (small) stands for; more is 8. */
vf_effort vf_effort_of(unsigned effort);

/* What all frames of a stream have in common. */
typedef struct {
    unsigned channels; /* 1 to 8 */
    unsigned depth;    /* bits per sample, 4 to 32 */
    uint32_t max_block_size; /* VF_LEAST_BLOCK to VF_MOST_BLOCK */
    bool variable;     /* frames say the number of their first sample, not their own */
    vf_effort effort;
    unsigned skipped_loops; /* ways to do without, of vf_loop_count(): for tests */
} vf_framing;

/* What STREAMINFO says, beside what the caller knows. */
typedef struct {
    uint32_t block_size; /* of all frames but the last one; no longer than the stream, if that has 16 or more */
    uint32_t min_frame_size, max_frame_size; /* bytes */
    uint8_t md5[16];                         /* zeros when it was not asked for */
} vf_stream_facts;

/* Bytes that the frames of a stream may take, and that vf_encode_stream() may write to; SIZE_MAX when they
   are more than that. */
size_t vf_stream_room(const vf_framing *framing, uint64_t total);

/* Encode `total` samples of each channel, 1 to VF_MOST_TOTAL, in frames of framing->max_block_size (the last
   one may have fewer), to out, which has vf_stream_room() bytes. The source has planes for
   framing->channels, and the same depth. *size becomes how many bytes the frames have. The same on every
   machine. VF_OK, VF_SAMPLE_OUT_OF_RANGE, VF_NO_MEMORY. */
vf_status vf_encode_stream(const vf_framing *framing, const vf_source *source, uint64_t total,
                           bool md5, uint8_t *out, size_t *size, vf_stream_facts *facts);

/* ---- Predicted tiles --------------------------------------------------------------------------- */

/* The dtypes, by their numbers in the description. A bool is a byte that is 0 or 1. */
typedef enum {
    VF_BOOL, VF_INT8, VF_INT16, VF_INT32, VF_INT64, VF_UINT8, VF_UINT16, VF_UINT32, VF_UINT64,
    VF_FLOAT16, VF_FLOAT32, VF_FLOAT64, VF_DTYPE_COUNT
} vf_dtype;

unsigned vf_dtype_size(vf_dtype dtype); /* bytes of a pixel */

enum { VF_MAX_BANDS = 65535 };
/* The width and height of a tile may not exceed this, nor may their product exceed 2**40. */
#define VF_MAX_SIDE (UINT64_C(1) << 31)

/* What the description of a tile says of its pixels. */
typedef struct {
    vf_dtype dtype;
    uint64_t width, height; /* at least 1 */
    uint32_t band_count;    /* 1 to VF_MAX_BANDS */
} vf_shape;

/* Where pixels come from: in this machine's byte order, aligned in any way. */
typedef struct {
    const uint8_t *const *bands; /* first pixel of each band */
    ptrdiff_t row_stride;        /* bytes from a row to the next, of any sign */
} vf_picture;

/* Where pixels go. */
typedef struct {
    uint8_t *const *bands; /* first pixel of each band; NULL: not wanted */
    ptrdiff_t row_stride;  /* bytes from a row to the next, of any sign */
} vf_raster;

/* Check a description of size bytes, its checksum included, and say what it is of. Fills *shape only when
   it returns VF_OK; else VF_UNKNOWN_VERSION, VF_BAD_DESCRIPTION or VF_NO_MEMORY. */
vf_status vf_describe_tile(const uint8_t *description, size_t size, vf_shape *shape);

/* Decode the frames of a tile to pixels. `stream` is as for vf_decode_stream(), except that channels, depth
   and total are those of the numbers: 1, 16 or 32, and what STREAMINFO says. The raster has room for what
   vf_describe_tile() says. *cursor says where the frames ended, well or not. What vf_describe_tile() and
   vf_decode_stream() return, or VF_BAD_NUMBERS; pixels may have been written then. Takes memory for the
   numbers, seldom more than one for each pixel, for some four rows of a band, and for a plane that others
   refer to. */
vf_status vf_decode_tile(const vf_stream *stream, const uint8_t *description, size_t size,
                         const vf_raster *raster, vf_cursor *cursor);

/* What encoding a tile makes. Free it with vf_encoded_free(). */
typedef struct {
    uint8_t *description, *frames;
    size_t description_size, frames_size;
    unsigned depth; /* of the stream, as total and facts are: what STREAMINFO says */
    uint64_t total;
    vf_stream_facts facts;
} vf_encoded;

/* Encode a tile. effort: 0, fast, to VF_MOST_EFFORT. md5: of the numbers, for STREAMINFO. The same on every
   machine. VF_OK or VF_NO_MEMORY, and then nothing is handed over. Takes some 8 bytes a pixel of 16 bits or
   fewer, 16 a wider one, and 8 more while it works. */
vf_status vf_encode_tile(const vf_shape *shape, const vf_picture *picture, unsigned effort, bool md5,
                         vf_encoded *encoded);
void vf_encoded_free(vf_encoded *encoded);

/* ---- Beside FLAC ------------------------------------------------------------------------------- */

/* Go on with the CRC-32 of zlib, gzip and PNG, at first 0, over size bytes by the fastest way this CPU knows:
   as zlib's crc32(). */
uint32_t vf_crc32(uint32_t crc, const uint8_t *data, size_t size);

/* Samples of 16 bits, each by its two's complement; and an entry for samples that stand for no pixel. */
enum { VF_TABLE_SIZE = 1 << 16 };
#define VF_NO_PIXEL INT32_MIN

/* Write table[samples[i]] to item i of out, count items of item_size 1 or 2 bytes, aligned in any way.
   Returns how many were written: fewer than count when the next sample has more than 16 bits, or stands
   for no pixel. */
size_t vf_lookup(const int32_t *samples, size_t count, const int32_t *table, uint8_t *out,
                 unsigned item_size);

/* ---- For tests: the ways to do the same that this CPU has, best first --------------------------- */

/* Frames at once with kernel number i of vf_stream.most_lanes; 0: there are no more. */
unsigned vf_lanes_of(unsigned i);

/* How many values vf_framing.skipped_loops may have. */
unsigned vf_loop_count(void);

/* vf_crc32(0, ...) by way number i. False when there are no more, and *crc is left alone; *enough: whether
   the way works on so few bytes. */
bool vf_crc32_by(unsigned i, const uint8_t *data, size_t size, bool *enough, uint32_t *crc);

/* The CRC-16 of a frame (RFC 9639 section 9.3): the fastest way, and by tables alone. */
uint16_t vf_crc16(const uint8_t *data, size_t size);
uint16_t vf_crc16_tables(const uint8_t *data, size_t size);

#endif
