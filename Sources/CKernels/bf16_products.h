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

// Sixteen numbers as eight pairs.
INLINE void put_pairs(const float *x, size_t width, uint16_t *out)
{
    typedef uint32_t pairs __attribute__((ext_vector_type(8)));
    words bits;
    memcpy(&bits, x, sizeof bits);
    words rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    rounded = (bits & 0x7FFFFFFF) > 0x7F800000 ? bits >> 16 | 64 : rounded;
    pairs both = __builtin_shufflevector(rounded, rounded, 0, 2, 4, 6, 8, 10, 12, 14)
                 | __builtin_shufflevector(rounded, rounded, 1, 3, 5, 7, 9, 11, 13, 15) << 16;
    UNROLLED for (int i = 0; i < 8; i++) {
        uint32_t pair = both[i];
        memcpy(out + 2 * width * i, &pair, 4);
    }
}

static void round_pairs(const float *rows, size_t tokens, size_t stride, size_t terms, size_t width, uint16_t *out)
{
    static const float zeros[16];
    size_t whole = terms & ~(size_t)15;
    // Pieces of rows: few streams are read at once, and what is written stays in the cache.
    for (size_t start = 0; start < whole; start += 512) {
        size_t end = start + 512 < whole ? start + 512 : whole;
        for (size_t token = 0; token < width; token++) {
            for (size_t first = start; first < end; first += 16) {
                put_pairs(token < tokens ? rows + token * stride + first : zeros, width,
                          out + (first * width + 2 * token));
            }
        }
    }
    for (size_t term = whole; term < terms; term++) {
        for (size_t token = 0; token < width; token++) {
            uint16_t value = token < tokens ? bf16_of(rows[token * stride + term]) : 0;
            out[(term / 2 * width + token) * 2 + term % 2] = value;
        }
    }
}

const struct ck_bf16_products TABLE = {
    .instruction_set = INSTRUCTION_SET,
    .tile = TILE,
    .round = round_pairs,
    .multiply = multiply,
};
