#if defined(__x86_64__)

#include "CKernels.h"
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#define TABLE ck_avx512
#define INSTRUCTION_SET "avx512"
#define HARDWARE_HALF 1
#define ROUNDS 1

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,f16c"))), apply_to = function)
#include "kernels.h"
#pragma clang attribute pop

#endif
