/* The fuzz target over files, without a fuzzer: for CPUs that none runs on (see compare_arm64.sh). Each
   file is decoded in all ways, which must agree; then copies of it with a few bits flipped. Prints what
   became of each, and before them the CRC-32 of short pieces and how many kernels this CPU has: the same on
   every CPU with a kernel of eight lanes, but for that first line.
     replay FILE ...      linked with -Wl,--wrap=vf_group_decode */
#include <inttypes.h>

#include "fuzz_decode.c"

enum { MOST_DAMAGE = 50, DAMAGED_BYTES = 1 << 15 };

/* Frames that lanes decoded. What they give up is decoded all the same, only slowly: it has to show. */
static uint64_t together;

typedef struct vf_group vf_group; /* decode/group.h */
unsigned __real_vf_group_decode(vf_group *group, vf_cursor *cursor);
unsigned __wrap_vf_group_decode(vf_group *group, vf_cursor *cursor);

unsigned __wrap_vf_group_decode(vf_group *group, vf_cursor *cursor)
{
    const uint64_t before = cursor->frame;
    unsigned alone = __real_vf_group_decode(group, cursor);
    together += cursor->frame - before;
    return alone;
}

/* Pixels of 32 bits, channel by channel, without gaps. */
static target plain_target(const vf_stream *stream)
{
    target to = {.sink = {.width = stream->total, .item_size = 4}};
    const size_t plane = stream->total * to.sink.item_size;
    to.sink.row_stride = (ptrdiff_t)plane;
    for (unsigned channel = 0; channel < stream->channels; channel++) {
        to.first[channel] = channel * plane;
        to.wanted[channel] = true;
    }
    mark_pixels(stream, &to, plane * stream->channels);
    return to;
}

/* Go through one stream; returns a digest of verdict, place, pixels and the frames that eight lanes decode.
   *status becomes the verdict, or -1 when there was nothing to decode. */
static uint64_t go_through(const uint8_t *data, size_t size, int *status)
{
    uint64_t hash = 0xCBF29CE484222325;
    size_t start = find_frames(data, size);
    LLVMFuzzerTestOneInput(data, size);
    *status = -1;
    if (!start)
        return hash;
    vf_stream stream = open_stream(data, size, start);
    if (stream.total == 0) {
        vf_stream all = stream;
        all.total = VF_ALL;
        stream.total = list(all, true, 0).position;
    }
    if (stream.total == 0 || stream.total * stream.channels * 8 > MOST_BYTES_OUT)
        return hash;
    const target to = plain_target(&stream);
    outcome plain = decode(stream, &to, 1);
    together = 0;
    free(decode(stream, &to, 8).pixels);
    const uint64_t place[] = {plain.status, plain.cursor.frame, plain.cursor.position,
                              plain.cursor.byte, together};
    hash = fnv1a(hash, place, sizeof place);
    if (plain.status == VF_OK)
        hash = fnv1a(hash, plain.pixels, to.size);
    free(plain.pixels);
    free(to.is_pixel);
    *status = (int)plain.status;
    return hash;
}

/* A bit at a time. */
static uint32_t plain_crc32(const uint8_t *data, size_t size)
{
    uint32_t crc = ~UINT32_C(0);
    while (size--) {
        crc ^= *data++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    }
    return ~crc;
}

/* Every length and every place in memory, in all ways; a digest of the CRC-32. */
static uint64_t short_pieces(void)
{
    enum { MOST = 600, PLACES = 16 };
    uint8_t data[MOST + PLACES];
    uint64_t seed = 0, hash = 0xCBF29CE484222325;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)draw(&seed, 256);
    for (size_t size = 0; size <= MOST; size++)
        for (size_t place = 0; place < PLACES; place++) {
            const uint32_t crc = crc32(data + place, size);
            must(crc == plain_crc32(data + place, size), "a wrong CRC-32");
            hash = fnv1a(hash, &crc, sizeof crc);
        }
    return hash;
}

int main(int argc, char **argv)
{
    unsigned kernels = 0, ways = 0;
    uint32_t crc;
    bool enough;
    while (vf_lanes_of(kernels))
        kernels++;
    while (vf_crc32_by(ways, NULL, 0, &enough, &crc))
        ways++;
    printf("kernels %u, ways to a CRC-32 %u\n", kernels, ways);
    printf("CRC-32 of short pieces: %016" PRIx64 "\n", short_pieces());
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        must(file != NULL && fseek(file, 0, SEEK_END) == 0, argv[i]);
        const size_t size = (size_t)ftell(file);
        uint8_t *data = malloc(size);
        rewind(file);
        must(data != NULL && fread(data, 1, size, file) == size, argv[i]);
        fclose(file);

        int status;
        const char *name = strrchr(argv[i], '/');
        uint64_t whole = go_through(data, size, &status), damaged = 0, seed = 0;
        const uint64_t frames = together;
        must(status >= 0, argv[i]);
        size_t copies = size ? DAMAGED_BYTES / size : 0;
        for (size_t j = 0; j < 2 + (copies < MOST_DAMAGE ? copies : MOST_DAMAGE); j++) {
            size_t at = HEAD + draw(&seed, size - HEAD);
            uint8_t before = data[at];
            int verdict;
            data[at] ^= (uint8_t)(1u << draw(&seed, 8));
            damaged = damaged * 31 + go_through(data, size, &verdict);
            data[at] = before;
        }
        printf("%s: %s, %" PRIu64 " frames at once, %016" PRIx64 " %016" PRIx64 "\n",
               name ? name + 1 : argv[i], vf_status_name((vf_status)status), frames, whole, damaged);
        free(data);
    }
    return 0;
}
