// Products of bfloat16 numbers, as AVX-512's instruction for pairs has them: the odd term is added first, each sum is rounded once,
// and what is smaller than the smallest normal number is zero.
//
// PRODUCT_LEVEL: 0 portable, 2 AVX-512 with BF16.

#pragma clang diagnostic ignored "-Wpsabi"

#include "prelude.h"
#include "halves.h"

typedef uint32_t words __attribute__((ext_vector_type(16)));
typedef float numbers __attribute__((ext_vector_type(16)));

#if PRODUCT_LEVEL == 2
#define TILE 24
#else
#define TILE 4
#endif

INLINE words words_at(const uint16_t *source)
{
    words value;
    memcpy(&value, source, sizeof value);
    return value;
}

#if PRODUCT_LEVEL == 2

INLINE numbers dotted(numbers sum, words w, uint32_t x)
{
    return (numbers)_mm512_dpbf16_ps((__m512)sum, (__m512bh)w, (__m512bh)_mm512_set1_epi32((int32_t)x));
}

#else

INLINE numbers without_subnormals(numbers x)
{
    words bits = (words)x;
    return (numbers)((bits & 0x7F800000) != 0 ? bits : bits & 0x80000000);
}

INLINE numbers dotted(numbers sum, words w, uint32_t x)
{
    numbers odd = without_subnormals((numbers)(w & 0xFFFF0000)), even = without_subnormals((numbers)(w << 16));
    numbers x1 = without_subnormals((numbers)(words)(x & 0xFFFF0000)), x0 = without_subnormals((numbers)(words)(x << 16));
    sum = without_subnormals(__builtin_elementwise_fma(odd, x1, sum));
    return without_subnormals(__builtin_elementwise_fma(even, x0, sum));
}

#endif

INLINE void multiply_by(const uint16_t *w, const uint16_t *x, size_t terms, const int width, float *products)
{
    numbers totals[TILE];
    UNROLLED for (int token = 0; token < width; token++) memcpy(totals + token, products + 16 * token, 64);
    for (size_t pair = 0; pair < terms / 2; pair++, w += 32, x += 2 * width) {
        words both = words_at(w);
        UNROLLED for (int token = 0; token < width; token++) {
            uint32_t two;
            memcpy(&two, x + 2 * token, 4);
            totals[token] = dotted(totals[token], both, two);
        }
    }
    UNROLLED for (int token = 0; token < width; token++) memcpy(products + 16 * token, totals + token, 64);
}

static void multiply(const uint16_t *w, const uint16_t *x, size_t terms, size_t width, float *products)
{
    switch (width) {
    case 1: multiply_by(w, x, terms, 1, products); break;
    case 2: multiply_by(w, x, terms, 2, products); break;
    case 4: multiply_by(w, x, terms, 4, products); break;
#if TILE >= 24
    case 8: multiply_by(w, x, terms, 8, products); break;
    case 12: multiply_by(w, x, terms, 12, products); break;
    case 24: multiply_by(w, x, terms, 24, products); break;
#endif
    }
}

static void round_pairs(const float *rows, size_t tokens, size_t stride, size_t terms, size_t width, uint16_t *out)
{
    for (size_t token = 0; token < width; token++) {
        const float *x = rows + token * stride;
        uint16_t *target = out + 2 * token;
        for (size_t pair = 0; pair < terms / 2; pair++, target += 2 * width) {
            target[0] = token < tokens ? bf16_of(x[2 * pair]) : 0;
            target[1] = token < tokens ? bf16_of(x[2 * pair + 1]) : 0;
        }
    }
}

const struct ck_bf16_products TABLE = {
    .instruction_set = INSTRUCTION_SET,
    .tile = TILE,
    .round = round_pairs,
    .multiply = multiply,
};
