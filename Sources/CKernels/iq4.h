// IQ4_NL and IQ4_XS: levels are places in a table, finer around zero

static const int8_t iq4_values[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

// Half way to the next value, where the level changes.
static const float iq4_ends[15] = { -115.5f, -93.5f, -74, -57, -42, -28.5f, -16, -4.5f, 7, 19, 31.5f, 45.5f, 61, 79, 101 };

INLINE floats nearest_iq4_value(floats x)
{
    floats value = iq4_values[15];
    UNROLLED for (int i = 14; i >= 0; i--) value = x < iq4_ends[i] ? (float)iq4_values[i] : value;
    return value;
}

INLINE void place_iq4(const unaligned_float *x, int count, float inverse, uint8_t *levels)
{
    for (int i = 0; i < count; i += LANES) {
        floats scaled = inverse * loaded(x + i);
        ints level = 15;
        UNROLLED for (int end = 0; end < 15; end++) level += scaled < iq4_ends[end];
        bytes narrow = __builtin_convertvector(level, bytes);
        memcpy(levels + i, &narrow, sizeof narrow);
    }
}

struct iq4_search {
    const floats *x, *weight;
    floats farthest;
    floats scale, merit;
};

// Tries the scales that take the farthest element to −127 + step, for `count` consecutive steps, at the same time.
INLINE void try_iq4_scales(struct iq4_search *s, int step, int count, bool first)
{
    floats inverse[3], products[3], squares[3];
    UNROLLED for (int c = 0; c < count; c++) {
        inverse[c] = first ? 1.0f / (-s->farthest / -127.0f) : (float)(step + c - 127) / s->farthest;
        products[c] = squares[c] = 0;
    }
    for (int i = 0; i < 32; i++) {
        UNROLLED for (int c = 0; c < count; c++) {
            floats value = nearest_iq4_value(inverse[c] * s->x[i]);
            floats weighted = s->weight[i] * value;
            products[c] += weighted * s->x[i];
            squares[c] += weighted * value;
        }
    }
    UNROLLED for (int c = 0; c < count; c++) {
        ints better = squares[c] > 0.0f & products[c] * products[c] > s->merit * squares[c];
        floats scale = products[c] / squares[c];
        if (first) {
            better = -1;
            scale = squares[c] > 0.0f ? scale : 0.0f;
        }
        s->scale = better ? scale : s->scale;
        s->merit = better ? scale * products[c] : s->merit;
    }
}

static floats fit_iq4(const floats *x, const floats *weight)
{
    struct iq4_search s = { x, weight, farthest_of_each(x, 32), 0, 0 };
    try_iq4_scales(&s, 0, 1, true);
    for (int step = -7; step <= 7; step += 3) try_iq4_scales(&s, step, 3, false);
    return __builtin_elementwise_abs(s.farthest) < SMALLEST_GROUP ? 0.0f : s.scale;
}

INLINE void weigh_iq4(const struct batch *batch, const floats *x, int count, bool weighted, floats *weights)
{
    if (weighted) {
        transpose(batch->importance, count, weights);
        weigh(x, weights, count, sum_of_squares(x, count) * (2.0f / (float)count), weights);
    } else {
        for (int i = 0; i < count; i++) weights[i] = x[i] * x[i];
    }
}

INLINE void pack_nibbles(const uint8_t *restrict levels, uint8_t *restrict out)
{
    for (int i = 0; i < 16; i++) out[i] = levels[i] | (uint8_t)(levels[i + 16] << 4);
}

INLINE void encode_iq4_nl_batch(const struct batch *batch, bool weighted)
{
    floats x[32], weights[32];
    transpose(batch->x, 32, x);
    weigh_iq4(batch, x, 32, weighted, weights);
    floats scale = fit_iq4(x, weights);
    floats inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    for (int lane = 0; lane < LANES; lane++) {
        uint16_t half = f16_of(scale[lane]);
        uint8_t levels[32];
        memcpy(batch->out[lane], &half, 2);
        place_iq4(batch->x[lane], 32, inverse[lane], levels);
        pack_nibbles(levels, batch->out[lane] + 2);
    }
}

INLINE void encode_iq4_xs_batch(const struct batch *batch, bool weighted)
{
    floats x[256], weights[256], scales[8], inverses[8];
    transpose(batch->x, 256, x);
    weigh_iq4(batch, x, 256, weighted, weights);
    for (int group = 0; group < 8; group++) scales[group] = fit_iq4(x + 32 * group, weights + 32 * group);
    floats unit = -farthest_of_each(scales, 8) / 32.0f;
    floats inverse = unit != 0.0f ? 1.0f / unit : 0.0f;
    uint8_t multiples[8][LANES];
    for (int group = 0; group < 8; group++) {
        ints multiple = between(nearest_of_each(inverse * scales[group]), -32, 31);
        floats scale = unit * __builtin_convertvector(multiple, floats);
        inverses[group] = scale != 0.0f ? 1.0f / scale : 0.0f;
        store_multiples(multiple + 32, multiples[group]);
    }
    for (int lane = 0; lane < LANES; lane++) {
        uint8_t *out = batch->out[lane], low[4] = { 0 };
        uint16_t half = f16_of(unit[lane]), high = 0;
        for (int group = 0; group < 8; group++) {
            uint8_t multiple = multiples[group][lane], levels[32];
            low[group / 2] |= (uint8_t)((multiple & 15) << group % 2 * 4);
            high |= (uint16_t)(multiple >> 4 << 2 * group);
            place_iq4(batch->x[lane] + 32 * group, 32, inverses[group][lane], levels);
            pack_nibbles(levels, out + 8 + 16 * group);
        }
        memcpy(out, &half, 2);
        memcpy(out + 2, &high, 2);
        memcpy(out + 4, low, 4);
    }
}

static void encode_iq4_nl(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                          const float *_Nullable importance)
{
    struct rows all = { source, destination, importance, columns, 32, 18, rows * columns / 32 };
    for (size_t block = 0; block < all.count; block += LANES) {
        uint8_t spare[18];
        struct batch batch = batch_at(&all, block, spare);
        if (importance) {
            encode_iq4_nl_batch(&batch, true);
        } else {
            encode_iq4_nl_batch(&batch, false);
        }
    }
}

static void encode_iq4_xs(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                          const float *_Nullable importance)
{
    struct rows all = { source, destination, importance, columns, 256, 136, rows * columns / 256 };
    for (size_t block = 0; block < all.count; block += LANES) {
        uint8_t spare[136];
        struct batch batch = batch_at(&all, block, spare);
        if (importance) {
            encode_iq4_xs_batch(&batch, true);
        } else {
            encode_iq4_xs_batch(&batch, false);
        }
    }
}

INLINE void decode_iq4_nibbles(const uint8_t *restrict in, float scale, unaligned_float *restrict out)
{
    for (int i = 0; i < 16; i++) {
        out[i] = scale * (float)iq4_values[in[i] & 15];
        out[i + 16] = scale * (float)iq4_values[in[i] >> 4];
    }
}

static void decode_iq4_nl(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 32; block++, in += 18, out += 32) {
        decode_iq4_nibbles(in + 2, f32_of_f16(*(const unaligned_u16 *)in), out);
    }
}

static void decode_iq4_xs(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 136) {
        float unit = f32_of_f16(*(const unaligned_u16 *)in);
        uint16_t high = *(const unaligned_u16 *)(in + 2);
        for (int group = 0; group < 8; group++, out += 32) {
            int multiple = (in[4 + group / 2] >> group % 2 * 4 & 15) | (high >> 2 * group & 3) << 4;
            decode_iq4_nibbles(in + 8 + 16 * group, unit * (float)(multiple - 32), out);
        }
    }
}
