// Scales and minima of groups as multiples of one of the block, which is stored with more bits

// What the groups of a block multiply its scale and its minimum by, of each lane.
struct multiples {
    uint8_t scale[16][LANES], minimum[16][LANES];
    floats scale_unit, minimum_unit;
};

INLINE void store_multiples(ints multiples, uint8_t *out)
{
    bytes narrow = __builtin_convertvector(multiples & 255, bytes);
    memcpy(out, &narrow, sizeof narrow);
}

// The largest of the groups' scales is the highest multiple.
INLINE floats round_to_multiples(const floats *x, int count, int highest, int limit, uint8_t multiples[][LANES])
{
    floats greatest = 0;
    for (int i = 0; i < count; i++) greatest = x[i] > greatest ? x[i] : greatest;
    ints positive = greatest > 0.0f;
    floats inverse = positive ? (float)highest / greatest : 0.0f;
    for (int i = 0; i < count; i++) {
        ints multiple = nearest_of_each(inverse * x[i]) & 255;
        store_multiples(multiple < limit ? multiple : limit, multiples[i]);
    }
    return positive ? greatest / (float)highest : 0.0f;
}

INLINE floats search_multiples(const floats *x, const floats *weights, int count, int highest, int limit,
                               uint8_t multiples[][LANES])
{
    floats levels[16];
    floats unit = fit_multiples(x, weights, count, (float)highest, levels);
    for (int i = 0; i < count; i++) {
        ints multiple = __builtin_convertvector(levels[i], ints);
        store_multiples(multiple < limit ? multiple : limit, multiples[i]);
    }
    return unit;
}

// 256 levels of two bits: each byte holds those of four elements, 32 apart.
INLINE void pack_pairs_of_bits(const uint8_t *restrict levels, uint8_t *restrict out)
{
    for (int half = 0; half < 2; half++, levels += 128, out += 32) {
        for (int i = 0; i < 32; i++) {
            out[i] = (uint8_t)(levels[i] | levels[i + 32] << 2 | levels[i + 64] << 4 | levels[i + 96] << 6);
        }
    }
}
