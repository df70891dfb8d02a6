/* What the kernels for x86-64 share; included behind common/simd_begin.h. */

/* Transpose eight rows of eight 32-bit columns: out[c] gets column c. */
TEMPLATE void transpose8(const __m256i in[8], __m256i out[8])
{
    __m256i a[8];
    UNROLL for (unsigned j = 0; j < 8; j += 4) {
        __m256i p = _mm256_unpacklo_epi32(in[j], in[j + 1]);
        __m256i q = _mm256_unpackhi_epi32(in[j], in[j + 1]);
        __m256i r = _mm256_unpacklo_epi32(in[j + 2], in[j + 3]);
        __m256i s = _mm256_unpackhi_epi32(in[j + 2], in[j + 3]);
        a[j] = _mm256_unpacklo_epi64(p, r);
        a[j + 1] = _mm256_unpackhi_epi64(p, r);
        a[j + 2] = _mm256_unpacklo_epi64(q, s);
        a[j + 3] = _mm256_unpackhi_epi64(q, s);
    }
    UNROLL for (unsigned c = 0; c < 4; c++) {
        out[c] = _mm256_permute2x128_si256(a[c], a[4 + c], 0x20);
        out[c + 4] = _mm256_permute2x128_si256(a[c], a[4 + c], 0x31);
    }
}
