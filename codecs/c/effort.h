/* How hard an encoder tries: what it tries, and how it judges. Numbers only. */
#ifndef VF_EFFORT_H
#define VF_EFFORT_H

#include <stdbool.h>
#include <stdint.h>

enum { VF_MOST_EFFORT = 8, VF_DEFAULT_EFFORT = 5 };

typedef struct {
    uint8_t fixed_orders;    /* fixed predictors that may serve: bit o for the one of order o */
    uint8_t fixed_trials;    /* how many of them are tried, the likeliest ones */
    uint8_t linear_order;    /* most taps of a linear predictor, 0 to 32; 0: none */
    uint8_t windows;         /* through which samples are looked at for that: see linear.h */
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

#endif
