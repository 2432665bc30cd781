#pragma once

#include <stddef.h>
#include <stdint.h>

#include "Products.h"
#include "System.h"

#pragma clang assume_nonnull begin

/// Reads `count` elements at `source` and writes their other form to `destination`.
/// Neither needs an alignment and they do not overlap. Block types take a multiple of their block.
typedef void (*ck_conversion)(const void *source, void *destination, size_t count);

/// Writes `rows` rows of `columns` float32 numbers at `source` as blocks. `importance` weights the columns, one number
/// for each; types whose search takes no weights ignore it. Rows are whole blocks.
typedef void (*ck_encoder)(const void *source, void *destination, size_t rows, size_t columns,
                           const float *_Nullable importance);

/// The number of the `count` elements at `source` with some property.
typedef size_t (*ck_tally)(const void *source, size_t count);

/// What happened to numbers on their way to others.
struct ck_difference {
    double squared_error, squared_source;
    float farthest;
};

/// Adds the differences of `count` float32 numbers to `sums`.
typedef void (*ck_comparison)(const void *source, const void *result, size_t count, struct ck_difference *sums);

/// Replaces `count` numbers of a gate by a function of them times those of `up`.
typedef void (*ck_gate)(float *gate, const float *up, size_t count);

/// Finds the `tried` codewords, at most eight, with the least `Σ (squares[p]·w_p + lines[p])·w_p`, the least first and of
/// equals the first, and writes their places. `words` are `[size, count]`, a multiple of 16 of them. What costs no number is
/// never found: such places are 0.
typedef void (*ck_nearest)(const float *words, size_t size, size_t count, const float *squares, const float *lines,
                           size_t tried, int32_t *places);

/// The hot loops, compiled for one instruction set. The bytes they write do not depend on which one that is.
struct ck_kernels {
    const char *instruction_set;

    // Rounding is to nearest even. A NaN becomes sign|0x7E00 in f16; to bf16 or from f16 it keeps its upper bits and is
    // made quiet; from bf16 it keeps them all.
    ck_conversion f16_from_f32;
    ck_conversion f16_from_bf16;
    ck_conversion bf16_from_f32;
    ck_conversion f32_from_f16;
    ck_conversion f32_from_bf16;

    // From and to f32. Levels of elements that are not finite mean nothing; look for those first.
    ck_encoder encode_q4_0;
    ck_encoder encode_q4_1;
    ck_encoder encode_q5_0;
    ck_encoder encode_q5_1;
    ck_encoder encode_q8_0;
    ck_encoder encode_q2_k;
    ck_encoder encode_q3_k;
    ck_encoder encode_q4_k;
    ck_encoder encode_q5_k;
    ck_encoder encode_q6_k;
    ck_encoder encode_iq4_nl;
    ck_encoder encode_iq4_xs;
    ck_conversion decode_q4_0;
    ck_conversion decode_q4_1;
    ck_conversion decode_q5_0;
    ck_conversion decode_q5_1;
    ck_conversion decode_q8_0;
    ck_conversion decode_q2_k;
    ck_conversion decode_q3_k;
    ck_conversion decode_q4_k;
    ck_conversion decode_q5_k;
    ck_conversion decode_q6_k;
    ck_conversion decode_iq4_nl;
    ck_conversion decode_iq4_xs;

    // Blocks whose levels are only rounded.
    ck_encoder encode_tq1_0, encode_tq2_0, encode_mxfp4, encode_nvfp4, encode_q1_0, encode_q2_0;
    ck_conversion decode_tq1_0, decode_tq2_0, decode_mxfp4, decode_nvfp4, decode_q1_0, decode_q2_0;

    // Blocks whose levels are entries of codebooks.
    ck_encoder encode_iq1_s, encode_iq1_m, encode_iq2_xxs, encode_iq2_xs, encode_iq2_s, encode_iq3_xxs, encode_iq3_s;
    ck_conversion decode_iq1_s, decode_iq1_m, decode_iq2_xxs, decode_iq2_xs, decode_iq2_s, decode_iq3_xxs, decode_iq3_s;

    // Floats of a byte and less. Rounding is to nearest even; e4m3, which has no infinity, stops at its largest instead.
    ck_conversion e4m3_from_f32;
    ck_conversion e5m2_from_f32;
    ck_conversion f32_from_e4m3;
    ck_conversion f32_from_e5m2;
    ck_conversion f32_from_e4m3fnuz;
    ck_conversion f32_from_e5m2fnuz;
    ck_conversion f32_from_e8m0;
    ck_conversion f32_from_e2m1;

    // Over f32. Overflowing: finite, yet infinite once cast; to e4m3, cut off at the largest. Inexact: changed by the
    // cast and back, NaN aside.
    ck_tally nonfinite;
    ck_tally overflowing_f16;
    ck_tally inexact_f16;
    ck_tally inexact_bf16;
    ck_tally overflowing_e4m3;
    ck_tally overflowing_e5m2;
    ck_tally inexact_e4m3;
    ck_tally inexact_e5m2;

    ck_comparison differences;

    // Of a forward pass. `gate = f(gate) · up`:
    ck_gate gate_by_silu, gate_by_gelu_tanh;
    /// The greatest number; NaNs are passed over.
    float (*maximum)(const float *x, size_t count);
    /// Replaces numbers by `exp(x − offset)` and returns their sum.
    double (*exponentials)(float *x, size_t count, float offset);
    ck_nearest nearest_codewords;
};

/// The codebooks of GGUF's IQ types (codebooks.c).
struct ck_codebooks {
    // 2048, 256, 512 and 1024 entries of eight codes, two bits each.
    const uint16_t *iq1, *iq2_xxs, *iq2_xs, *iq2_s;
    // 256 and 512 entries of four codes, four bits each.
    const uint16_t *iq3_xxs, *iq3_s;
};

const struct ck_codebooks *ck_codebooks(void);

#define CK_LEVEL_COUNT 3

/// The kernels of a level below CK_LEVEL_COUNT, 0 being the slowest; null where this machine has no such level.
const struct ck_kernels *_Nullable ck_kernels_at(int level);

/// The kernels of the highest level this machine has.
const struct ck_kernels *ck_kernels_best(void);

/// "avx512", "avx2", "neon" or "portable".
const char *ck_instruction_set(void);

/// The state of a CRC-32 (polynomial 0xEDB88320) after `count` bytes at `source`, a multiple of 64; it begins and ends
/// inverted.
typedef uint32_t (*ck_checksum)(uint32_t state, const void *source, size_t count);

/// The CRC-32 of a level, 0 being the slowest; null where this machine has no such level, which may be all of them.
ck_checksum _Nullable ck_crc32_at(int level);

#define CK_CRC32_LEVEL_COUNT 3

#pragma clang assume_nonnull end
