#include "encode/encode_subframe.h"

enum {
    FEWEST_FOR_LINEAR = 32, /* shorter blocks are not worth coefficients */
    /* Fixed predictors of samples with so many bits need no more than 32 bits on the way, sums of 512
       residuals included. */
    NARROW_BITS = 19,
    /* Windowed samples have at most so many bits beside the sign: see vf_loops.autocorrelate. */
    WINDOWED_BITS = 22,
    LEAST_PRECISION = 6,
    USUAL_PRECISION = 8,
    MOST_PRECISION = 15,
};

static unsigned bit_length(uint32_t value)
{
    return value ? 32 - (unsigned)__builtin_clz(value) : 0;
}

/* Take the predictor that was tried if it is better than the best one so far. */
static void judge(vf_bench *bench, vf_plan *plan, const vf_linear *linear, bool fixed)
{
    const unsigned order = linear->order;
    uint64_t bits = plan->wasted + 8 + (uint64_t)order * plan->depth;
    if (!fixed)
        bits += 9 + (uint64_t)order * linear->precision;
    if (bits >= plan->bits)
        return;
    vf_find_partitions(bench->loops, &bench->effort, bench->trial, plan->count, order,
                       &bench->tally, &bench->trial_partitions);
    bits += bench->trial_partitions.bits;
    if (bits >= plan->bits)
        return;
    plan->kind = VF_PREDICTED;
    plan->fixed = fixed;
    plan->linear = *linear;
    plan->bits = bits;
    plan->partitions = bench->trial_partitions;
    uint32_t *folded = plan->folded;
    plan->folded = bench->trial;
    bench->trial = folded;
}

/* Try the fixed predictors with the smallest residuals. sums: of the sizes of those, by order. bits: of the
   largest sample, its sign included. */
static void try_fixed(vf_bench *bench, vf_plan *plan, const uint64_t sums[VF_FIXED_ORDERS],
                      unsigned bits)
{
    unsigned orders = bench->effort.fixed_orders, trials = bench->effort.fixed_trials;
    if (plan->count <= VF_FIXED_ORDERS)
        orders &= (1u << plan->count) - 1;
    for (; orders && trials; trials--) {
        vf_linear best = {.order = (uint8_t)__builtin_ctz(orders)};
        for (unsigned set = orders; set; set &= set - 1) {
            const unsigned order = (unsigned)__builtin_ctz(set);
            if (sums[order] < sums[best.order])
                best.order = (uint8_t)order;
        }
        orders &= ~(1u << best.order);
        /* Hardly better than the one found with smaller residuals. Half of them are odd when folded. */
        if (plan->kind == VF_PREDICTED && bench->effort.linear_trials == 0 &&
            2 * sums[best.order] > plan->partitions.sum / 32 * 33 + plan->count / 2)
            return;
        if (bench->loops->fixed(plan->samples, plan->count, best.order, bits + best.order > 31,
                                bench->trial))
            judge(bench, plan, &best, true);
    }
}

static void try_linear(vf_bench *bench, vf_plan *plan, const vf_linear *linear, unsigned bits)
{
    uint64_t reach = 0;
    for (unsigned i = 0; i < linear->order; i++)
        reach += (uint64_t)(linear->taps[i] < 0 ? -linear->taps[i] : linear->taps[i]);
    const bool wide = bits > 30 || reach << (bits - 1) > 1u << 30;
    const int16_t *small = bits > 16 ? NULL : bench->small;
    if (bench->loops->linear(plan->samples, small, plan->count, linear->taps, linear->order,
                             linear->shift, wide, bench->trial))
        judge(bench, plan, linear, false);
}

/* What a linear predictor is expected to cost, beside what all do. */
static double expected_cost(const vf_plan *plan, unsigned order, double bits, unsigned precision)
{
    return bits * (plan->count - order) + order * (double)(plan->depth + precision);
}

/* Round coefficients to as many bits as are expected to be best. Returns the cost; less than 0 when there is
   no predictor. */
static double round_well(const vf_analysis *analysis, const vf_plan *plan, unsigned order,
                         vf_linear *best)
{
    double least = -1;
    for (unsigned precision = LEAST_PRECISION; precision <= MOST_PRECISION; precision++) {
        vf_linear linear;
        if (!vf_round_taps(analysis, order, precision, plan->depth, &linear))
            continue;
        const double cost = expected_cost(plan, linear.order, linear.bits, linear.precision);
        if (least >= 0 && cost >= least)
            break;
        least = cost;
        *best = linear;
    }
    return least;
}

/* The order that is expected to be best, of those that are not in the set `tried`; 0: none is left. */
static unsigned likeliest_order(const vf_analysis *analysis, const vf_plan *plan, uint32_t tried)
{
    unsigned best = 0;
    double least = 0;
    for (unsigned order = 1; order <= analysis->orders; order++) {
        const double cost = expected_cost(plan, order, analysis->bits[order - 1], USUAL_PRECISION);
        if (!(tried >> (order - 1) & 1) && (best == 0 || cost < least)) {
            best = order;
            least = cost;
        }
    }
    return best;
}

/* Try the likeliest orders of an analysis. */
static void try_orders(vf_bench *bench, vf_plan *plan, unsigned bits)
{
    const vf_analysis *analysis = &bench->analysis;
    const unsigned spread = bench->effort.precision_trials;
    uint32_t tried = 0;
    for (unsigned trials = bench->effort.linear_trials; trials; trials--) {
        const unsigned order = likeliest_order(analysis, plan, tried);
        vf_linear linear;
        if (order == 0)
            return;
        tried |= 1u << (order - 1);
        if (round_well(analysis, plan, order, &linear) < 0)
            continue;
        try_linear(bench, plan, &linear, bits);
        const unsigned likely = linear.precision;
        for (unsigned precision = likely > spread + 2 ? likely - spread : 2;
             precision <= likely + spread && precision <= MOST_PRECISION; precision++)
            if (precision != likely &&
                vf_round_taps(analysis, order, precision, plan->depth, &linear))
                try_linear(bench, plan, &linear, bits);
    }
}

