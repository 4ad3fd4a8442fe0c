/* SHA-256 (FIPS 180-4) of up to three messages at a time, by the SHA instructions of x86-64 and of
   ARMv8. What differs between them, the rounds and the question whether they are there, is in a
   header for each; lengths, padding and bounds are here, once.

   One message alone leaves these instructions waiting for each other half of the time: each
   round needs the one before it. Rounds of several messages in turn fill that time. Nothing is
   allocated, nothing is kept, and every length is checked before a byte is read. What has no such
   instructions says so by `sha256_lanes_can`, and Python hashes as ever. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MOST_LANES 3

#if defined(__GNUC__) && defined(__x86_64__)
#define LANES_ROUNDS "sha256_rounds_x86_64.h"
#elif defined(__GNUC__) && defined(__AARCH64EL__)
#define LANES_ROUNDS "sha256_rounds_aarch64.h"
#endif

#ifdef LANES_ROUNDS

#define BLOCK 64

/* FIPS 180-4, 4.2.2 and 5.3.3. */
static const uint32_t K[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static const uint32_t FIRST[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* A message is `head` and what stands behind it at `rest`. */
typedef struct {
    uint32_t state[8];
    const uint8_t *head, *rest;
    size_t n_head, n_rest, n_bytes;
} Lane;

#define LANES_INLINE static inline __attribute__((always_inline, LANES_PROCESSOR))
#define LANES_TARGET static __attribute__((noinline, LANES_PROCESSOR))

/* LANES_PROCESSOR, `has_instructions`, and `rounds`, whose number of lanes is known to the
   compiler wherever it is called. */
#include LANES_ROUNDS

LANES_TARGET void rounds_1(Lane *const *lanes, size_t n) { rounds(lanes, 1, n); }
LANES_TARGET void rounds_2(Lane *const *lanes, size_t n) { rounds(lanes, 2, n); }
LANES_TARGET void rounds_3(Lane *const *lanes, size_t n) { rounds(lanes, 3, n); }

/* Blocks that are whole within `rest`. */
static void pass(Lane *const *lanes, int n_lanes, size_t n) {
    if (n == 0) return;
    if (n_lanes == 3) rounds_3(lanes, n);
    else if (n_lanes == 2) rounds_2(lanes, n);
    else rounds_1(lanes, n);
    for (int i = 0; i < n_lanes; i++) {
        lanes[i]->rest += n * BLOCK;
        lanes[i]->n_rest -= n * BLOCK;
    }
}

static void pass_alone(Lane *lane, const uint8_t *bytes, size_t n) {
    Lane alone = *lane;
    Lane *const only[1] = {&alone};
    alone.rest = bytes;
    alone.n_rest = n * BLOCK;
    pass(only, 1, n);
    memcpy(lane->state, alone.state, sizeof lane->state);
}

/* The head, and as much of what stands behind it as fills its last block. */
static void take_head(Lane *lane) {
    const size_t n = lane->n_head / BLOCK;
    pass_alone(lane, lane->head, n);
    lane->head += n * BLOCK;
    lane->n_head -= n * BLOCK;
    if (lane->n_head > 0 && lane->n_head + lane->n_rest >= BLOCK) {
        uint8_t block[BLOCK];
        const size_t missing = BLOCK - lane->n_head;
        memcpy(block, lane->head, lane->n_head);
        memcpy(block + lane->n_head, lane->rest, missing);
        pass_alone(lane, block, 1);
        lane->n_head = 0;
        lane->rest += missing;
        lane->n_rest -= missing;
    }
}

/* What is left is less than a block: padding and length (FIPS 180-4, 5.1.1). */
static void finish(Lane *lane, uint8_t digest[32]) {
    uint8_t block[2 * BLOCK] = {0};
    const uint64_t n_bits = (uint64_t)lane->n_bytes * 8;
    size_t n = 0;
    if (lane->n_head > 0) memcpy(block, lane->head, lane->n_head);
    n = lane->n_head;
    if (lane->n_rest > 0) memcpy(block + n, lane->rest, lane->n_rest);
    n += lane->n_rest;
    block[n] = 0x80;
    const size_t n_blocks = n + 9 <= BLOCK ? 1 : 2;
    for (int i = 0; i < 8; i++) block[n_blocks * BLOCK - 1 - i] = (uint8_t)(n_bits >> (8 * i));
    pass_alone(lane, block, n_blocks);
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 4; j++) digest[4 * i + j] = (uint8_t)(lane->state[i] >> (24 - 8 * j));
}

static Lane lane_of(const uint8_t *head, size_t n_head, const uint8_t *rest, size_t n_rest) {
    Lane lane = {{0}, head, rest, n_head, n_rest, n_head + n_rest};
    memcpy(lane.state, FIRST, sizeof lane.state);
    return lane;
}

int sha256_lanes_can(void) { return has_instructions(); }

/* Digests of the bytes from `begin` to `end` of a file, of `head` with these behind it, and, where
   `whole` is set, of the whole file. Returns 0, or 1 and no digest when they do not lie in it. */
int sha256_lanes(const uint8_t *file, size_t n_file, size_t begin, size_t end, const uint8_t *head,
                 size_t n_head, int whole, uint8_t digests[32 * MOST_LANES]) {
    if (begin > end || end > n_file) return 1;
    Lane lanes[MOST_LANES] = {lane_of(head, 0, file + begin, end - begin),
                              lane_of(head, n_head, file + begin, end - begin),
                              lane_of(head, 0, file, n_file)};
    Lane *const all[MOST_LANES] = {&lanes[0], &lanes[1], &lanes[2]};
    const int n_lanes = whole ? 3 : 2;
    size_t n = (size_t)-1;
    for (int i = 0; i < n_lanes; i++) {
        take_head(all[i]);
        if (all[i]->n_rest / BLOCK < n) n = all[i]->n_rest / BLOCK;
    }
    pass(all, n_lanes, n);
    for (int i = 0; i < n_lanes; i++) {
        pass(&all[i], 1, all[i]->n_rest / BLOCK);
        finish(all[i], digests + 32 * i);
    }
    return 0;
}

/* A message that comes in pieces; `rest` are its last bytes, fewer than a block. */
typedef struct {
    uint32_t state[8];
    uint64_t n_bytes;
    uint8_t rest[BLOCK];
} Stream;

static Lane lane_of_stream(const Stream *stream, const uint8_t *bytes, size_t n) {
    Lane lane = {{0}, stream->rest, bytes, (size_t)(stream->n_bytes % BLOCK), n, 0};
    memcpy(lane.state, stream->state, sizeof lane.state);
    lane.n_bytes = (size_t)stream->n_bytes + n;
    return lane;
}

size_t sha256_stream_bytes(void) { return sizeof(Stream); }

void sha256_streams_start(Stream *streams, int n_streams) {
    for (int i = 0; i < n_streams; i++) {
        memcpy(streams[i].state, FIRST, sizeof streams[i].state);
        streams[i].n_bytes = 0;
    }
}

/* The next piece of each of up to three messages. Returns 0, or 1 for more of them. */
int sha256_streams_update(Stream *streams, int n_streams, const uint8_t *const *bytes,
                          const size_t *sizes) {
    if (n_streams < 1 || n_streams > MOST_LANES) return 1;
    Lane lanes[MOST_LANES];
    Lane *all[MOST_LANES];
    size_t n = (size_t)-1;
    for (int i = 0; i < n_streams; i++) {
        lanes[i] = lane_of_stream(&streams[i], bytes[i], sizes[i]);
        all[i] = &lanes[i];
        take_head(all[i]);
        /* A head that is left was not filled: nothing of this message is a whole block. */
        if (all[i]->n_rest / BLOCK < n) n = all[i]->n_rest / BLOCK;
    }
    pass(all, n_streams, n);
    for (int i = 0; i < n_streams; i++) {
        Stream *stream = &streams[i];
        uint8_t left[BLOCK];
        pass(&all[i], 1, all[i]->n_rest / BLOCK);
        memcpy(left, lanes[i].head, lanes[i].n_head);
        memcpy(left + lanes[i].n_head, lanes[i].rest, lanes[i].n_rest);
        memcpy(stream->rest, left, lanes[i].n_head + lanes[i].n_rest);
        memcpy(stream->state, lanes[i].state, sizeof stream->state);
        stream->n_bytes = lanes[i].n_bytes;
    }
    return 0;
}

void sha256_streams_digests(const Stream *streams, int n_streams, uint8_t *digests) {
    for (int i = 0; i < n_streams; i++) {
        Lane lane = lane_of_stream(&streams[i], streams[i].rest, 0);
        finish(&lane, digests + 32 * i);
    }
}

#else

size_t sha256_stream_bytes(void) { return 0; }

int sha256_lanes_can(void) { return 0; }

int sha256_lanes(const uint8_t *file, size_t n_file, size_t begin, size_t end, const uint8_t *head,
                 size_t n_head, int whole, uint8_t digests[32 * MOST_LANES]) {
    (void)file, (void)n_file, (void)begin, (void)end, (void)head, (void)n_head;
    (void)whole, (void)digests;
    return 1;
}

#endif
