// How far numbers are from what they were made of

typedef double doubles __attribute__((ext_vector_type(LANES)));

#define SUMS (16 / LANES)

// Sums of sixteen lanes whatever the instruction set is: of floats over a stretch, of doubles over all stretches.
struct stretch_sums {
    floats errors[SUMS], squares[SUMS];
};

INLINE void add_difference(floats x, floats y, floats *error, floats *square, floats *farthest)
{
    floats distance = x - y, magnitude = __builtin_elementwise_abs(distance);
    *error += distance * distance;
    *square += x * x;
    *farthest = magnitude > *farthest ? magnitude : *farthest;
}

static void differences(const void *restrict source, const void *restrict result, size_t count,
                        struct ck_difference *restrict sums)
{
    const unaligned_float *restrict x = source, *restrict y = result;
    doubles errors[SUMS] = { 0 }, squares[SUMS] = { 0 };
    floats farthest[SUMS] = { 0 };
    for (size_t start = 0; start < count; start += 1024) {
        size_t end = count - start < 1024 ? count : start + 1024, i = start;
        struct stretch_sums stretch = { 0 };
        for (; i + 16 <= end; i += 16) {
            UNROLLED for (int v = 0; v < SUMS; v++) {
                add_difference(loaded(x + i + LANES * v), loaded(y + i + LANES * v), stretch.errors + v,
                               stretch.squares + v, farthest + v);
            }
        }
        if (i < end) {
            float last[2][16] = { 0 };
            memcpy(last[0], x + i, (end - i) * sizeof(float));
            memcpy(last[1], y + i, (end - i) * sizeof(float));
            UNROLLED for (int v = 0; v < SUMS; v++) {
                add_difference(loaded(last[0] + LANES * v), loaded(last[1] + LANES * v), stretch.errors + v,
                               stretch.squares + v, farthest + v);
            }
        }
        UNROLLED for (int v = 0; v < SUMS; v++) {
            errors[v] += __builtin_convertvector(stretch.errors[v], doubles);
            squares[v] += __builtin_convertvector(stretch.squares[v], doubles);
        }
    }
    for (int lane = 0; lane < 16; lane++) {
        float magnitude = farthest[lane / LANES][lane % LANES];
        sums->squared_error += errors[lane / LANES][lane % LANES];
        sums->squared_source += squares[lane / LANES][lane % LANES];
        sums->farthest = magnitude > sums->farthest ? magnitude : sums->farthest;
    }
}
