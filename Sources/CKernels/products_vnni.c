#if defined(__x86_64__)

#include "CKernels.h"
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#define PRODUCT_LEVEL 2
#define TABLE ck_products_vnni
#define INSTRUCTION_SET "avx512 with VNNI"
#define HARDWARE_HALF 1

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma"))), apply_to = function)
#include "products.h"
#pragma clang attribute pop

#endif
