/* Predicted tiles drawn at random, the same on every machine: the target fuzz_predicted.c over pixels, and rows of
   numbers that mean nothing, of which each kernel of this CPU must make what scalar code does. Prints a hash of all
   that was encoded and decoded after every hundred of both.
     predicted_random HUNDREDS */
#include <inttypes.h>

#include "fuzz_predicted.c"
#include "predicted/rows.h"

enum { MOST_WIDTH = 150, PITCH = MOST_WIDTH + VF_MARGIN, SIZES = MOST_WIDTH + 2 * VF_MARGIN };
enum { ROOM = (VF_STRIP + 4) * PITCH + 2 * VF_MARGIN };

static uint32_t draw(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* Numbers of any size, many of them small, some as large as can be. */
static int32_t draw_number(uint64_t *seed, unsigned bits)
{
    const uint32_t drawn = draw(seed) << 1, kind = draw(seed) % 8;
    const int32_t most = (int32_t)((UINT32_C(1) << (bits - 1)) - 1);
    if (kind == 0)
        return drawn & 2 ? most : -most - 1;
    return (int32_t)drawn >> (32 - bits + draw(seed) % bits);
}

static vf_plane draw_plane(uint64_t *seed)
{
    vf_plane plane = {.linear = draw(seed) % 3 != 0, .even_odd = draw(seed) & 1,
                      .weighs = draw(seed) & 1, .shift = draw(seed) % (VF_MAX_SHIFT + 1),
                      .classes = 1 + draw(seed) % 9};
    const int32_t most = draw(seed) & 1 ? VF_MAX_TAP : 100;
    int32_t rest = 256;
    do {
        rest = 256;
        for (unsigned i = 0; i < VF_TAPS; i++) {
            plane.taps[i] = (int32_t)(draw(seed) % (2 * (unsigned)most + 1)) - most;
            rest -= i == VF_TAP_N ? 0 : plane.taps[i];
        }
    } while (rest < -VF_MAX_TAP || rest > VF_MAX_TAP);
    plane.taps[VF_TAP_N] = rest;
    const uint32_t step = draw(seed) & 1 ? 7000 : 30;
    for (unsigned i = 1; i < plane.classes; i++)
        plane.thresholds[i] = (uint16_t)(plane.thresholds[i - 1] + 1 + draw(seed) % step);
    return plane;
}

/* Rows of numbers of 16 bits or 32, as both types of functions take them. */
#define ROWS_OF(BITS)                                                                              \
    static void sort_rows##BITS(uint64_t *seed, const vf_plane *plane, size_t width)               \
    {                                                                                              \
        static int##BITS##_t numbers[VF_MAX_CLASSES][MOST_WIDTH + VF_MARGIN], e[2][PITCH];         \
        static uint16_t sizes[8][SIZES], made[2][SIZES];                                           \
        const int##BITS##_t *next[2][VF_MAX_CLASSES];                                              \
        bool any[2];                                                                               \
        for (unsigned i = 0; i < VF_MAX_CLASSES; i++)                                              \
            for (unsigned j = 0; j < MOST_WIDTH; j++)                                              \
                numbers[i][j] = (int##BITS##_t)draw_number(seed, BITS);                            \
        for (unsigned i = 0; i < 5; i++)                                                           \
            for (size_t x = 0; x < SIZES; x++)                                                     \
                sizes[i][x] = x >= VF_MARGIN && x < VF_MARGIN + width                              \
                                  ? (uint16_t)(draw(seed) % (draw(seed) & 1 ? 4 : 1901))           \
                                  : 0;                                                             \
        const vf_row_kernel *const kernels[2] = {vf_best_rows(1), vf_best_rows(kernel_lanes)};     \
        for (unsigned k = 0; k < 2; k++) {                                                         \
            for (unsigned i = 0; i < VF_MAX_CLASSES; i++)                                          \
                next[k][i] = numbers[i];                                                           \
            const vf_row row = {plane, width, sizes[0] + VF_MARGIN, sizes[1] + VF_MARGIN,          \
                                made[k] + VF_MARGIN,                                               \
                                {sizes[2] + VF_MARGIN, sizes[3] + VF_MARGIN, sizes[4] + VF_MARGIN}, \
                                {sizes[5] + VF_MARGIN, sizes[6] + VF_MARGIN, sizes[7] + VF_MARGIN}}; \
            any[k] = kernels[k]->sort##BITS(&row, next[k], e[k]);                                  \
        }                                                                                          \
        must(any[0] == any[1], "kernels differ in whether there are magnitudes");                  \
        must(!memcmp(e[0], e[1], width * sizeof e[0][0]), "kernels differ in order");              \
        must(!memcmp(made[0] + VF_MARGIN, made[1] + VF_MARGIN, width * sizeof made[0][0]),         \
             "kernels differ in magnitudes");                                                      \
        must(!memcmp(next[0], next[1], plane->classes * sizeof next[0][0]),                        \
             "kernels differ in what they took");                                                  \
        add_to_hash(e[1], width * sizeof e[1][0]);                                                 \
    }                                                                                              \
    static void predict_rows##BITS(uint64_t *seed, const vf_plane *plane, size_t width)            \
    {                                                                                              \
        static int##BITS##_t residuals[ROOM], values[2][ROOM];                                     \
        static int32_t scratch[2][SIZES];                                                          \
        const unsigned rows = 1 + draw(seed) % VF_STRIP;                                           \
        const bool second = draw(seed) & 1;                                                        \
        const vf_row_kernel *const kernels[2] = {vf_best_rows(1), vf_best_rows(kernel_lanes)};     \
        for (size_t i = 0; i < ROOM; i++) {                                                        \
            residuals[i] = (int##BITS##_t)draw_number(seed, BITS);                                 \
            values[0][i] = values[1][i] = (int##BITS##_t)draw_number(seed, BITS);                  \
        }                                                                                          \
        for (unsigned k = 0; k < 2; k++) {                                                         \
            const vf_strip strip = {plane, PITCH, width, rows, second,                             \
                                    {scratch[0] + VF_MARGIN, scratch[1] + VF_MARGIN}};             \
            kernels[k]->predict##BITS(&strip, residuals + VF_MARGIN,                               \
                                      values[k] + VF_MARGIN + 2 * PITCH);                          \
        }                                                                                          \
        for (unsigned y = 0; y < rows + 2; y++) {                                                  \
            must(!memcmp(values[0] + VF_MARGIN + y * PITCH, values[1] + VF_MARGIN + y * PITCH,     \
                         width * sizeof values[0][0]),                                             \
                 "kernels differ in predictions");                                                 \
            add_to_hash(values[1] + VF_MARGIN + y * PITCH, width * sizeof values[1][0]);           \
        }                                                                                          \
    }
static unsigned kernel_lanes;
ROWS_OF(16)
ROWS_OF(32)

static void try_rows(uint64_t *seed)
{
    const vf_plane plane = draw_plane(seed);
    const size_t width = 1 + draw(seed) % MOST_WIDTH;
    const uint64_t before = *seed;
    for (size_t i = 1; i < sizeof LANES / sizeof *LANES; i++) {
        *seed = before;
        kernel_lanes = LANES[i];
        sort_rows16(seed, &plane, width);
        sort_rows32(seed, &plane, width);
        predict_rows16(seed, &plane, width);
        predict_rows32(seed, &plane, width);
    }
}

/* Pixels that are smooth, or have few values, or any. */
static void try_pixels(uint64_t *seed)
{
    uint8_t input[HEAD + 4096];
    const size_t size = HEAD + draw(seed) % 4096;
    const uint32_t mask = draw(seed) & draw(seed), step = 1 + draw(seed) % 8;
    for (size_t i = 0; i < HEAD; i++)
        input[i] = (uint8_t)draw(seed);
    for (size_t i = HEAD; i < size; i++)
        input[i] = (uint8_t)((draw(seed) & mask) + (i % step ? 0 : i / 64));
    input[0] |= 1; /* encode */
    LLVMFuzzerTestOneInput(input, size);
}

int main(int argc, char **argv)
{
    const int hundreds = argc > 1 ? atoi(argv[1]) : 1;
    uint64_t seed = 1;
    printf("lanes of the kernels: %u, %u\n", vf_best_rows(LANES[1])->lanes,
           vf_best_rows(LANES[2])->lanes);
    for (int i = 0; i < hundreds; i++) {
        for (int j = 0; j < 100; j++) {
            try_rows(&seed);
            try_pixels(&seed);
        }
        printf("decoded %016" PRIx64 "\n", hash);
    }
    return 0;
}
