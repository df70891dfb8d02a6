#include "common/md5.h"

#include <string.h>

static uint32_t load(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> 8 * i);
}

/* The four functions of RFC 1321 section 3.4, written so that the word that came last is waited for as
   shortly as possible: G is a sum of two parts that share no bit. */
#define F(B, C, D) ((D) ^ ((B) & ((C) ^ (D))))
#define G(B, C, D) (((C) & ~(D)) + ((B) & (D)))
#define H(B, C, D) ((C) ^ (D) ^ (B))
#define I(B, C, D) ((C) ^ ((B) | ~(D)))

#define STEP(FUNCTION, A, B, C, D, WORD, CONSTANT, ROTATION)                                       \
    A += x[WORD] + CONSTANT##u;                                                                    \
    A += FUNCTION(B, C, D);                                                                        \
    A = (A << ROTATION | A >> (32 - ROTATION)) + B;

#define FOUR(FUNCTION, W0, W1, W2, W3, K0, K1, K2, K3, R0, R1, R2, R3)                             \
    STEP(FUNCTION, a, b, c, d, W0, K0, R0)                                                         \
    STEP(FUNCTION, d, a, b, c, W1, K1, R1)                                                         \
    STEP(FUNCTION, c, d, a, b, W2, K2, R2)                                                         \
    STEP(FUNCTION, b, c, d, a, W3, K3, R3)

static const uint8_t *add_blocks(uint32_t state[4], const uint8_t *data, size_t blocks)
{
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (; blocks; blocks--, data += 64) {
        const uint32_t a0 = a, b0 = b, c0 = c, d0 = d;
        uint32_t x[16];
        for (int i = 0; i < 16; i++)
            x[i] = load(data + 4 * i);
#define ROUND(W0, W1, W2, W3, K0, K1, K2, K3)                                                      \
    FOUR(F, W0, W1, W2, W3, K0, K1, K2, K3, 7, 12, 17, 22)
        ROUND(0, 1, 2, 3, 0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee)
        ROUND(4, 5, 6, 7, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501)
        ROUND(8, 9, 10, 11, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be)
        ROUND(12, 13, 14, 15, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821)
#undef ROUND
#define ROUND(W0, W1, W2, W3, K0, K1, K2, K3)                                                      \
    FOUR(G, W0, W1, W2, W3, K0, K1, K2, K3, 5, 9, 14, 20)
        ROUND(1, 6, 11, 0, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa)
        ROUND(5, 10, 15, 4, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8)
        ROUND(9, 14, 3, 8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed)
        ROUND(13, 2, 7, 12, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a)
#undef ROUND
#define ROUND(W0, W1, W2, W3, K0, K1, K2, K3)                                                      \
    FOUR(H, W0, W1, W2, W3, K0, K1, K2, K3, 4, 11, 16, 23)
        ROUND(5, 8, 11, 14, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c)
        ROUND(1, 4, 7, 10, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70)
        ROUND(13, 0, 3, 6, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05)
        ROUND(9, 12, 15, 2, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665)
#undef ROUND
#define ROUND(W0, W1, W2, W3, K0, K1, K2, K3)                                                      \
    FOUR(I, W0, W1, W2, W3, K0, K1, K2, K3, 6, 10, 15, 21)
        ROUND(0, 7, 14, 5, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039)
        ROUND(12, 3, 10, 1, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1)
        ROUND(8, 15, 6, 13, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1)
        ROUND(4, 11, 2, 9, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391)
#undef ROUND
        a += a0;
        b += b0;
        c += c0;
        d += d0;
    }
    state[0] = a;
    state[1] = b;
    state[2] = c;
    state[3] = d;
    return data;
}

void vf_md5_start(vf_md5 *md5)
{
    *md5 = (vf_md5){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
}

void vf_md5_add(vf_md5 *md5, const uint8_t *data, size_t size)
{
    const size_t held = md5->size & 63, room = 64 - held;
    md5->size += size;
    if (held && size >= room) {
        memcpy(md5->block + held, data, room);
        add_blocks(md5->state, md5->block, 1);
        data += room;
        size -= room;
    } else if (held) {
        memcpy(md5->block + held, data, size);
        return;
    }
    data = add_blocks(md5->state, data, size / 64);
    memcpy(md5->block, data, size & 63);
}

void vf_md5_finish(vf_md5 *md5, uint8_t digest[16])
{
    static const uint8_t PADDING[64] = {0x80};
    const uint64_t bits = md5->size * 8;
    uint8_t length[8];
    store(length, (uint32_t)bits);
    store(length + 4, (uint32_t)(bits >> 32));
    vf_md5_add(md5, PADDING, 1 + ((119 - md5->size) & 63));
    vf_md5_add(md5, length, 8);
    for (int i = 0; i < 4; i++)
        store(digest + 4 * i, md5->state[i]);
}
