/* For kernels that bring numbers to their columns by shuffles: the shuffle of each set of eight columns, or four.
   Constants, of which a kernel takes what it needs. */

#define BIT(SET, I) ((SET) >> (I) & 1)
#define BELOW(SET, I)                                                                              \
    ((I > 0) * BIT(SET, 0) + (I > 1) * BIT(SET, 1) + (I > 2) * BIT(SET, 2) + (I > 3) * BIT(SET, 3) + \
     (I > 4) * BIT(SET, 4) + (I > 5) * BIT(SET, 5) + (I > 6) * BIT(SET, 6))
#define FOUR(SET) ENTRY(SET), ENTRY(SET + 1), ENTRY(SET + 2), ENTRY(SET + 3)
#define SIXTEEN(SET) FOUR(SET), FOUR(SET + 4), FOUR(SET + 8), FOUR(SET + 12)
#define SIXTY_FOUR(SET) SIXTEEN(SET), SIXTEEN(SET + 16), SIXTEEN(SET + 32), SIXTEEN(SET + 48)
#define ALL_SETS SIXTY_FOUR(0), SIXTY_FOUR(64), SIXTY_FOUR(128), SIXTY_FOUR(192)

/* The bytes of the next numbers of 16 bits; of columns that are not in the set a byte that there is not, for 0. */
#define PAIR(SET, I)                                                                               \
    BIT(SET, I) ? 2 * BELOW(SET, I) : 0x80, BIT(SET, I) ? 2 * BELOW(SET, I) + 1 : 0x80
#define ENTRY(SET)                                                                                 \
    {PAIR(SET, 0), PAIR(SET, 1), PAIR(SET, 2), PAIR(SET, 3),                                       \
     PAIR(SET, 4), PAIR(SET, 5), PAIR(SET, 6), PAIR(SET, 7)}
static const uint8_t SPREAD16[256][16] = {ALL_SETS};
#undef ENTRY

/* As SPREAD16, but which number, with its top bit set where the column is in the set. */
#define PLACE(SET, I) BIT(SET, I) ? 0x80 + BELOW(SET, I) : 0
#define ENTRY(SET)                                                                                 \
    {PLACE(SET, 0), PLACE(SET, 1), PLACE(SET, 2), PLACE(SET, 3),                                   \
     PLACE(SET, 4), PLACE(SET, 5), PLACE(SET, 6), PLACE(SET, 7)}
static const uint8_t SPREAD32[256][8] = {ALL_SETS};
#undef ENTRY

/* As SPREAD16, for four columns and numbers of 32 bits. */
#define FOURFOLD(SET, I)                                                                           \
    BIT(SET, I) ? 4 * BELOW(SET, I) : 0x80, BIT(SET, I) ? 4 * BELOW(SET, I) + 1 : 0x80,            \
        BIT(SET, I) ? 4 * BELOW(SET, I) + 2 : 0x80, BIT(SET, I) ? 4 * BELOW(SET, I) + 3 : 0x80
#define ENTRY(SET) {FOURFOLD(SET, 0), FOURFOLD(SET, 1), FOURFOLD(SET, 2), FOURFOLD(SET, 3)}
static const uint8_t SPREAD_FOUR[16][16] = {SIXTEEN(0)};
#undef ENTRY

/* How many columns a set has. */
#define ENTRY(SET) BELOW(SET, 7) + BIT(SET, 7)
static const uint8_t SIZE_OF[256] = {ALL_SETS};
#undef ENTRY
