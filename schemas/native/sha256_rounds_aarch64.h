/* The rounds by the SHA-2 instructions of ARMv8; included by sha256_lanes.c alone. */

#include <arm_neon.h>
#include <sys/auxv.h>

#define LANES_PROCESSOR target("+crypto")
#ifndef HWCAP_SHA2
#define HWCAP_SHA2 (1 << 6) /* asm/hwcap.h of Linux for arm64 */
#endif

/* `n` blocks of each lane; the instructions keep the state as ABCD and EFGH. */
LANES_INLINE void rounds(Lane *const *lanes, const int n_lanes, size_t n) {
    uint32x4_t abcd[MOST_LANES], efgh[MOST_LANES];
    const uint8_t *at[MOST_LANES];
    for (int i = 0; i < n_lanes; i++) {
        abcd[i] = vld1q_u32(&lanes[i]->state[0]);
        efgh[i] = vld1q_u32(&lanes[i]->state[4]);
        at[i] = lanes[i]->rest;
    }
    for (; n > 0; n--) {
        uint32x4_t words[MOST_LANES][4], abcd_before[MOST_LANES], efgh_before[MOST_LANES];
#pragma GCC unroll 3
        for (int i = 0; i < n_lanes; i++) {
            abcd_before[i] = abcd[i];
            efgh_before[i] = efgh[i];
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++)
                words[i][j] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(at[i] + 16 * j)));
            at[i] += BLOCK;
        }
#pragma GCC unroll 16
        for (int r = 0; r < 16; r++) {
            const uint32x4_t k = vld1q_u32(&K[4 * r]);
#pragma GCC unroll 3
            for (int i = 0; i < n_lanes; i++) {
                uint32x4_t *w = words[i];
                const uint32x4_t sum = vaddq_u32(w[r & 3], k), abcd_here = abcd[i];
                if (r < 12) {
                    const uint32x4_t part = vsha256su0q_u32(w[r & 3], w[(r + 1) & 3]);
                    w[r & 3] = vsha256su1q_u32(part, w[(r + 2) & 3], w[(r + 3) & 3]);
                }
                abcd[i] = vsha256hq_u32(abcd_here, efgh[i], sum);
                efgh[i] = vsha256h2q_u32(efgh[i], abcd_here, sum);
            }
        }
#pragma GCC unroll 3
        for (int i = 0; i < n_lanes; i++) {
            abcd[i] = vaddq_u32(abcd[i], abcd_before[i]);
            efgh[i] = vaddq_u32(efgh[i], efgh_before[i]);
        }
    }
    for (int i = 0; i < n_lanes; i++) {
        vst1q_u32(&lanes[i]->state[0], abcd[i]);
        vst1q_u32(&lanes[i]->state[4], efgh[i]);
    }
}

static int has_instructions(void) { return (getauxval(AT_HWCAP) & HWCAP_SHA2) != 0; }
