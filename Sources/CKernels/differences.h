// How far numbers are from what they were made of

// The sums run in 16 lanes whatever the instruction set is, and in double precision over stretches of 256.
static void differences(const void *restrict source, const void *restrict result, size_t count,
                        struct ck_difference *restrict sums)
{
    const unaligned_float *restrict x = source, *restrict y = result;
    float farthest[16] = { 0 };
    for (size_t start = 0; start < count; start += 256) {
        size_t end = count - start < 256 ? count : start + 256, i = start;
        float errors[16] = { 0 }, squares[16] = { 0 };
        for (; i + 16 <= end; i += 16) {
            for (int lane = 0; lane < 16; lane++) {
                float value = x[i + lane], distance = value - y[i + lane], magnitude = fabsf(distance);
                errors[lane] += distance * distance;
                squares[lane] += value * value;
                farthest[lane] = magnitude > farthest[lane] ? magnitude : farthest[lane];
            }
        }
        for (int lane = 0; i < end; i++, lane++) {
            float value = x[i], distance = value - y[i], magnitude = fabsf(distance);
            errors[lane] += distance * distance;
            squares[lane] += value * value;
            farthest[lane] = magnitude > farthest[lane] ? magnitude : farthest[lane];
        }
        for (int lane = 0; lane < 16; lane++) {
            sums->squared_error += errors[lane];
            sums->squared_source += squares[lane];
        }
    }
    for (int lane = 0; lane < 16; lane++) {
        sums->farthest = farthest[lane] > sums->farthest ? farthest[lane] : sums->farthest;
    }
}
