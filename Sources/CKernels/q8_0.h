// Q8_0: signed bytes with one scale

INLINE void find_q8_0(const unaligned_float *x, struct grids_of_32 *grids, int first)
{
    floats greatest[LANES];
    UNROLLED for (int b = 0; b < LANES; b++) {
        floats high = 0;
        UNROLLED for (int i = 0; i < 32; i += LANES) {
            floats magnitude = __builtin_elementwise_abs(loaded(x + 32 * b + i));
            high = magnitude > high ? magnitude : high;
        }
        greatest[b] = high;
    }
    floats scale = folded_maximum(greatest) / 127.0f, inverse = 1.0f / scale;
    // What an infinite inverse makes is level 0 in the reference; all others stay below 128, and NaNs are refused.
    inverse = scale != 0.0f ? inverse : 0.0f;
    inverse = inverse < __builtin_inff() ? inverse : 0.0f;
    store_halves(scale, grids->scales + first);
    store(inverse, grids->inverses + first);
}

INLINE void pack_q8_0(const unaligned_float *x, const struct grids_of_32 *grids, int block, uint8_t *out)
{
    ints levels[32 / LANES];
    UNROLLED for (int i = 0; i < 32 / LANES; i++) {
        // Half away from zero: the largest float below 0.5 leaves what lies just under a tie where it is.
        floats level = loaded(x + LANES * i) * grids->inverses[block];
        level += __builtin_elementwise_copysign((floats)0x1.fffffep-2f, level);
        levels[i] = __builtin_convertvector(level, ints) & 255;
    }
    memcpy(out, grids->scales + block, 2);
    store_as_bytes(levels, out + 2);
}

static void encode_q8_0(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    (void)importance;
    encode_blocks_of_32(find_q8_0, pack_q8_0, 34, source, destination, rows * columns);
}

static void decode_q8_0(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 32; block++, in += 34, out += 32) {
        floats scale = halves_at(in);
        UNROLLED for (int i = 0; i < 32; i += LANES) {
            store(__builtin_convertvector(loaded_signed_bytes(in + 2 + i), floats) * scale, out + i);
        }
    }
}
