/* What the kernels of predicted rows share: numbers go back to their columns, COLUMNS at a time. Included where
   these are defined:
   - TARGET; `counts`, COLUMNS numbers of 16 bits, and `set`, of columns; load(), store(), all_of(), add(),
     either(), any_of(), at_least(), first_columns(), evens_of(), odds_of(), store_in_turn();
   - for numbers of 16 bits and of 32: NAME(numbers), COLUMNS of them, and NAME(spread)(), NAME(sizes)(),
     NAME(load_numbers)(), NAME(store_numbers)(), NAME(store_in_turn)(). */

enum { MOST_CLASSES = 8 };

/* The activity of some columns without their neighbours in the row. */
TEMPLATE counts activity_of(const vf_row *row, size_t x, const bool weighs)
{
    const uint16_t *m = row->above + x, *n = row->higher + x;
    const counts near = add(add(load(m - 1), load(m)), load(m + 1));
    const counts far = add(load(m - 2), load(m + 2));
    const counts higher = add(add(load(n - 1), load(n)), load(n + 1));
    counts sum = add(add(near, near), add(far, higher));
    if (weighs) {
        const uint16_t *q = row->reference[1] + x;
        const counts here = load(q), sides = add(load(q - 1), load(q + 1));
        const counts ends = add(load(row->reference[0] + x), load(row->reference[2] + x));
        sum = add(add(sum, add(here, here)), add(sides, ends));
    }
    return sum;
}

#define NUMBER int16_t
#define NAME(x) x##16
#include "predicted/sorters_of.h"
#undef NUMBER
#undef NAME

#define NUMBER int32_t
#define NAME(x) x##32
#include "predicted/sorters_of.h"
#undef NUMBER
#undef NAME
