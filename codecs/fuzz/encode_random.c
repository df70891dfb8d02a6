/* The target fuzz_encode.c over inputs drawn at random, the same on every machine. Prints a hash of all that
   was encoded after every hundred.
     encode_random HUNDREDS */
#include <inttypes.h>

#include "fuzz_encode.c"

static uint32_t draw(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

int main(int argc, char **argv)
{
    const int hundreds = argc > 1 ? atoi(argv[1]) : 1;
    uint64_t seed = 1;
    for (int i = 0; i < hundreds; i++) {
        for (int j = 0; j < 100; j++) {
            uint8_t input[PARAMETERS + 4096];
            const size_t size = PARAMETERS + draw(&seed) % 4096;
            const uint32_t mask = draw(&seed) | draw(&seed); /* some bits may be 0 everywhere */
            for (size_t k = 0; k < size; k++)
                input[k] = (uint8_t)(draw(&seed) & (k < PARAMETERS ? 255 : mask));
            LLVMFuzzerTestOneInput(input, size);
        }
        printf("encoded %016" PRIx64 "\n", encoded);
    }
    return 0;
}
