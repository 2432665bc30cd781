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
#include "differences.h"
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
#include "low_bits.h"
#include "small_floats.h"
#include "blocks_of_e2m1.h"
#include "codebooks.h"
#include "lattice_search.h"
#include "iq2_iq3.h"
#include "iq1.h"
#include "nearest_codewords.h"
#include "functions.h"

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
    .encode_tq1_0 = encode_tq1_0,
    .encode_tq2_0 = encode_tq2_0,
    .encode_mxfp4 = encode_mxfp4,
    .encode_nvfp4 = encode_nvfp4,
    .encode_q1_0 = encode_q1_0,
    .encode_q2_0 = encode_q2_0,
    .decode_tq1_0 = decode_tq1_0,
    .decode_tq2_0 = decode_tq2_0,
    .decode_mxfp4 = decode_mxfp4,
    .decode_nvfp4 = decode_nvfp4,
    .decode_q1_0 = decode_q1_0,
    .decode_q2_0 = decode_q2_0,
    .encode_iq1_s = encode_iq1_s,
    .encode_iq1_m = encode_iq1_m,
    .encode_iq2_xxs = encode_iq2_xxs,
    .encode_iq2_xs = encode_iq2_xs,
    .encode_iq2_s = encode_iq2_s,
    .encode_iq3_xxs = encode_iq3_xxs,
    .encode_iq3_s = encode_iq3_s,
    .decode_iq1_s = decode_iq1_s,
    .decode_iq1_m = decode_iq1_m,
    .decode_iq2_xxs = decode_iq2_xxs,
    .decode_iq2_xs = decode_iq2_xs,
    .decode_iq2_s = decode_iq2_s,
    .decode_iq3_xxs = decode_iq3_xxs,
    .decode_iq3_s = decode_iq3_s,
    .e4m3_from_f32 = e4m3_from_f32,
    .e5m2_from_f32 = e5m2_from_f32,
    .f32_from_e4m3 = f32_from_e4m3,
    .f32_from_e5m2 = f32_from_e5m2,
    .f32_from_e4m3fnuz = f32_from_e4m3fnuz,
    .f32_from_e5m2fnuz = f32_from_e5m2fnuz,
    .f32_from_e8m0 = f32_from_e8m0,
    .f32_from_e2m1 = f32_from_e2m1,
    .nonfinite = nonfinite,
    .overflowing_f16 = overflowing_f16,
    .inexact_f16 = inexact_f16,
    .inexact_bf16 = inexact_bf16,
    .differences = differences,
    .gate_by_silu = gate_by_silu,
    .gate_by_gelu_tanh = gate_by_gelu_tanh,
    .maximum = maximum,
    .exponentials = exponentials,
    .nearest_codewords = nearest_codewords,
    .overflowing_e4m3 = overflowing_e4m3,
    .overflowing_e5m2 = overflowing_e5m2,
    .inexact_e4m3 = inexact_e4m3,
    .inexact_e5m2 = inexact_e5m2,
};
