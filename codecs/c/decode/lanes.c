#include "decode/lanes.h"

#include <string.h>

#if defined(__x86_64__)
extern const vf_kernel VF_AVX2, VF_AVX512;
const vf_kernel *const VF_KERNELS[] = {&VF_AVX512, &VF_AVX2, NULL};
#elif VF_HAS_NEON
extern const vf_kernel VF_NEON;
const vf_kernel *const VF_KERNELS[] = {&VF_NEON, NULL};
#else
const vf_kernel *const VF_KERNELS[] = {NULL};
#endif

const vf_kernel *vf_best_kernel(unsigned most_lanes)
{
    for (const vf_kernel *const *kernel = VF_KERNELS; *kernel; kernel++)
        if ((*kernel)->lanes <= most_lanes && (*kernel)->supported())
            return *kernel;
    return NULL;
}

void vf_lanes_move_on(vf_lanes *lanes, vf_predictor by)
{
    const unsigned columns = lanes->kernel->lanes;
    const size_t from = VF_ROWS * columns, count = VF_HISTORY * columns;
    if (by == VF_NARROW)
        memcpy(lanes->pairs, lanes->pairs + from, count * sizeof *lanes->pairs);
    if (by == VF_MIDDLE)
        memcpy(lanes->whole, lanes->whole + from, count * sizeof *lanes->whole);
    if (by == VF_WIDE)
        memcpy(lanes->wide, lanes->wide + from, count * sizeof *lanes->wide);
}

/* Whether a lane's next `steps` windows all lie within the data. */
static bool has_room(const vf_lanes *lanes, unsigned lane, uint32_t steps)
{
    uint64_t byte = lanes->position[lane] >> 3;
    return byte < lanes->size && VF_WINDOW_BYTES * (steps + 1ull) <= lanes->size - byte;
}

static __attribute__((noinline, cold)) bool
read_one_by_one(vf_lanes *lanes, unsigned lane, uint32_t row, uint32_t count)
{
    vf_bits bits = {lanes->data, lanes->size, lanes->position[lane]};
    int32_t residuals[VF_ROWS];
    lanes->slow++;
    if (vf_read_few_codes(&bits, (unsigned)lanes->code_bits[lane] - 1, residuals, count) ||
        vf_overrun(&bits))
        return false;
    lanes->position[lane] = bits.position;
    lanes->kernel->place(lanes, lane, row, residuals, count);
    return true;
}

bool vf_lanes_read_slowly(vf_lanes *lanes, unsigned lane, uint32_t row, uint32_t count,
                          uint32_t steps)
{
    return read_one_by_one(lanes, lane, row, count) && has_room(lanes, lane, steps);
}

const uint8_t VF_CODES_OF[VF_TRUSTS] = {1, 2, 3, 4, 6};

/* How many codes a window is trusted with, as an index of VF_CODES_OF: by the longest parameter, and by
   how often that was too many. */
static int codes_index(const vf_lanes *lanes)
{
    uint64_t longest = 0;
    for (unsigned lane = 0; lane < lanes->kernel->lanes; lane++)
        longest = lanes->code_bits[lane] > longest ? lanes->code_bits[lane] : longest;
    int index = longest <= 5 ? 4 : longest <= 10 ? 3 : longest <= 15 ? 2 : longest <= 23 ? 1 : 0;
    return index > lanes->caution ? index - lanes->caution : 0;
}

/* The steps that all lanes surely have room for, and some bytes over for extraordinary codes. */
static uint32_t steps_with_room(const vf_lanes *lanes)
{
    enum { SPARE = 64 };
    uint64_t farthest = 0;
    for (unsigned lane = 0; lane < lanes->kernel->lanes; lane++)
        farthest = lanes->position[lane] > farthest ? lanes->position[lane] : farthest;
    uint64_t end = (farthest >> 3) + SPARE + VF_WINDOW_BYTES;
    if (end >= lanes->size)
        return 0;
    uint64_t steps = (lanes->size - end) / VF_WINDOW_BYTES;
    return steps < VF_ROWS ? (uint32_t)steps : VF_ROWS;
}

/* Which steps for an order: pairs hold all taps but the newest. */
static unsigned step_kind(unsigned order)
{
    return order <= 1    ? VF_PAIRS_0
           : order <= 3  ? VF_PAIRS_1
           : order <= 5  ? VF_PAIRS_2
           : order <= 9  ? VF_PAIRS_4
           : order <= 13 ? VF_PAIRS_6
                         : VF_CODES_ONLY;
}

bool vf_lanes_run(vf_lanes *lanes, uint32_t row, uint32_t count, unsigned order, vf_predictor by)
{
    const vf_kernel *kernel = lanes->kernel;
    const unsigned kind = by == VF_NARROW ? step_kind(order) : VF_CODES_ONLY;
    const uint32_t start = row, all = count;
    int index = codes_index(lanes);
    lanes->slow = 0;
    while (count) {
        uint32_t steps = steps_with_room(lanes);
        if (steps == 0)
            break;
        while (VF_CODES_OF[index] > count)
            index = index > 1 && count > 1 ? 1 : 0;
        const uint32_t codes = VF_CODES_OF[index];
        steps = count / codes < steps ? count / codes : steps;
        if (!kernel->steps[index][kind](lanes, row, steps))
            return false;
        row += steps * codes;
        count -= steps * codes;
    }
    if (lanes->slow * 8 > all)
        lanes->caution += lanes->caution < 2;
    else if (lanes->slow == 0)
        lanes->caution -= lanes->caution > 0;
    for (unsigned lane = 0; count && lane < kernel->lanes; lane++)
        if (!read_one_by_one(lanes, lane, row, count))
            return false;
    if (kind == VF_CODES_ONLY)
        kernel->predict(lanes, start, all, order, by);
    else if (count)
        kernel->predict(lanes, row, count, order, by);
    return true;
}

unsigned vf_lanes_of(unsigned i)
{
    const vf_kernel *const *kernel = VF_KERNELS;
    while (*kernel && (!(*kernel)->supported() || i--))
        kernel++;
    return *kernel ? (*kernel)->lanes : 0;
}
