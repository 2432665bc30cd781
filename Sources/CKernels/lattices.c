#include "lattices.h"
#include "CKernels.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

// What a lattice is made of.
struct codebook {
    const uint16_t *codes;
    int count, dimensions;
    // How many distances the codewords around a cell have: those at the smallest ones are in its list.
    int shells;
    // What the lists come to.
    int runs;
};

enum { MOST_CODEWORDS = 2048, FARTHEST = 4 * 7 * 7 };

// Coordinates of codewords, a dimension after the other.
struct coordinates {
    uint8_t of[8][MOST_CODEWORDS];
};

static int bits_of_codes(const struct codebook *codebook)
{
    return codebook->dimensions == 8 ? 2 : 4;
}

static int base_of_cells(const struct codebook *codebook)
{
    return codebook->dimensions == 8 ? 3 : 8;
}

static uint16_t word_of(const struct codebook *codebook, int entry)
{
    return (uint16_t)(codebook->codes[entry] | (codebook->dimensions == 4 ? 0x8080 : 0));
}

// The squared distances of all codewords from a point. None is greater than a byte can hold.
static void measure(const struct codebook *codebook, const struct coordinates *coordinates, const uint8_t *point,
                    uint8_t *restrict distances)
{
    memset(distances, 0, MOST_CODEWORDS);
    for (int dimension = 0; dimension < codebook->dimensions; dimension++) {
        const uint8_t *restrict values = coordinates->of[dimension];
        uint8_t value = point[dimension];
        for (int entry = 0; entry < codebook->count; entry++) {
            uint8_t difference = (uint8_t)(values[entry] - value);
            distances[entry] = (uint8_t)(distances[entry] + difference * difference);
        }
    }
}

// Adds the codewords of the nearest shells, those nearer first, those at the same distance by their number; returns how
// many.
static int list(const struct codebook *codebook, const uint8_t *distances, uint16_t *words)
{
    bool is_taken[FARTHEST + 1] = { false };
    for (int entry = 0; entry < codebook->count; entry++) is_taken[distances[entry]] = true;
    int count = 0;
    for (int distance = 0, shells = 0; distance <= FARTHEST && shells < codebook->shells; distance++) {
        if (!is_taken[distance]) continue;
        shells = distance == 0 ? codebook->shells : shells + 1;
        for (int entry = 0; entry < codebook->count; entry++) {
            if (distances[entry] == distance) words[count++] = word_of(codebook, entry);
        }
    }
    return count;
}

// `words` has room for the lists.
static void make(struct lattice *lattice, const struct codebook *codebook, uint16_t *words)
{
    const int bits = bits_of_codes(codebook), base = base_of_cells(codebook), dimensions = codebook->dimensions;
    struct coordinates coordinates;
    for (int dimension = 0; dimension < dimensions; dimension++) {
        for (int entry = 0; entry < codebook->count; entry++) {
            coordinates.of[dimension][entry] = codebook->codes[entry] >> bits * dimension & ((1 << bits) - 1);
        }
    }
    memset(lattice->entries, -1, sizeof lattice->entries);
    for (int entry = 0; entry < codebook->count; entry++) {
        int cell = 0;
        for (int dimension = dimensions - 1; dimension >= 0; dimension--) {
            cell = cell * base + coordinates.of[dimension][entry];
        }
        lattice->entries[cell] = (int16_t)entry;
    }
    lattice->words = words;
    uint8_t point[8] = { 0 };
    for (int cell = 0, cells = base == 3 ? LATTICE_CELLS : 4096; cell < cells; cell++) {
        uint8_t distances[MOST_CODEWORDS];
        uint16_t found[MOST_CODEWORDS];
        measure(codebook, &coordinates, point, distances);
        int count = list(codebook, distances, found), run = (int)((words - lattice->words) / LATTICE_RUN);
        // The tables of the format cannot do that.
        if (run + (count + LATTICE_RUN - 1) / LATTICE_RUN > codebook->runs) __builtin_trap();
        memcpy(words, found, sizeof *words * (size_t)count);
        lattice->lists[cell].run = (uint16_t)run;
        lattice->lists[cell].count = (uint16_t)count;
        for (; count % LATTICE_RUN != 0; count++) words[count] = words[count - 1];
        words += count;
        for (int dimension = 0; dimension < dimensions && ++point[dimension] == base; dimension++) {
            point[dimension] = 0;
        }
    }
}

// Books are constants of the format, and so is what their lists come to.
#define LATTICE(name, count, dimensions, shells, runs)                                            \
    static struct lattice name##_lattice;                                                         \
    static pthread_once_t name##_once = PTHREAD_ONCE_INIT;                                        \
    static void make_##name(void)                                                                 \
    {                                                                                             \
        static uint16_t words[(runs) * LATTICE_RUN];                                              \
        struct codebook codebook = { ck_codebooks()->name, count, dimensions, shells, runs };     \
        make(&name##_lattice, &codebook, words);                                                  \
    }                                                                                             \
    const struct lattice *ck_lattice_##name(void)                                                 \
    {                                                                                             \
        pthread_once(&name##_once, make_##name);                                                  \
        return &name##_lattice;                                                                   \
    }

LATTICE(iq1, 2048, 8, 3, 24695)
LATTICE(iq2_xxs, 256, 8, 2, 10327)
LATTICE(iq2_xs, 512, 8, 2, 14922)
LATTICE(iq2_s, 1024, 8, 1, 7310)
LATTICE(iq3_xxs, 256, 4, 2, 4158)
LATTICE(iq3_s, 512, 4, 3, 4218)
