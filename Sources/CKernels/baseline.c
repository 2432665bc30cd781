#include "CKernels.h"
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LANES 4
#define TABLE ck_baseline
#if defined(__aarch64__)
#define INSTRUCTION_SET "neon"
#define HARDWARE_HALF 1
#define ROUNDS 1
#else
#define INSTRUCTION_SET "portable"
#define HARDWARE_HALF 0
#define ROUNDS 0
#endif

#include "kernels.h"
