#ifndef CBYTES_H
#define CBYTES_H

#include <stddef.h>
#include <stdint.h>

/// Whether this processor has an instruction for CRC-32C.
int cbytes_has_crc32c(void);

/// The register of a CRC-32C (not inverted, RFC 3720 appendix B.4) after some more bytes. Only where the processor can.
uint32_t cbytes_crc32c(uint32_t crc, const uint8_t *bytes, size_t count);

#endif
