// Products of codes, written once; included per instruction set. Sums of whole numbers are exact, and what follows them is rounded
// operation by operation in the same order, so that all give the same numbers.
//
// PRODUCT_LEVEL: 0 portable, 1 AVX2, 2 AVX-512 with VNNI.

// Vectors of 16 lanes never leave a function.
#pragma clang diagnostic ignored "-Wpsabi"

#include "prelude.h"
#include "halves.h"
#include "panel_codes.h"
#include "activations.h"

#if PRODUCT_LEVEL == 2
#define TILE 12
#elif PRODUCT_LEVEL == 1
#define TILE 4
#else
#define TILE 2
#endif

INLINE numbers fused(numbers a, numbers b, numbers c) { return __builtin_elementwise_fma(a, b, c); }

// `sum += w · x` over the four codes of each row, x being the same four everywhere. AVX2 takes two steps at once.
#if PRODUCT_LEVEL == 2

INLINE wide dotted(wide sum, words w, const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, 4);
    return (wide)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, _mm512_set1_epi32(four));
}

#define DOTTED_TWICE(sum, w, x, step, is_wide) dotted(dotted(sum, (w)[0], x), (w)[1], (x) + (step))

INLINE wide dotted_pairs(wide sum, words w, const int16_t *x)
{
    int32_t two;
    memcpy(&two, x, 4);
    return (wide)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)w, _mm512_set1_epi32(two));
}

#elif PRODUCT_LEVEL == 1

typedef union {
    wide all;
    words words;
    __m256i halves[2];
} halved;

INLINE wide dotted_twice(wide sum, const words *w, const int8_t *x, size_t step, bool is_wide)
{
    int32_t first, second;
    memcpy(&first, x, 4);
    memcpy(&second, x + step, 4);
    __m256i a = _mm256_set1_epi32(first), b = _mm256_set1_epi32(second);
    halved result = { .all = sum }, u = { .words = w[0] }, v = { .words = w[1] };
    if (is_wide) {
        // Codes of eight bits do not fit the instruction for bytes, which ends at 16 bits.
        __m256i even = _mm256_set1_epi16(255);
        __m256i a0 = _mm256_srai_epi16(_mm256_slli_epi16(a, 8), 8), a1 = _mm256_srai_epi16(a, 8);
        __m256i b0 = _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), b1 = _mm256_srai_epi16(b, 8);
        UNROLLED for (int i = 0; i < 2; i++) {
            __m256i p = _mm256_madd_epi16(_mm256_and_si256(u.halves[i], even), a0);
            __m256i q = _mm256_madd_epi16(_mm256_srli_epi16(u.halves[i], 8), a1);
            __m256i r = _mm256_madd_epi16(_mm256_and_si256(v.halves[i], even), b0);
            __m256i s = _mm256_madd_epi16(_mm256_srli_epi16(v.halves[i], 8), b1);
            p = _mm256_add_epi32(_mm256_add_epi32(p, q), _mm256_add_epi32(r, s));
            result.halves[i] = _mm256_add_epi32(result.halves[i], p);
        }
    } else {
        // Four products of 63 and 128 at most.
        __m256i ones = _mm256_set1_epi16(1);
        UNROLLED for (int i = 0; i < 2; i++) {
            __m256i p = _mm256_add_epi16(_mm256_maddubs_epi16(u.halves[i], a), _mm256_maddubs_epi16(v.halves[i], b));
            result.halves[i] = _mm256_add_epi32(result.halves[i], _mm256_madd_epi16(p, ones));
        }
    }
    return result.all;
}

#define DOTTED_TWICE(sum, w, x, step, is_wide) dotted_twice(sum, w, x, step, is_wide)

INLINE wide dotted_pairs(wide sum, words w, const int16_t *x)
{
    int32_t two;
    memcpy(&two, x, 4);
    halved result = { .all = sum }, u = { .words = w };
    UNROLLED for (int i = 0; i < 2; i++) {
        __m256i p = _mm256_madd_epi16(u.halves[i], _mm256_set1_epi32(two));
        result.halves[i] = _mm256_add_epi32(result.halves[i], p);
    }
    return result.all;
}

#else

INLINE wide dotted(wide sum, words w, const int8_t *x)
{
    UNROLLED for (int i = 0; i < 4; i++) sum += (wide)(w >> 8 * i & 255) * (int32_t)x[i];
    return sum;
}

#define DOTTED_TWICE(sum, w, x, step, is_wide) dotted(dotted(sum, (w)[0], x), (w)[1], (x) + (step))

INLINE wide dotted_pairs(wide sum, words w, const int16_t *x)
{
    return sum + ((wide)w << 16 >> 16) * (int32_t)x[0] + ((wide)w >> 16) * (int32_t)x[1];
}

#endif

// Adds the products of `terms` terms, a multiple of 8, to the sums of a tile.
INLINE void add_products(const uint8_t *codes, const int8_t *x, int terms, const int width, bool is_wide, wide *sums)
{
    (void)is_wide;
    UNROLLED for (int group = 0; group < terms / 4; group += 2) {
        words w[2] = { words_at(codes + 64 * group), words_at(codes + 64 * (group + 1)) };
        UNROLLED for (int token = 0; token < width; token++) {
            const int8_t *four = x + 4 * (group * width + token);
            sums[token] = DOTTED_TWICE(sums[token], w, four, 4 * (size_t)width, is_wide);
        }
    }
}

