#include "cbytes.h"
#include <string.h>

// SSE 4.2 has `crc32` for this polynomial, ARMv8's CRC extension `crc32c`: eight bytes each.
#if defined(__x86_64__)
#include <nmmintrin.h>
#define WITH_CRC __attribute__((target("sse4.2")))
#define EIGHT(crc, word) (uint32_t) _mm_crc32_u64(crc, word)
#define ONE(crc, byte) _mm_crc32_u8(crc, byte)
int cbytes_has_crc32c(void) { return __builtin_cpu_supports("sse4.2") != 0; }
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define WITH_CRC __attribute__((target("crc")))
#define EIGHT(crc, word) __crc32cd(crc, word)
#define ONE(crc, byte) __crc32cb(crc, byte)
// HWCAP_CRC32 of asm/hwcap.h.
int cbytes_has_crc32c(void) { return (getauxval(AT_HWCAP) >> 7 & 1) != 0; }
#else
#define WITH_CRC
#define EIGHT(crc, word) (crc)
#define ONE(crc, byte) (crc)
int cbytes_has_crc32c(void) { return 0; }
#endif

WITH_CRC uint32_t cbytes_crc32c(uint32_t crc, const uint8_t *bytes, size_t count) {
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        crc = EIGHT(crc, word);
    }
    for (; count > 0; bytes++, count--) crc = ONE(crc, *bytes);
    return crc;
}
