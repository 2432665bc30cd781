// Batches: as many blocks as there are lanes, each in a lane of its own

// Where the blocks of a batch lie. A lane that has none reads zeros and writes to a spare place.
struct batch {
    const unaligned_float *x[LANES];
    const unaligned_float *importance[LANES];  // of each element
    uint8_t *out[LANES];
};

static const float no_elements[256];

struct rows {
    const unaligned_float *x;
    uint8_t *out;
    const float *importance;  // of each column; null where it is not known
    size_t columns;
    size_t width, size;  // of a block: elements and bytes
    size_t count;        // of blocks
};

INLINE struct batch batch_at(const struct rows *rows, size_t first, uint8_t *spare)
{
    struct batch batch;
    size_t column = first * rows->width % rows->columns;
    for (int lane = 0; lane < LANES; lane++) {
        bool there = first + lane < rows->count;
        batch.x[lane] = there ? rows->x + (first + lane) * rows->width : no_elements;
        batch.importance[lane] = there && rows->importance ? rows->importance + column : no_elements;
        batch.out[lane] = there ? rows->out + (first + lane) * rows->size : spare;
        column += rows->width;
        if (column == rows->columns) column = 0;
    }
    return batch;
}

// Lane b of columns[i] is rows[b][i]; `count` is a multiple of the lanes.
INLINE void transpose(const unaligned_float *const *rows, int count, floats *columns)
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

// What an error in each element weighs: its importance, and more where it lies farther from zero.
INLINE void weigh(const floats *x, const floats *importance, int count, floats variance, floats *weights)
{
    for (int i = 0; i < count; i++) {
        weights[i] = importance[i] * __builtin_elementwise_sqrt(variance + x[i] * x[i]);
    }
}

INLINE floats sum_of_weights(const floats *weights, int count)
{
    floats sum = 0;
    for (int i = 0; i < count; i++) sum += weights[i];
    return sum;
}

// What a search found for a group per lane: x ≈ scale·level + minimum.
struct fit {
    floats scale, minimum;
    floats inverse, origin;  // level = inverse·(x − origin), rounded; NaN where all levels are the lowest
};

// Levels, counted from the lowest, of elements that lie one after the other: the nearest on the grid scale·level −
// minimum, or, where that has no steps, those found by the search.
INLINE void place(const unaligned_float *x, int count, float scale, float minimum, const struct fit *fit, int lane,
                  int lowest, int highest, uint8_t *levels)
{
    if (scale != 0.0f) {
        for (int i = 0; i < count; i += LANES) {
            ints level = between(nearest_of_each((loaded(x + i) + minimum) / scale), lowest, highest);
            bytes narrow = __builtin_convertvector(level - lowest, bytes);
            memcpy(levels + i, &narrow, sizeof narrow);
        }
        return;
    }
    float inverse = fit->inverse[lane], origin = fit->origin[lane];
    for (int i = 0; i < count; i += LANES) {
        ints level = between(nearest_of_each(inverse * (loaded(x + i) - origin)), lowest, highest);
        bytes narrow = __builtin_convertvector(inverse == inverse ? level - lowest : 0, bytes);
        memcpy(levels + i, &narrow, sizeof narrow);
    }
}
