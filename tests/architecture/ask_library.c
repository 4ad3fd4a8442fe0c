/* Asks the library of a wheel for digests, on a processor that this machine is not.

   One request a line, `begin end whole file head`, the last two as hexadecimal behind an `x`; one
   line of digests back, or `outside`. File and head end where memory ends, so that a byte read
   behind them kills the program. With an argument more, the processor says it has no SHA-2. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef int Lanes(const uint8_t *, size_t, size_t, size_t, const uint8_t *, size_t, int, uint8_t *);

#define ROOM 65536 /* half of the digits that are read */

static int without;

/* The library finds this one before that of the C library. */
unsigned long getauxval(unsigned long type) {
    static unsigned long (*real)(unsigned long);
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "getauxval");
    return without ? 0 : real(type);
}

static uint8_t half(char digit) { return digit <= '9' ? digit - '0' : digit - 'a' + 10; }

static uint8_t *before_the_end(uint8_t *page, const char *hex, size_t n) {
    uint8_t *at = page + ROOM - n;
    for (size_t i = 0; i < n; i++) at[i] = half(hex[2 * i]) << 4 | half(hex[2 * i + 1]);
    return at;
}

static uint8_t *pages(void) {
    uint8_t *at = mmap(NULL, 2 * ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(at + ROOM, ROOM, PROT_NONE) != 0) exit(3);
    return at;
}

int main(int n_arguments, char **arguments) {
    static char file[131074], head[131074];
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (library == NULL) return fprintf(stderr, "%s\n", dlerror()), 2;
    int (*can)(void);
    Lanes *lanes;
    *(void **)&can = dlsym(library, "sha256_lanes_can");
    *(void **)&lanes = dlsym(library, "sha256_lanes");
    without = n_arguments > 2;
    printf("can %d\n", can() != 0);
    uint8_t *files = pages(), *heads = pages();
    size_t begin, end;
    int whole;
    while (scanf("%zu %zu %d %131073s %131073s", &begin, &end, &whole, file, head) == 5) {
        const size_t n_file = strlen(file) / 2, n_head = strlen(head) / 2; /* the `x` is half */
        uint8_t digests[96] = {0};
        if (lanes(before_the_end(files, file + 1, n_file), n_file, begin, end,
                  before_the_end(heads, head + 1, n_head), n_head, whole, digests)) {
            puts("outside");
            continue;
        }
        for (int i = 0; i < (whole ? 96 : 64); i++) printf("%02x", digests[i]);
        puts("");
    }
    return 0;
}
