// IQ4_NL and IQ4_XS: levels are places in a table, finer around zero

static const float iq4_values[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

// Half way to the next value, where the level changes.
static const float iq4_ends[15] = {
    -115.5f, -93.5f, -74, -57, -42, -28.5f, -16, -4.5f, 7, 19, 31.5f, 45.5f, 61, 79, 101,
};

#if LANES == 16

// By the nearest ten, modulo 32: at most one level ends among the numbers that share it.
static const float iq4_end_of_ten[32] = {
    -4.5f, 7, 19, 31.5f, 0, 45.5f, 61, 0, 79, 0, 101, 0, 0, 0, 0, 0,
    0, 0, 0, 0, -115.5f, 0, 0, -93.5f, 0, -74, -57, 0, -42, -28.5f, -16, 0,
};
static const float iq4_below_end[32] = {
    -10, 1, 13, 25, 38, 38, 53, 69, 69, 89, 89, 113, 113, 113, 0, 0,
    0, 0, 0, -127, -127, -104, -104, -104, -83, -83, -65, -49, -49, -35, -22, -10,
};
static const float iq4_above_end[32] = {
    1, 13, 25, 38, 38, 53, 69, 69, 89, 89, 113, 113, 113, 113, 0, 0,
    0, 0, 0, -127, -104, -104, -104, -83, -83, -65, -49, -49, -35, -22, -10, -10,
};

INLINE floats of_32(const float *table, floats place)
{
    return _mm512_permutex2var_ps(_mm512_loadu_ps(table), (__m512i)place, _mm512_loadu_ps(table + 16));
}

// For magnitudes below 135.
INLINE floats nearest_iq4_value(floats x)
{
    floats ten = x * 0.1f + TO_INTEGER;
    return x < of_32(iq4_end_of_ten, ten) ? of_32(iq4_below_end, ten) : of_32(iq4_above_end, ten);
}

#else

INLINE floats nearest_iq4_value(floats x)
{
    floats value = iq4_values[15];
    UNROLLED for (int i = 14; i >= 0; i--) value = x < iq4_ends[i] ? iq4_values[i] : value;
    return value;
}

#endif

struct iq4_search {
    const floats *x, *weights;
    floats farthest;
    floats scale, merit;
};

// Tries `count` factors of the elements at the same time.
INLINE void try_iq4_scales(struct iq4_search *s, const floats *inverse, int count, bool first)
{
    floats products[3], squares[3];
    UNROLLED for (int c = 0; c < count; c++) products[c] = squares[c] = 0;
    for (int i = 0; i < 32; i++) {
        UNROLLED for (int c = 0; c < count; c++) {
            floats value = nearest_iq4_value(inverse[c] * s->x[i]);
            floats weighted = s->weights[i] * value;
            products[c] += weighted * s->x[i];
            squares[c] += weighted * value;
        }
    }
    UNROLLED for (int c = 0; c < count; c++) {
        ints better = (squares[c] > 0.0f) & (products[c] * products[c] > s->merit * squares[c]);
        floats scale = products[c] / squares[c];
        if (first) {
            better = -1;
            scale = squares[c] > 0.0f ? scale : 0.0f;
        }
        s->scale = better ? scale : s->scale;
        s->merit = better ? scale * products[c] : s->merit;
    }
}

// The scale of a group of 32: the best of sixteen, which take the farthest element to about −127.
static floats fit_iq4(const floats *x, const floats *weights)
{
    struct iq4_search s = { x, weights, farthest_of(x, 32), 0, 0 };
    floats start = 1.0f / (-s.farthest / -127.0f);
    try_iq4_scales(&s, &start, 1, true);
    for (int step = -7; step <= 7; step += 3) {
        floats inverse[3];
        UNROLLED for (int c = 0; c < 3; c++) inverse[c] = (float)(step + c - 127) / s.farthest;
        try_iq4_scales(&s, inverse, 3, false);
    }
    return __builtin_elementwise_abs(s.farthest) < SMALLEST_GROUP ? 0.0f : s.scale;
}

INLINE void weigh_iq4(const struct batch *batch, const floats *x, int count, bool weighted, floats *weights)
{
    if (weighted) {
        weigh(batch, x, count, sum_of_squares(x, count) * (2.0f / (float)count), weights);
    } else {
        for (int i = 0; i < count; i++) weights[i] = x[i] * x[i];
    }
}

// Packs the levels of 32 elements side by side.
INLINE void pack_iq4(const unaligned_float *x, float inverse, uint8_t *out)
{
    ints levels[32 / LANES];
    for (int i = 0; i < 32 / LANES; i++) {
        floats scaled = inverse * loaded(x + LANES * i);
        // NaN is the last.
        levels[i] = 15;
        UNROLLED for (int end = 0; end < 15; end++) levels[i] += scaled < iq4_ends[end];
    }
    pack_levels(levels, false, out);
}

static void encode_iq4_nl_batch(const struct batch *batch, bool weighted)
{
    floats x[32], weights[32];
    transpose(batch->x, 32, x);
    weigh_iq4(batch, x, 32, weighted, weights);
    floats scale = fit_iq4(x, weights), inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    for (int lane = 0; lane < LANES; lane++) {
        uint16_t half = f16_of(scale[lane]);
        memcpy(batch->out[lane], &half, 2);
        pack_iq4(batch->x[lane], inverse[lane], batch->out[lane] + 2);
    }
}

static void encode_iq4_xs_batch(const struct batch *batch, bool weighted)
{
    floats x[256], weights[256], scales[8], inverses[8];
    uint8_t multiples[8][LANES];
    transpose(batch->x, 256, x);
    weigh_iq4(batch, x, 256, weighted, weights);
    for (int group = 0; group < 8; group++) scales[group] = fit_iq4(x + 32 * group, weights + 32 * group);
    floats unit = -farthest_of(scales, 8) / 32.0f, inverse = unit != 0.0f ? 1.0f / unit : 0.0f;
    for (int group = 0; group < 8; group++) {
        ints multiple = between(nearest_of_each(inverse * scales[group]), -32, 31);
        floats scale = unit * __builtin_convertvector(multiple, floats);
        inverses[group] = scale != 0.0f ? 1.0f / scale : 0.0f;
        store_narrow(multiple + 32, multiples[group]);
    }
    for (int lane = 0; lane < LANES; lane++) {
        uint8_t *out = batch->out[lane], low[4] = { 0 };
        uint16_t halves[2] = { f16_of(unit[lane]), 0 };
        for (int group = 0; group < 8; group++) {
            uint8_t multiple = multiples[group][lane];
            halves[1] |= (uint16_t)(multiple >> 4 << 2 * group);
            low[group / 2] |= (uint8_t)((multiple & 15) << group % 2 * 4);
            pack_iq4(batch->x[lane] + 32 * group, inverses[group][lane], out + 8 + 16 * group);
        }
        memcpy(out, halves, 4);
        memcpy(out + 4, low, 4);
    }
}

static void encode_iq4_nl(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                          const float *_Nullable importance)
{
    encode_batches(encode_iq4_nl_batch, 32, 18, source, destination, rows, columns, importance);
}

static void encode_iq4_xs(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                          const float *_Nullable importance)
{
    encode_batches(encode_iq4_xs_batch, 256, 136, source, destination, rows, columns, importance);
}

INLINE void decode_iq4_group(const uint8_t *restrict in, float scale, unaligned_float *restrict out)
{
#if LANES == 16
    floats values = scale * loaded(iq4_values);
    ints levels = loaded_bytes(in);
    store(_mm512_permutexvar_ps((__m512i)levels, values), out);
    store(_mm512_permutexvar_ps((__m512i)(levels >> 4), values), out + 16);
#else
    for (int i = 0; i < 16; i++) {
        out[i] = scale * iq4_values[in[i] & 15];
        out[i + 16] = scale * iq4_values[in[i] >> 4];
    }
#endif
}

static void decode_iq4_nl(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 32; block++, in += 18, out += 32) {
        decode_iq4_group(in + 2, half_at(in), out);
    }
}

static void decode_iq4_xs(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 136) {
        float unit = half_at(in);
        uint16_t high = *(const unaligned_u16 *)(in + 2);
        for (int group = 0; group < 8; group++, out += 32) {
            int multiple = (in[4 + group / 2] >> group % 2 * 4 & 15) | (high >> 2 * group & 3) << 4;
            decode_iq4_group(in + 8 + 16 * group, unit * (float)(multiple - 32), out);
        }
    }
}
