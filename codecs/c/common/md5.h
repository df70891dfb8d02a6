/* MD5 (RFC 1321), which STREAMINFO holds of the samples. Knows bytes only. */
#ifndef VF_MD5_H
#define VF_MD5_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t state[4];
    uint64_t size;     /* bytes so far */
    uint8_t block[64]; /* those that do not fill a block yet */
} vf_md5;

void vf_md5_start(vf_md5 *md5);

/* Go on over the next size bytes. */
void vf_md5_add(vf_md5 *md5, const uint8_t *data, size_t size);

/* Write the digest. The md5 has to be started again before it is used again. */
void vf_md5_finish(vf_md5 *md5, uint8_t digest[16]);

#endif
