// Q4_0, Q4_1, Q5_0 and Q5_1 with an importance: their scales are searched for, and an error weighs more in an element
// that lies far from zero compared to its row

typedef void (*weighted_encoder)(const struct batch *batches, const floats *variances, bool fifth);

INLINE void encode_symmetric_batches(const struct batch *batches, const floats *variances, bool fifth)
{
    for (int v = 0; v < ABREAST; v++) {
        floats x[32], weights[32];
        transpose(batches[v].x, 32, x);
        transpose(batches[v].importance, 32, weights);
        weigh(x, weights, 32, variances[v], weights);
        float middle = fifth ? 16 : 8;
        struct fit fit = fit_scales(x, weights, 32, middle, false);
        for (int lane = 0; lane < LANES; lane++) {
            uint8_t *out = batches[v].out[lane], levels[32];
            uint16_t half = f16_of(fit.scale[lane]);
            memcpy(out, &half, sizeof half);
            place(batches[v].x[lane], 32, 0, 0, &fit, lane, -(int)middle, (int)middle - 1, levels);
            pack_levels(levels, fifth, out + 2);
        }
    }
}

INLINE void encode_ranged_batches(const struct batch *batches, const floats *variances, bool fifth)
{
    struct line_search search = { 32, fifth ? 31 : 15, -0.9f, 0.05f, 36, false };
    floats x[32 * ABREAST], weights[32 * ABREAST];
    struct fit fits[ABREAST];
    for (int v = 0; v < ABREAST; v++) {
        transpose(batches[v].x, 32, x + 32 * v);
        transpose(batches[v].importance, 32, weights + 32 * v);
        weigh(x + 32 * v, weights + 32 * v, 32, variances[v], weights + 32 * v);
    }
    fit_lines(x, weights, &search, fits);
    for (int v = 0; v < ABREAST; v++) {
        for (int lane = 0; lane < LANES; lane++) {
            uint8_t *out = batches[v].out[lane], levels[32];
            uint16_t halves[2] = { f16_of(fits[v].scale[lane]), f16_of(fits[v].minimum[lane]) };
            memcpy(out, halves, sizeof halves);
            place(batches[v].x[lane], 32, 0, 0, fits + v, lane, 0, (int)search.highest, levels);
            pack_levels(levels, fifth, out + 4);
        }
    }
}

// The mean squares of up to LANES rows.
INLINE floats mean_squares(const unaligned_float *x, size_t rows, size_t columns)
{
    const unaligned_float *row[LANES];
    floats sum = 0;
    for (size_t lane = 0; lane < LANES; lane++) row[lane] = x + (lane < rows ? lane * columns : 0);
    for (size_t column = 0; column < columns; column += 32) {
        floats part[32];
        transpose(row, 32, part);
        for (int i = 0; i < 32; i++) sum += part[i] * part[i];
        for (int lane = 0; lane < LANES; lane++) row[lane] += 32;
    }
    return sum / (float)columns;
}

INLINE void encode_weighted(struct rows all, size_t rows, bool fifth, weighted_encoder encode)
{
    const size_t in_row = all.columns / 32;
    for (; rows > 0; all.x += all.count * 32, all.out += all.count * all.size) {
        size_t some = rows < LANES ? rows : LANES;
        floats variance_of_row = mean_squares(all.x, some, all.columns);
        all.count = some * in_row;
        for (size_t block = 0; block < all.count; block += LANES * ABREAST) {
            struct batch batches[ABREAST];
            floats variances[ABREAST];
            uint8_t spare[24];
            for (size_t v = 0; v < ABREAST; v++) {
                batches[v] = batch_at(&all, block + LANES * v, spare);
                for (size_t lane = 0; lane < LANES; lane++) {
                    size_t row = (block + LANES * v + lane) / in_row;
                    variances[v][lane] = variance_of_row[row < some ? row : 0];
                }
            }
            encode(batches, variances, fifth);
        }
        rows -= some;
    }
}

static void encode_q4_0(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    if (importance) {
        struct rows all = { source, destination, importance, columns, 32, 18, 0 };
        encode_weighted(all, rows, false, encode_symmetric_batches);
    } else {
        in_batches(q4_0_batch, 18, source, destination, rows * columns);
    }
}

static void encode_q4_1(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    if (importance) {
        struct rows all = { source, destination, importance, columns, 32, 20, 0 };
        encode_weighted(all, rows, false, encode_ranged_batches);
    } else {
        in_batches(q4_1_batch, 20, source, destination, rows * columns);
    }
}

static void encode_q5_0(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    if (importance) {
        struct rows all = { source, destination, importance, columns, 32, 22, 0 };
        encode_weighted(all, rows, true, encode_symmetric_batches);
    } else {
        in_batches(q5_0_batch, 22, source, destination, rows * columns);
    }
}

static void encode_q5_1(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    if (importance) {
        struct rows all = { source, destination, importance, columns, 32, 24, 0 };
        encode_weighted(all, rows, true, encode_ranged_batches);
    } else {
        in_batches(q5_1_batch, 24, source, destination, rows * columns);
    }
}
