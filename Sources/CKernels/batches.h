// Batches: as many blocks as there are lanes, each in a lane of its own

// Where the blocks of a batch lie. A lane without one reads zeros and writes to a spare place.
struct batch {
    const unaligned_float *x[LANES];
    const unaligned_float *importance[LANES];  // of each element
    uint8_t *out[LANES];
};

// Rows of whole blocks.
struct rows {
    const unaligned_float *x;
    uint8_t *out;
    const float *importance;  // of each column, or null
    size_t columns;
    size_t width, size;  // of a block: elements and bytes
    size_t count;        // of blocks
};

static const float no_elements[256];

INLINE struct batch batch_at(const struct rows *rows, size_t first, uint8_t *spare)
{
    struct batch batch;
    size_t column = first * rows->width % rows->columns;
    for (size_t lane = 0; lane < LANES; lane++) {
        bool there = first + lane < rows->count;
        batch.x[lane] = there ? rows->x + (first + lane) * rows->width : no_elements;
        batch.importance[lane] = there && rows->importance ? rows->importance + column : no_elements;
        batch.out[lane] = there ? rows->out + (first + lane) * rows->size : spare;
        column += rows->width;
        if (column == rows->columns) column = 0;
    }
    return batch;
}

typedef void (*batch_encoder)(const struct batch *batch, bool weighted);

// Encodes blocks of `width` elements, `size` bytes, batch by batch, whatever rows they are in.
INLINE void encode_batches(batch_encoder encode, size_t width, size_t size, const void *source, void *destination,
                           size_t rows, size_t columns, const float *_Nullable importance)
{
    struct rows all = { source, destination, importance, columns, width, size, rows * (columns / width) };
    for (size_t block = 0; block < all.count; block += LANES) {
        uint8_t spare[256];
        struct batch batch = batch_at(&all, block, spare);
        encode(&batch, importance != NULL);
    }
}

// Lane b of columns[i] is rows[b][i]; `count` is a multiple of the lanes.
static void transpose(const unaligned_float *const *rows, int count, floats *columns)
{
    for (int first = 0; first < count; first += LANES) {
        floats tile[LANES];
        UNROLLED for (int i = 0; i < LANES; i++) tile[i] = loaded(rows[i] + first);
        UNROLLED for (int round = 1; round < LANES; round *= 2) {
            floats zipped[LANES];
            UNROLLED for (int i = 0; i < LANES / 2; i++) {
                zipped[2 * i] = ZIPPED_LOW(tile[i], tile[i + LANES / 2]);
                zipped[2 * i + 1] = ZIPPED_HIGH(tile[i], tile[i + LANES / 2]);
            }
            memcpy(tile, zipped, sizeof tile);
        }
        memcpy(columns + first, tile, sizeof tile);
    }
}

INLINE floats sum_of_squares(const floats *x, int count)
{
    floats sum = 0;
    for (int i = 0; i < count; i++) sum += x[i] * x[i];
    return sum;
}

INLINE floats sum_of(const floats *x, int count)
{
    floats sum = 0;
    for (int i = 0; i < count; i++) sum += x[i];
    return sum;
}

// The first of the elements farthest from zero.
INLINE floats farthest_of(const floats *x, int count)
{
    floats magnitude = 0, farthest = 0;
    for (int i = 0; i < count; i++) {
        floats candidate = __builtin_elementwise_abs(x[i]);
        ints farther = candidate > magnitude;
        magnitude = farther ? candidate : magnitude;
        farthest = farther ? x[i] : farthest;
    }
    return farthest;
}

// What errors weigh: what the elements' importance says, and more where they lie far from zero compared to `variance`.
INLINE void weigh(const struct batch *batch, const floats *x, int count, floats variance, floats *weights)
{
    transpose(batch->importance, count, weights);
    for (int i = 0; i < count; i++) weights[i] *= __builtin_elementwise_sqrt(variance + x[i] * x[i]);
}

// What a search found for a group in each lane: x ≈ scale·level + minimum.
struct fit {
    floats scale, minimum;
    floats inverse, origin;  // level = inverse·(x − origin), rounded; inverse is NaN where all are the lowest
};

INLINE ints levels_of_fit(const struct fit *fit, int lane, floats x, int lowest, int highest)
{
    float inverse = fit->inverse[lane];
    ints levels = between(nearest_of_each(inverse * (x - fit->origin[lane])), lowest, highest) - lowest;
    return inverse == inverse ? levels : 0;
}

INLINE void store_narrow(ints numbers, uint8_t *out)
{
    bytes narrow = __builtin_convertvector(numbers, bytes);
    memcpy(out, &narrow, sizeof narrow);
}

// Levels, counted from the lowest, of elements side by side: the nearest on the grid scale·level − minimum, or, where
// that has no steps, those of the search.
INLINE void place(const unaligned_float *x, int count, float scale, float minimum, const struct fit *fit, int lane,
                  int lowest, int highest, uint8_t *levels)
{
    if (scale != 0.0f) {
        for (int i = 0; i < count; i += LANES) {
            ints level = between(nearest_of_each((loaded(x + i) + minimum) / scale), lowest, highest);
            store_narrow(level - lowest, levels + i);
        }
    } else {
        for (int i = 0; i < count; i += LANES) {
            store_narrow(levels_of_fit(fit, lane, loaded(x + i), lowest, highest), levels + i);
        }
    }
}
