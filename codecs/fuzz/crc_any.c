/* Checksums that are always right, so that the fuzzer gets past them: takes the place of common/crc.c.
   The true ones are computed all the same, for the sanitizers to watch. */
#define vf_crc8 fuzz_crc8
#define vf_crc16 fuzz_crc16
#define vf_crc16_continue fuzz_crc16_continue
#include "common/crc.c"
#undef vf_crc8
#undef vf_crc16
#undef vf_crc16_continue

uint8_t vf_crc8(const uint8_t *data, size_t size);
uint16_t vf_crc16(const uint8_t *data, size_t size);
uint16_t vf_crc16_continue(uint16_t crc, const uint8_t *data, size_t size);

static volatile unsigned kept;

uint8_t vf_crc8(const uint8_t *data, size_t size)
{
    kept = fuzz_crc8(data, size);
    return data[size]; /* the byte behind is the checksum: whoever asks has it */
}

uint16_t vf_crc16(const uint8_t *data, size_t size)
{
    kept = fuzz_crc16(data, size);
    return (uint16_t)(data[size] << 8 | data[size + 1]);
}

uint16_t vf_crc16_continue(uint16_t crc, const uint8_t *data, size_t size)
{
    kept = fuzz_crc16_continue(crc, data, size);
    return 0;
}
