// The kernels, written once; included per instruction set with the number of 32-bit lanes it works on at a time.
//
// Results are the same on every one: each operation is rounded on its own (AVX-512 and arm64 would fuse a*b+c), and a
// sum runs over its elements in order, because what shares a vector is always different groups, never different terms.

#pragma STDC FP_CONTRACT OFF
#pragma clang fp contract(off)

#include "prelude.h"
#include "casts.h"
#include "differences.h"
#include "blocks_of_32.h"
#include "blocks_of_256.h"

const struct ck_kernels TABLE = {
    .instruction_set = INSTRUCTION_SET,
    .f16_from_f32 = f16_from_f32,
    .f16_from_bf16 = f16_from_bf16,
    .bf16_from_f32 = bf16_from_f32,
    .f32_from_f16 = f32_from_f16,
    .f32_from_bf16 = f32_from_bf16,
    .encode_q4_0 = encode_q4_0,
    .encode_q8_0 = encode_q8_0,
    .encode_q6_k = encode_q6_k,
    .decode_q4_0 = decode_q4_0,
    .decode_q8_0 = decode_q8_0,
    .decode_q6_k = decode_q6_k,
    .nonfinite = nonfinite,
    .overflowing_f16 = overflowing_f16,
    .inexact_f16 = inexact_f16,
    .inexact_bf16 = inexact_bf16,
    .differences = differences,
};
