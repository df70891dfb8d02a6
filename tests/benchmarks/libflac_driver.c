/* libFLAC at its best: a whole tile in one call, straight to pixels, no Python in between.

   Compiled by bench_codec.py, which says at run time where libFLAC is: so the few declarations needed
   stand here, of the API that has not changed since libFLAC 1.3. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    const uint8_t *data;
    size_t size, at;
    uint8_t *out; /* (channel, sample) */
    size_t total, position;
    unsigned item;
    uint32_t offset;
    int failed;
} session;

typedef struct {
    uint32_t block_size, sample_rate, channels; /* the beginning of FLAC__FrameHeader */
} frame_header;

static int on_read(const void *decoder, uint8_t *buffer, size_t *bytes, void *context)
{
    (void)decoder;
    session *s = context;
    size_t left = s->size - s->at;
    if (*bytes > left)
        *bytes = left;
    memcpy(buffer, s->data + s->at, *bytes);
    s->at += *bytes;
    return *bytes ? 0 : 1;
}

static int on_write(const void *decoder, const frame_header *header, const int32_t *const planes[],
                    void *context)
{
    (void)decoder;
    session *s = context;
    const size_t count = header->block_size;
    const uint32_t offset = s->offset;
    if (s->position + count > s->total) {
        s->failed = 1;
        return 1;
    }
    for (unsigned c = 0; c < header->channels; c++) {
        const size_t first = c * s->total + s->position;
        const int32_t *from = planes[c];
        if (s->item == 1) {
            uint8_t *to = s->out + first;
            for (size_t i = 0; i < count; i++)
                to[i] = (uint8_t)((uint32_t)from[i] + offset);
        } else if (s->item == 2) {
            uint16_t *to = (uint16_t *)s->out + first;
            for (size_t i = 0; i < count; i++)
                to[i] = (uint16_t)((uint32_t)from[i] + offset);
        } else {
            uint32_t *to = (uint32_t *)s->out + first;
            for (size_t i = 0; i < count; i++)
                to[i] = (uint32_t)from[i] + offset;
        }
    }
    s->position += count;
    return 0;
}

static void on_error(const void *decoder, int status, void *context)
{
    (void)decoder;
    (void)status;
    ((session *)context)->failed = 1;
}

static void *(*flac_new)(void);
static void (*flac_delete)(void *);
static int (*flac_init)(void *, void *, void *, void *, void *, void *, void *, void *, void *, void *);
static int (*flac_run)(void *);

/* Returns whether libFLAC was found at that path. */
int load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    if (!library)
        return 0;
    *(void **)&flac_new = dlsym(library, "FLAC__stream_decoder_new");
    *(void **)&flac_delete = dlsym(library, "FLAC__stream_decoder_delete");
    *(void **)&flac_init = dlsym(library, "FLAC__stream_decoder_init_stream");
    *(void **)&flac_run = dlsym(library, "FLAC__stream_decoder_process_until_end_of_stream");
    return flac_new && flac_delete && flac_init && flac_run;
}

/* Returns whether a whole stream of total samples in each channel was decoded without complaint. */
int decode(const uint8_t *data, size_t size, void *out, size_t total, unsigned item, uint32_t offset)
{
    session s = {data, size, 0, out, total, 0, item, offset, 0};
    void *decoder = flac_new();
    int fine = decoder && !flac_init(decoder, (void *)on_read, NULL, NULL, NULL, NULL,
                                     (void *)on_write, NULL, (void *)on_error, &s);
    fine = fine && flac_run(decoder) && !s.failed && s.position == total;
    flac_delete(decoder);
    return fine;
}
