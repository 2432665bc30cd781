#pragma once

#include <stddef.h>

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

    // Over f32. Overflowing: finite, yet infinite once cast. Inexact: changed by the cast and back, NaN aside.
    ck_tally nonfinite;
    ck_tally overflowing_f16;
    ck_tally inexact_f16;
    ck_tally inexact_bf16;
};

#define CK_LEVEL_COUNT 3

/// The kernels of a level below CK_LEVEL_COUNT, 0 being the slowest; null where this machine has no such level.
const struct ck_kernels *_Nullable ck_kernels_at(int level);

/// The kernels of the highest level this machine has.
const struct ck_kernels *ck_kernels_best(void);

/// "avx512", "avx2", "neon" or "portable".
const char *ck_instruction_set(void);

#pragma clang assume_nonnull end
