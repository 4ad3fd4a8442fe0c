/* The rounds by the SHA instructions of x86-64; included by sha256_lanes.c alone. */

#include <cpuid.h>
#include <immintrin.h>

#define LANES_PROCESSOR target("sha,sse4.1,ssse3")

/* `n` blocks of each lane; the instructions keep the state as ABEF and CDGH. */
LANES_INLINE void rounds(Lane *const *lanes, const int n_lanes, size_t n) {
    const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0bULL, 0x0405060700010203ULL);
    __m128i abef[MOST_LANES], cdgh[MOST_LANES];
    const uint8_t *at[MOST_LANES];
    for (int i = 0; i < n_lanes; i++) {
        const __m128i low = _mm_loadu_si128((const __m128i *)&lanes[i]->state[0]);
        const __m128i high = _mm_loadu_si128((const __m128i *)&lanes[i]->state[4]);
        const __m128i cdab = _mm_shuffle_epi32(low, 0xB1), efgh = _mm_shuffle_epi32(high, 0x1B);
        abef[i] = _mm_alignr_epi8(cdab, efgh, 8);
        cdgh[i] = _mm_blend_epi16(efgh, cdab, 0xF0);
        at[i] = lanes[i]->rest;
    }
    for (; n > 0; n--) {
        __m128i words[MOST_LANES][4], abef_before[MOST_LANES], cdgh_before[MOST_LANES];
#pragma GCC unroll 3
        for (int i = 0; i < n_lanes; i++) {
            abef_before[i] = abef[i];
            cdgh_before[i] = cdgh[i];
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                const __m128i found = _mm_loadu_si128((const __m128i *)(at[i] + 16 * j));
                words[i][j] = _mm_shuffle_epi8(found, order);
            }
            at[i] += BLOCK;
        }
#pragma GCC unroll 16
        for (int r = 0; r < 16; r++) {
            const __m128i k = _mm_load_si128((const __m128i *)&K[4 * r]);
#pragma GCC unroll 3
            for (int i = 0; i < n_lanes; i++) {
                __m128i *w = words[i];
                const __m128i sum = _mm_add_epi32(w[r & 3], k);
                cdgh[i] = _mm_sha256rnds2_epu32(cdgh[i], abef[i], sum);
                if (r < 12) {
                    const __m128i seven = _mm_alignr_epi8(w[(r + 3) & 3], w[(r + 2) & 3], 4);
                    const __m128i part = _mm_sha256msg1_epu32(w[r & 3], w[(r + 1) & 3]);
                    w[r & 3] = _mm_sha256msg2_epu32(_mm_add_epi32(part, seven), w[(r + 3) & 3]);
                }
                abef[i] = _mm_sha256rnds2_epu32(abef[i], cdgh[i], _mm_shuffle_epi32(sum, 0x0E));
            }
        }
#pragma GCC unroll 3
        for (int i = 0; i < n_lanes; i++) {
            abef[i] = _mm_add_epi32(abef[i], abef_before[i]);
            cdgh[i] = _mm_add_epi32(cdgh[i], cdgh_before[i]);
        }
    }
    for (int i = 0; i < n_lanes; i++) {
        const __m128i feba = _mm_shuffle_epi32(abef[i], 0x1B);
        const __m128i dchg = _mm_shuffle_epi32(cdgh[i], 0xB1);
        _mm_storeu_si128((__m128i *)&lanes[i]->state[0], _mm_blend_epi16(feba, dchg, 0xF0));
        _mm_storeu_si128((__m128i *)&lanes[i]->state[4], _mm_alignr_epi8(dchg, feba, 8));
    }
}

static int has_instructions(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    if (!(c >> 9 & 1) || !(c >> 19 & 1)) return 0; /* SSSE3, SSE4.1 */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    return b >> 29 & 1; /* SHA */
}
