// The search of a lattice for the codeword that lies nearest to some elements, measured by what errors weigh

#include "lattices.h"

// A table for each dimension of a lattice holds 32 numbers in all: eight for each of four, or four for each of eight.
struct tables {
    floats of[32 / LANES];
};

// What makes a search: the dimensions, and what coordinates stand for, eight of them or twice four.
struct lattice_kind {
    int dimensions;
    float values[8];
};

static const struct lattice_kind eight_levels = { 4, { 1, 3, 5, 7, 9, 11, 13, 15 } };
static const struct lattice_kind three_levels = { 8, { 1, 3, 5, 7, 1, 3, 5, 7 } };

INLINE floats repeated(const float *eight)
{
    floats value;
    for (int i = 0; i < LANES; i++) value[i] = eight[i % 8];
    return value;
}

// The coordinates' values of each lane's word, in a dimension.
INLINE floats values_of(ints words, const struct lattice_kind *kind, int dimension)
{
    ints place = words >> (dimension * (kind->dimensions == 8 ? 2 : 4));
#if LANES == 16
    return _mm512_permutexvar_ps((__m512i)place, repeated(kind->values));
#elif LANES == 8
    return _mm256_permutevar8x32_ps(repeated(kind->values), (__m256i)place);
#else
    floats value;
    int mask = kind->dimensions == 8 ? 3 : 7;
    for (int i = 0; i < LANES; i++) value[i] = kind->values[place[i] & mask];
    return value;
#endif
}

// Each element, and its weight, as often as a table has places for its dimension.
struct spread_elements {
    struct tables x, weights;
};

INLINE void spread(const float *x, const float *weights, const struct lattice_kind *kind,
                   struct spread_elements *out)
{
    float wide[2][32];
    const int width = 32 / kind->dimensions;
    for (int dimension = 0; dimension < kind->dimensions; dimension++) {
        for (int i = 0; i < width; i++) {
            wide[0][width * dimension + i] = x[dimension];
            wide[1][width * dimension + i] = weights[dimension];
        }
    }
    memcpy(&out->x, wide[0], sizeof wide[0]);
    memcpy(&out->weights, wide[1], sizeof wide[1]);
}

// What the coordinates of words in a dimension cost.
INLINE floats looked_up(const struct tables *costs, ints words, int dimensions, int dimension)
{
    ints place = words >> (dimension * (dimensions == 8 ? 2 : 4));
#if LANES == 16
    floats table;
    if (dimensions == 4) {
        table = costs->of[dimension / 2];
    } else {
        __m512 all = costs->of[dimension / 4];
        switch (dimension % 4) {
        case 0: table = _mm512_shuffle_f32x4(all, all, 0x00); break;
        case 1: table = _mm512_shuffle_f32x4(all, all, 0x55); break;
        case 2: table = _mm512_shuffle_f32x4(all, all, 0xAA); break;
        default: table = _mm512_shuffle_f32x4(all, all, 0xFF);
        }
    }
    return _mm512_permutexvar_ps((__m512i)place, table);
#elif LANES == 8
    floats table;
    if (dimensions == 4) {
        table = costs->of[dimension];
    } else {
        __m256 pair = costs->of[dimension / 2];
        if (dimension % 2 == 0) table = _mm256_permute2f128_ps(pair, pair, 0x00);
        else table = _mm256_permute2f128_ps(pair, pair, 0x11);
    }
    return _mm256_permutevar8x32_ps(table, (__m256i)place);
#else
    const int width = 32 / dimensions;
    const float *table = (const float *)costs + width * dimension;
    floats cost;
    for (int i = 0; i < LANES; i++) cost[i] = table[place[i] & (width - 1)];
    return cost;
#endif
}

INLINE ints loaded_words(const uint16_t *source)
{
    typedef uint16_t narrow __attribute__((ext_vector_type(LANES)));
    narrow value;
    memcpy(&value, source, sizeof value);
    return __builtin_convertvector(value, ints);
}

static const int32_t lane_numbers[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

// The first of the words in a cell's list at which the weighted squares of scale·value − x come to the least; the first
// word if they are too large everywhere.
INLINE uint32_t nearest_word(const struct lattice *lattice, int cell, const struct lattice_kind *kind,
                             const struct spread_elements *elements, float scale)
{
    struct tables costs;
    for (int i = 0; i < 32 / LANES; i++) {
        floats values = LANES == 4 ? loaded(kind->values + 4 * (i % 2)) : repeated(kind->values);
        floats difference = scale * values - elements->x.of[i];
        costs.of[i] = elements->weights.of[i] * difference * difference;
    }
    const uint16_t *words = lattice->words + LATTICE_RUN * lattice->lists[cell].run;
    int count = lattice->lists[cell].count;
    floats least = FLT_MAX;
    ints where = 0;
    for (int first = 0; first < count; first += LANES) {
        ints candidates = loaded_words(words + first);
        floats cost = looked_up(&costs, candidates, kind->dimensions, 0);
        UNROLLED for (int dimension = 1; dimension < kind->dimensions; dimension++) {
            cost += looked_up(&costs, candidates, kind->dimensions, dimension);
        }
        ints nearer = cost < least;
        least = nearer ? cost : least;
        where = nearer ? first : where;
    }
    // None is negative, so that their bits are in the order of the numbers.
    ints bits = (ints)least;
    ints nearest = bits == __builtin_reduce_min(bits);
    if (count <= LANES) return words[__builtin_ctz(bits_of_lanes(nearest))];
    ints numbers;
    memcpy(&numbers, lane_numbers, sizeof numbers);
    return words[__builtin_reduce_min(nearest ? where + numbers : INT32_MAX)];
}

// A level, and those of a cell, of elements in units of a scale: the nearest odd numbers.
INLINE ints levels_of(floats x, floats inverse, int highest)
{
    return between(nearest_of_each(0.5f * (inverse * x - 1.0f)), 0, highest);
}

INLINE int level_of(float x, float inverse, int highest)
{
    int level = nearest(0.5f * (inverse * x - 1.0f));
    level = level > 0 ? level : 0;
    return level < highest ? level : highest;
}

INLINE int cell_of_word(uint32_t word, int dimensions)
{
    int cell = 0;
    for (int dimension = dimensions - 1; dimension >= 0; dimension--) {
        if (dimensions == 8) cell = 3 * cell + (int)(word >> 2 * dimension & 3);
        else cell = 8 * cell + (int)(word >> 4 * dimension & 7);
    }
    return cell;
}