INLINE void multiply_blocks_of_32(struct ck_codes w, struct ck_activations x, size_t blocks, const int width,
                                  bool has_minima, bool is_wide, float *products)
{
    numbers totals[TILE];
    UNROLLED for (int token = 0; token < width; token++) memcpy(totals + token, products + 16 * token, 64);
    for (size_t block = 0; block < blocks; block++) {
        wide sums[TILE];
        UNROLLED for (int token = 0; token < width; token++) sums[token] = (wide)x.offsets[token];
        add_products(w.codes, x.codes, 32, width, is_wide, sums);
        numbers scales, minima;
        memcpy(&scales, w.scales, 64);
        if (has_minima) memcpy(&minima, w.minima, 64);
        UNROLLED for (int token = 0; token < width; token++) {
            numbers sum = __builtin_convertvector(sums[token], numbers);
            totals[token] = fused(sum, scales * x.scales[token], totals[token]);
            if (has_minima) totals[token] = fused(minima, (numbers)x.sums[token], totals[token]);
        }
        w.codes += 512;
        w.scales += 16;
        w.minima += 16;
        x.codes += 32 * width;
        x.scales += width;
        x.offsets += width;
        x.sums += width;
    }
    UNROLLED for (int token = 0; token < width; token++) memcpy(products + 16 * token, totals + token, 64);
}

INLINE void multiply_blocks_of_256(struct ck_codes w, struct ck_activations x, size_t blocks, const int width,
                                   bool has_narrow_groups, bool is_wide, float *products)
{
    for (size_t block = 0; block < blocks; block++) {
        wide totals[TILE];
        UNROLLED for (int token = 0; token < width; token++) totals[token] = (wide)0;
        const int terms = has_narrow_groups ? 16 : 32;
        for (int group = 0; group < 256 / terms; group++) {
            wide sums[TILE], multiples;
            UNROLLED for (int token = 0; token < width; token++) sums[token] = (wide)0;
            add_products(w.codes, x.codes, terms, width, is_wide, sums);
            memcpy(&multiples, w.multiples, 64);
            UNROLLED for (int token = 0; token < width; token++) totals[token] += sums[token] * multiples;
            w.codes += 16 * terms;
            w.multiples += 16;
            x.codes += terms * width;
        }
        numbers scales, minima;
        memcpy(&scales, w.scales, 64);
        memcpy(&minima, w.minima, 64);
        words lows[8];
        UNROLLED for (int group = 0; group < 8; group++) memcpy(lows + group, w.lows + 32 * group, 64);
        UNROLLED for (int token = 0; token < width; token++) {
            wide low = (wide)0;
            UNROLLED for (int group = 0; group < 8; group++) {
                low = dotted_pairs(low, lows[group], x.pairs + 2 * (group * width + token));
            }
            numbers sum = scales * __builtin_convertvector(totals[token], numbers), product;
            sum = fused(-minima, __builtin_convertvector(low, numbers), sum);
            memcpy(&product, products + 16 * token, 64);
            product = fused(sum, (numbers)x.scales[token], product);
            memcpy(products + 16 * token, &product, 64);
        }
        w.lows += 256;
        w.scales += 16;
        w.minima += 16;
        x.scales += width;
        x.pairs += 16 * width;
    }
}

INLINE void multiply_by(struct ck_panel_form form, struct ck_codes w, struct ck_activations x, size_t blocks,
                        const int width, float *products)
{
    if (form.block == 32) {
        if (form.has_minima) {
            multiply_blocks_of_32(w, x, blocks, width, true, false, products);
        } else if (form.is_wide) {
            multiply_blocks_of_32(w, x, blocks, width, false, true, products);
        } else {
            multiply_blocks_of_32(w, x, blocks, width, false, false, products);
        }
    } else if (form.has_narrow_groups) {
        multiply_blocks_of_256(w, x, blocks, width, true, false, products);
    } else if (form.is_wide) {
        multiply_blocks_of_256(w, x, blocks, width, false, true, products);
    } else {
        multiply_blocks_of_256(w, x, blocks, width, false, false, products);
    }
}

static void multiply(struct ck_panel_form form, struct ck_codes w, struct ck_activations x, size_t blocks,
                     size_t width, float *products)
{
    switch (width) {
    case 1: multiply_by(form, w, x, blocks, 1, products); break;
    case 2: multiply_by(form, w, x, blocks, 2, products); break;
#if TILE >= 4
    case 4: multiply_by(form, w, x, blocks, 4, products); break;
#endif
#if TILE >= 12
    case 8: multiply_by(form, w, x, blocks, 8, products); break;
    case 12: multiply_by(form, w, x, blocks, 12, products); break;
#endif
    }
}

#include "products_of_one.h"

const struct ck_products TABLE = {
    .instruction_set = INSTRUCTION_SET,
    .tile = TILE,
    .unpack = unpack,
    .round_blocks = round_blocks,
    .multiply = multiply,
    .multiply_one = multiply_one,
};
