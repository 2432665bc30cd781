#include "CKernels.h"

#if defined(__x86_64__)

extern const struct ck_kernels ck_baseline, ck_avx2, ck_avx512;

static int highest_level(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("f16c")) return 0;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")) return 1;
    if (!__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) return 1;
    return 2;
}

const struct ck_kernels *ck_kernels_at(int level)
{
    static const struct ck_kernels *const levels[CK_LEVEL_COUNT] = { &ck_baseline, &ck_avx2, &ck_avx512 };
    return 0 <= level && level <= highest_level() ? levels[level] : NULL;
}

const struct ck_kernels *ck_kernels_best(void)
{
    return ck_kernels_at(highest_level());
}

#else

extern const struct ck_kernels ck_baseline;

const struct ck_kernels *ck_kernels_at(int level)
{
    return level == 0 ? &ck_baseline : NULL;
}

const struct ck_kernels *ck_kernels_best(void)
{
    return &ck_baseline;
}

#endif

const char *ck_instruction_set(void)
{
    return ck_kernels_best()->instruction_set;
}
