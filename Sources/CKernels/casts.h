// Casts

#include "halves.h"

#define CAST(name, from, to, expression)                                                        \
    static void name(const void *restrict source, void *restrict destination, size_t count)    \
    {                                                                                           \
        const from *restrict in = source;                                                       \
        to *restrict out = destination;                                                         \
        for (size_t i = 0; i < count; i++) out[i] = expression;                                 \
    }

CAST(f16_from_f32, unaligned_float, unaligned_u16, f16_of(in[i]))
CAST(f16_from_bf16, unaligned_u16, unaligned_u16, f16_of(f32_of_bf16(in[i])))
CAST(bf16_from_f32, unaligned_float, unaligned_u16, bf16_of(in[i]))
CAST(f32_from_f16, unaligned_u16, unaligned_float, f32_of_f16(in[i]))
CAST(f32_from_bf16, unaligned_u16, unaligned_u32, (uint32_t)in[i] << 16)

// Tallies

// Counting a stretch in 32 bits keeps the counters as narrow as the elements.
#define TALLY(name, condition)                                                                  \
    static size_t name(const void *restrict source, size_t count)                              \
    {                                                                                           \
        const unaligned_u32 *restrict in = source;                                              \
        size_t total = 0;                                                                       \
        for (size_t start = 0; start < count; start += 65536) {                                 \
            size_t end = count - start < 65536 ? count : start + 65536;                         \
            uint32_t found = 0;                                                                 \
            for (size_t i = start; i < end; i++) {                                              \
                uint32_t bits = in[i], magnitude = bits & 0x7FFFFFFF;                           \
                found += (condition);                                                           \
            }                                                                                   \
            total += found;                                                                     \
        }                                                                                       \
        return total;                                                                           \
    }

TALLY(nonfinite, magnitude >= 0x7F800000)
TALLY(overflowing_f16, (magnitude >= 0x477FF000) & (magnitude < 0x7F800000))
TALLY(inexact_f16, (magnitude <= 0x7F800000) & (bits_of(f32_of_f16(f16_of(float_of(bits)))) != bits))
TALLY(inexact_bf16, (magnitude <= 0x7F800000) & ((bits & 0xFFFF) != 0))
