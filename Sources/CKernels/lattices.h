// The codewords of GGUF's IQ types as points of a lattice, and those that lie around each of its other points

#pragma once

#include <stdint.h>

enum {
    LATTICE_CELLS = 6561,  // 3^8; those of four dimensions have 8^4
    LATTICE_RUN = 16,      // lists are padded to a multiple, by their last word
};

// Points have a coordinate 0, 1, 2 in eight dimensions, or 0...7 in four; a cell is a point as a number to the base 3,
// or 8, the first coordinate being its lowest digit.
struct lattice {
    // Of each cell: the first run of its list, and how many words are in it. A codeword has a list of its own.
    struct {
        uint16_t run, count;
    } lists[LATTICE_CELLS];
    // The codeword in a cell; −1 where there is none.
    int16_t entries[LATTICE_CELLS];
    // Coordinates of two bits each, or four. Of four, those of odd dimensions have the highest bit set: the place in a
    // table of the eight of the dimension before and their own eight.
    const uint16_t *words;
};

// The lattices, made by the first who asks.
const struct lattice *ck_lattice_iq1(void);
const struct lattice *ck_lattice_iq2_xxs(void);
const struct lattice *ck_lattice_iq2_xs(void);
const struct lattice *ck_lattice_iq2_s(void);
const struct lattice *ck_lattice_iq3_xxs(void);
const struct lattice *ck_lattice_iq3_s(void);
