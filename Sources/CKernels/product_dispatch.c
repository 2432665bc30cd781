#include "CKernels.h"

extern const struct ck_products ck_products_portable;
extern const struct ck_bf16_products ck_bf16_products_portable;

#if defined(__x86_64__)

extern const struct ck_products ck_products_avx2, ck_products_vnni;
extern const struct ck_bf16_products ck_bf16_products_avx512;

const struct ck_products *ck_products_at(int level)
{
    static const struct ck_products *const levels[] = { &ck_products_portable, &ck_products_avx2, &ck_products_vnni };
    if (!ck_kernels_at(level)) return NULL;
    if (level >= 1 && !__builtin_cpu_supports("fma")) return NULL;
    if (level == 2 && !__builtin_cpu_supports("avx512vnni")) return NULL;
    return levels[level];
}

const struct ck_bf16_products *ck_bf16_products_at(int level)
{
    if (level == 0) return &ck_bf16_products_portable;
    return level == 2 && ck_kernels_at(2) && __builtin_cpu_supports("avx512bf16") ? &ck_bf16_products_avx512 : NULL;
}

#else

const struct ck_products *ck_products_at(int level)
{
    return level == 0 ? &ck_products_portable : NULL;
}

const struct ck_bf16_products *ck_bf16_products_at(int level)
{
    return level == 0 ? &ck_bf16_products_portable : NULL;
}

#endif
