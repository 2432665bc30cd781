#if defined(__x86_64__)

#include "CKernels.h"
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#define PRODUCT_LEVEL 2
#define TABLE ck_bf16_products_avx512
#define INSTRUCTION_SET "avx512 with BF16"
#define HARDWARE_HALF 1

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,f16c,fma"))), apply_to = function)
#include "bf16_products.h"
#pragma clang attribute pop

#endif
