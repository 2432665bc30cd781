#if defined(__x86_64__)

#include "CKernels.h"
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LANES 8
#define PRODUCT_LEVEL 1
#define TABLE ck_products_avx2
#define INSTRUCTION_SET "avx2"
#define HARDWARE_HALF 1

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "products.h"
#pragma clang attribute pop

#endif
