// Q6_K: a group of 16 per lane

// Volatile, because a known bound would be folded into the subtraction after it and cost a comparison and a blend.
static const volatile float highest_level = TO_INTEGER + 31.0f;

// The search of one scale for each of LANES groups.
struct search {
    floats x[16], weight[16], weighted[16];
    floats farthest;
    floats scale, merit;
    floats inverse;  // what gives the levels when multiplied by the elements
};

// Tries the grids on which the farthest element lies at 32 + step/10, for `count` consecutive steps: together, so that
// their sums, each of which must wait for its last addition, can overlap.
INLINE void try_grids(struct search *s, int step, int count)
{
    floats highest = highest_level, inverse[3], products[3], squares[3];
    UNROLLED for (int c = 0; c < count; c++) {
        inverse[c] = -(32.0f + 0.1f * (float)(step + c)) / s->farthest;
        products[c] = squares[c] = 0;
    }
    UNROLLED for (int i = 0; i < 16; i++) {
        UNROLLED for (int c = 0; c < count; c++) {
            floats level = inverse[c] * s->x[i] + TO_INTEGER;
            // No grid of a smaller step reaches below.
            if (step > 0) level = level > TO_INTEGER - 32.0f ? level : TO_INTEGER - 32.0f;
            level = level < highest ? level : highest;
            level -= TO_INTEGER;
            products[c] += s->weighted[i] * level;
            squares[c] += s->weight[i] * level * level;
        }
    }
    UNROLLED for (int c = 0; c < count; c++) {
        ints better = squares[c] > 0.0f & products[c] * products[c] > s->merit * squares[c];
        floats scale = products[c] / squares[c];
        if (step == 0) {
            better = -1;
            scale = squares[c] != 0.0f ? scale : 0.0f;
        }
        s->scale = better ? scale : s->scale;
        s->merit = better ? scale * products[c] : s->merit;
        s->inverse = better ? inverse[c] : s->inverse;
    }
}

// The scales of LANES groups that lie one after the other, weighted by x², and what gives their levels: 0 and NaN for a
// group of zeros.
INLINE void fit_groups(const unaligned_float *source, floats *scales, floats *inverses)
{
    struct search s;
    UNROLLED for (int column = 0; column < 16; column += LANES) {
        floats rows[LANES];
        UNROLLED for (int i = 0; i < LANES; i++) rows[i] = loaded(source + 16 * i + column);
        UNROLLED for (int round = 1; round < LANES; round *= 2) {
            floats zipped[LANES];
            UNROLLED for (int i = 0; i < LANES / 2; i++) {
                zipped[2 * i] = ZIPPED_LOW(rows[i], rows[i + LANES / 2]);
                zipped[2 * i + 1] = ZIPPED_HIGH(rows[i], rows[i + LANES / 2]);
            }
            memcpy(rows, zipped, sizeof rows);
        }
        memcpy(s.x + column, rows, sizeof rows);
    }
    floats magnitude = 0;
    s.farthest = 0;
    UNROLLED for (int i = 0; i < 16; i++) {
        floats candidate = __builtin_elementwise_abs(s.x[i]);
        ints farther = candidate > magnitude;
        magnitude = farther ? candidate : magnitude;
        s.farthest = farther ? s.x[i] : s.farthest;
        s.weight[i] = s.x[i] * s.x[i];
        s.weighted[i] = s.weight[i] * s.x[i];
    }
    try_grids(&s, 0, 1);
    for (int step = -9; step < 0; step += 3) try_grids(&s, step, 3);
    for (int step = 1; step < 10; step += 3) try_grids(&s, step, 3);
    ints zeros = magnitude < SMALLEST_GROUP;
    *scales = zeros ? 0.0f : s.scale;
    *inverses = zeros ? NAN : s.inverse;
}

static void encode_q6_k(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    (void)importance;
    size_t count = rows * columns;
    const unaligned_float *restrict x = source;
    uint8_t *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, x += 256, out += 210) {
        float scales[16], inverses[16];
        for (int group = 0; group < 16; group += LANES) {
            floats scale, inverse;
            fit_groups(x + 16 * group, &scale, &inverse);
            memcpy(scales + group, &scale, sizeof scale);
            memcpy(inverses + group, &inverse, sizeof inverse);
        }
        float greatest = extreme(scales, 16);
        if (fabsf(greatest) < SMALLEST_GROUP) {
            memset(out, 0, 210);
            continue;
        }
        float factor = -128.0f / greatest;
        uint16_t half = f16_of(1.0f / factor);
        uint8_t levels[256];
        for (int group = 0; group < 16; group++) {
            int32_t multiple = nearest(factor * scales[group]);
            multiple = multiple < 127 ? multiple : 127;
            out[192 + group] = (uint8_t)multiple;
            float scale = f32_of_f16(half) * (float)(int8_t)multiple;
            float scaled[16];
            if (scale != 0.0f) {
                for (int i = 0; i < 16; i++) scaled[i] = x[16 * group + i] / scale;
            } else {
                for (int i = 0; i < 16; i++) scaled[i] = x[16 * group + i] * inverses[group];
            }
            for (int i = 0; i < 16; i++) {
                int32_t level = nearest(scaled[i]);
                level = level > -32 ? level : -32;
                level = level < 31 ? level : 31;
                levels[16 * group + i] = (uint8_t)(level + 32);
            }
            if (scale == 0.0f && inverses[group] != inverses[group]) memset(levels + 16 * group, 0, 16);
        }
        memcpy(out + 208, &half, sizeof half);
        for (int part = 0; part < 2; part++) {
            const uint8_t *restrict level = levels + 128 * part;
            uint8_t *restrict low = out + 64 * part, *restrict high = out + 128 + 32 * part;
            for (int i = 0; i < 64; i++) low[i] = (level[i] & 15) | (uint8_t)(level[i + 64] << 4);
            for (int i = 0; i < 32; i++) {
                high[i] = (uint8_t)(level[i] >> 4 | level[i + 32] >> 4 << 2 | level[i + 64] >> 4 << 4
                                    | level[i + 96] >> 4 << 6);
            }
        }
    }
}

static void decode_q6_k(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 210) {
        float scale = f32_of_f16(*(const unaligned_u16 *)(in + 208));
        for (int group = 0; group < 16; group++, out += 16) {
            int part = group / 8, quarter = group / 2 % 4, side = group % 2 * 16;
            const uint8_t *low = in + 64 * part + quarter % 2 * 32 + side, *high = in + 128 + 32 * part + side;
            int low_shift = quarter / 2 * 4, high_shift = quarter * 2;
            float multiple = scale * (float)(int8_t)in[192 + group];
            for (int i = 0; i < 16; i++) {
                int level = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
                out[i] = multiple * (float)(level - 32);
            }
        }
    }
}
