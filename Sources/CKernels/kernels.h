// The kernels, written once; included per instruction set with the number of 32-bit lanes it works on at a time.
//
// Results are the same on every one: each operation is rounded on its own (AVX-512 and arm64 would fuse a*b+c), and a
// sum runs over its elements in order, because what shares a vector is always different groups, never different terms.

#pragma STDC FP_CONTRACT OFF
#pragma clang fp contract(off)

// Only what Swift imports says which pointers may be null.
#pragma clang diagnostic ignored "-Wnullability-completeness"
#pragma clang diagnostic ignored "-Wnullability-completeness-on-arrays"

#include "prelude.h"
#include "casts.h"
#include "batches.h"
#include "search_scale.h"
#include "search_line.h"
#include "multiples.h"
#include "blocks_of_32.h"
#include "weighted_blocks_of_32.h"
#include "q8_0.h"
#include "q2_k.h"
#include "q3_k.h"
#include "q4_k.h"
#include "q6_k.h"
#include "iq4.h"

const struct ck_kernels TABLE = {
    .instruction_set = INSTRUCTION_SET,
    .f16_from_f32 = f16_from_f32,
    .f16_from_bf16 = f16_from_bf16,
    .bf16_from_f32 = bf16_from_f32,
    .f32_from_f16 = f32_from_f16,
    .f32_from_bf16 = f32_from_bf16,
    .encode_q4_0 = encode_q4_0,
    .encode_q4_1 = encode_q4_1,
    .encode_q5_0 = encode_q5_0,
    .encode_q5_1 = encode_q5_1,
    .encode_q8_0 = encode_q8_0,
    .encode_q2_k = encode_q2_k,
    .encode_q3_k = encode_q3_k,
    .encode_q4_k = encode_q4_k,
    .encode_q5_k = encode_q5_k,
    .encode_q6_k = encode_q6_k,
    .encode_iq4_nl = encode_iq4_nl,
    .encode_iq4_xs = encode_iq4_xs,
    .decode_q4_0 = decode_q4_0,
    .decode_q4_1 = decode_q4_1,
    .decode_q5_0 = decode_q5_0,
    .decode_q5_1 = decode_q5_1,
    .decode_q8_0 = decode_q8_0,
    .decode_q2_k = decode_q2_k,
    .decode_q3_k = decode_q3_k,
    .decode_q4_k = decode_q4_k,
    .decode_q5_k = decode_q5_k,
    .decode_q6_k = decode_q6_k,
    .decode_iq4_nl = decode_iq4_nl,
    .decode_iq4_xs = decode_iq4_xs,
    .nonfinite = nonfinite,
    .overflowing_f16 = overflowing_f16,
    .inexact_f16 = inexact_f16,
    .inexact_bf16 = inexact_bf16,
};
