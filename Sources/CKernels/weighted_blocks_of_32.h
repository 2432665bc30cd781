// Q4_0, Q4_1, Q5_0 and Q5_1: rounded, or, where columns have an importance, with scales found by a search

// As many batches as the search takes abreast, and what the squares in the row of each lane's block are on average.
struct weighted_batches {
    struct batch batches[ABREAST];
    floats variances[ABREAST];
};

INLINE void pack_fit(const unaligned_float *x, const struct fit *fit, int lane, int lowest, bool fifth, uint8_t *out)
{
    ints levels[32 / LANES];
    UNROLLED for (int i = 0; i < 32 / LANES; i++) {
        levels[i] = levels_of_fit(fit, lane, loaded(x + LANES * i), lowest, lowest + (fifth ? 31 : 15));
    }
    pack_levels(levels, fifth, out);
}

static void encode_symmetric_batches(const struct weighted_batches *some, bool fifth)
{
    const int middle = fifth ? 16 : 8;
    for (int v = 0; v < ABREAST; v++) {
        const struct batch *batch = some->batches + v;
        floats x[32], weights[32];
        transpose(batch->x, 32, x);
        weigh(batch, x, 32, some->variances[v], weights);
        struct fit fit = fit_scales(x, weights, 32, (float)middle);
        for (int lane = 0; lane < LANES; lane++) {
            uint16_t half = f16_of(fit.scale[lane]);
            memcpy(batch->out[lane], &half, 2);
            pack_fit(batch->x[lane], &fit, lane, -middle, fifth, batch->out[lane] + 2);
        }
    }
}

static void encode_ranged_batches(const struct weighted_batches *some, bool fifth)
{
    const struct line_search search = { 32, fifth ? 31 : 15, -0.9f, 0.05f, 36, false };
    struct {
        floats x[32 * ABREAST], weights[32 * ABREAST], levels[32 * ABREAST];
    } blocks;
    struct fit fits[ABREAST];
    for (int v = 0; v < ABREAST; v++) {
        floats *x = blocks.x + 32 * v;
        transpose(some->batches[v].x, 32, x);
        weigh(some->batches + v, x, 32, some->variances[v], blocks.weights + 32 * v);
    }
    fit_lines(blocks.x, blocks.weights, blocks.levels, &search, fits);
    for (int v = 0; v < ABREAST; v++) {
        for (int lane = 0; lane < LANES; lane++) {
            uint16_t halves[2] = { f16_of(fits[v].scale[lane]), f16_of(fits[v].minimum[lane]) };
            memcpy(some->batches[v].out[lane], halves, 4);
            pack_fit(some->batches[v].x[lane], fits + v, lane, 0, fifth, some->batches[v].out[lane] + 4);
        }
    }
}

// The mean squares of up to LANES rows, which are added up side by side.
static floats mean_squares(const unaligned_float *x, size_t rows, size_t columns)
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

static void encode_weighted(struct rows all, size_t rows, void (*encode)(const struct weighted_batches *, bool),
                            bool fifth)
{
    const size_t in_row = all.columns / all.width;
    for (; rows > 0; all.x += all.count * all.width, all.out += all.count * all.size) {
        size_t few = rows < LANES ? rows : LANES;
        floats variance = mean_squares(all.x, few, all.columns);
        all.count = few * in_row;
        rows -= few;
        for (size_t block = 0; block < all.count; block += LANES * ABREAST) {
            struct weighted_batches some;
            uint8_t spare[24];
            for (size_t v = 0; v < ABREAST; v++) {
                size_t first = block + LANES * v;
                some.batches[v] = batch_at(&all, first, spare);
                for (size_t lane = 0; lane < LANES; lane++) {
                    size_t row = (first + lane) / in_row;
                    some.variances[v][lane] = variance[row < few ? row : 0];
                }
            }
            encode(&some, fifth);
        }
    }
}

#define ENCODER_OF_32(name, size, batches, fifth)                                                                      \
    static void encode_##name(const void *restrict source, void *restrict destination, size_t rows, size_t columns,   \
                              const float *_Nullable importance)                                                       \
    {                                                                                                                  \
        if (importance) {                                                                                              \
            encode_weighted((struct rows){ source, destination, importance, columns, 32, size, 0 }, rows, batches,    \
                            fifth);                                                                                    \
        } else {                                                                                                       \
            encode_blocks_of_32(find_##name, pack_##name, size, source, destination, rows * columns);                   \
        }                                                                                                              \
    }

ENCODER_OF_32(q4_0, 18, encode_symmetric_batches, false)
ENCODER_OF_32(q4_1, 20, encode_ranged_batches, false)
ENCODER_OF_32(q5_0, 22, encode_symmetric_batches, true)
ENCODER_OF_32(q5_1, 24, encode_ranged_batches, true)