static void make_windows(vf_bench *bench, uint32_t block_size)
{
    for (unsigned window = 0; window < bench->effort.windows; window++)
        vf_make_window(window, block_size, bench->windows[window]);
    bench->windows_for = block_size;
}

/* Look at the samples through a window, to the bench's analysis. False when there is nothing to be seen. */
static bool analyse(vf_bench *bench, const vf_plan *plan, unsigned window, unsigned bits,
                    unsigned *steps_bits)
{
    const vf_view view = vf_window_view(window, plan->count);
    const int32_t *from = plan->samples;
    unsigned orders = bench->effort.linear_order;
    if (view.count < FEWEST_FOR_LINEAR)
        return false;
    if (view.steps) {
        uint32_t reach;
        if (!*steps_bits) {
            if (!bench->loops->steps(plan->samples, plan->count, bench->steps, &reach))
                return false;
            *steps_bits = bit_length(reach) + 1;
        }
        from = bench->steps;
        bits = *steps_bits;
        orders--;
    }
    orders = orders < view.count / 4 ? orders : view.count / 4;
    const int excess = VF_WINDOW_BITS + (int)bits - 1 - WINDOWED_BITS;
    const unsigned shift = excess > 0 ? (unsigned)excess : 0;
    int32_t *windowed = bench->windowed;
    int64_t sums[VF_LAGS_ROOM];
    bench->loops->window(from + view.first, bench->windows[window], view.count, shift,
                         bits > 16, windowed);
    memset(windowed + view.count, 0, VF_BEHIND * sizeof *windowed);
    bench->loops->autocorrelate(windowed, view.count, orders, sums);
    vf_analyse(sums, orders, view.count, VF_WINDOW_BITS - (int)shift, view.steps, &bench->analysis);
    return true;
}

static void try_windows(vf_bench *bench, vf_plan *plan, unsigned bits)
{
    unsigned steps_bits = 0;
    double least = -1;
    vf_linear best;
    if (bench->windows_for != plan->count)
        make_windows(bench, plan->count);
    if (bits <= 16)
        bench->loops->shrink(plan->samples, plan->count, bench->small);
    for (unsigned window = 0; window < bench->effort.windows; window++) {
        if (!analyse(bench, plan, window, bits, &steps_bits))
            continue;
        if (bench->effort.linear_trials) {
            try_orders(bench, plan, bits);
            continue;
        }
        const unsigned order = likeliest_order(&bench->analysis, plan, 0);
        vf_linear linear;
        const double cost = order ? round_well(&bench->analysis, plan, order, &linear) : -1;
        if (cost >= 0 && (least < 0 || cost < least)) {
            best = linear;
            least = cost;
        }
    }
    if (least >= 0)
        try_linear(bench, plan, &best, bits);
}

void vf_plan_subframe(vf_bench *bench, const int32_t *samples, uint32_t count, unsigned depth,
                      vf_plan *plan)
{
    vf_survey survey;
    bench->loops->survey(samples, count, &survey);
    plan->count = count;
    plan->wasted = 0;
    plan->depth = (uint8_t)depth;
    if (survey.differ == 0) {
        plan->kind = VF_CONSTANT;
        plan->samples[0] = samples[0];
        plan->bits = 8 + depth;
        return;
    }
    const unsigned wasted = (unsigned)__builtin_ctz(survey.any);
    const unsigned bits = bit_length(survey.reach) + 1 - wasted;
    bench->loops->shift(samples, count, wasted, plan->samples);
    plan->wasted = (uint8_t)wasted;
    plan->depth = (uint8_t)(depth - wasted);
    plan->kind = VF_VERBATIM;
    plan->bits = 8 + wasted + (uint64_t)count * plan->depth;
    uint64_t sums[VF_FIXED_ORDERS] = {0};
    if (bench->effort.fixed_orders & (bench->effort.fixed_orders - 1))
        bench->loops->fixed_sums(plan->samples, count, bits > NARROW_BITS, sums);
    if (bench->effort.linear_order && count >= FEWEST_FOR_LINEAR)
        try_windows(bench, plan, bits);
    try_fixed(bench, plan, sums, bits);
}

void vf_write_subframe(const vf_loops *loops, vf_bitwriter *writer, const vf_plan *plan)
{
    const unsigned order = plan->kind == VF_PREDICTED ? plan->linear.order : 0;
    unsigned type = plan->kind == VF_CONSTANT ? 0 : 1;
    if (plan->kind == VF_PREDICTED)
        type = plan->fixed ? 8 + order : 31 + order;
    vf_write(writer, type << 1 | (plan->wasted > 0), 8);
    if (plan->wasted)
        vf_write(writer, 1, plan->wasted);
    if (plan->kind != VF_PREDICTED) {
        const uint32_t count = plan->kind == VF_CONSTANT ? 1 : plan->count;
        for (uint32_t i = 0; i < count; i++)
            vf_write_signed(writer, plan->samples[i], plan->depth);
        return;
    }
    for (unsigned i = 0; i < order; i++)
        vf_write_signed(writer, plan->samples[i], plan->depth);
    if (!plan->fixed) {
        vf_write(writer, plan->linear.precision - 1u, 4);
        vf_write(writer, plan->linear.shift, 5);
        for (unsigned i = 0; i < order; i++)
            vf_write_signed(writer, plan->linear.taps[i], plan->linear.precision);
    }
    vf_write_partitions(loops, writer, plan->folded, plan->count, order, &plan->partitions);
}
