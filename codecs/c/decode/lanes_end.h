/* Last part of every kernel: the special cases that are compiled, their tables, and the vf_kernel.
   Expects KERNEL, the name of that; LANES, COLUMN, supported(), place() and transpose(); and the templates
   run(), narrow_rows(), middle_rows() and wide_rows(). */

#define RUN(CODES, NAME, PAIRS)                                                                    \
    TARGET static __attribute__((noinline)) bool run_##CODES##_##NAME(                             \
        vf_lanes *lanes, uint32_t row, uint32_t steps)                                             \
    {                                                                                              \
        return run(lanes, row, steps, CODES, PAIRS);                                               \
    }
#define RUNS(CODES)                                                                                \
    RUN(CODES, 0, 0) RUN(CODES, 1, 1) RUN(CODES, 2, 2) RUN(CODES, 4, 4) RUN(CODES, 6, 6)           \
    RUN(CODES, only, -1)
RUNS(1) RUNS(2) RUNS(3) RUNS(4) RUNS(6)

#define NAMES(CODES)                                                                               \
    {run_##CODES##_0, run_##CODES##_1, run_##CODES##_2, run_##CODES##_4, run_##CODES##_6,          \
     run_##CODES##_only}
static vf_steps *const STEPS[VF_TRUSTS][VF_STEP_KINDS] = {NAMES(1), NAMES(2), NAMES(3), NAMES(4),
                                                          NAMES(6)};

TARGET static __attribute__((noinline)) void narrow_all(vf_lanes *lanes, uint32_t row, uint32_t count)
{
    narrow_rows(lanes, row, count);
}

#define ROWS(HOW, TAPS)                                                                            \
    TARGET static __attribute__((noinline)) void HOW##_##TAPS(vf_lanes *lanes, uint32_t row,       \
                                                              uint32_t count)                      \
    {                                                                                              \
        HOW##_rows(lanes, row, count, TAPS);                                                       \
    }
ROWS(middle, 0) ROWS(middle, 2) ROWS(middle, 4) ROWS(middle, 8) ROWS(middle, 12) ROWS(middle, 32)
ROWS(wide, 2) ROWS(wide, 4) ROWS(wide, 8) ROWS(wide, 12) ROWS(wide, 32)

typedef void rows_function(vf_lanes *, uint32_t, uint32_t);
static rows_function *const ROWS_OF[2][5] = {
    {middle_2, middle_4, middle_8, middle_12, middle_32},
    {wide_2, wide_4, wide_8, wide_12, wide_32},
};

static void predict(vf_lanes *lanes, uint32_t row, uint32_t count, unsigned order, vf_predictor by)
{
    unsigned taps = order <= 2 ? 0 : order <= 4 ? 1 : order <= 8 ? 2 : order <= 12 ? 3 : 4;
    if (by == VF_NARROW)
        narrow_all(lanes, row, count);
    else if (by == VF_MIDDLE && order == 0)
        middle_0(lanes, row, count);
    else
        ROWS_OF[by == VF_WIDE][taps](lanes, row, count);
}

extern const vf_kernel KERNEL;
const vf_kernel KERNEL = {
    .lanes = LANES,
    .column = COLUMN,
    .supported = supported,
    .steps = STEPS,
    .place = place,
    .predict = predict,
    .transpose = transpose,
};
