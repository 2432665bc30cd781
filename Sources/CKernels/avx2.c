#if defined(__x86_64__)

#include "CKernels.h"
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LANES 8
#define TABLE ck_avx2
#define INSTRUCTION_SET "avx2"
#define HARDWARE_HALF 1
#define ROUNDS 1

#pragma clang attribute push(__attribute__((target("avx2,f16c"))), apply_to = function)
#include "kernels.h"
#pragma clang attribute pop

#endif
