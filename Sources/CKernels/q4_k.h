// Q4_K and Q5_K: eight groups of 32, each with a multiple of the block's scale and one of its minimum, six bits each

INLINE void unpack_q4_k(const uint8_t *packed, int group, int *scale, int *minimum)
{
    *scale = packed[group] & 63;
    *minimum = packed[group + 4] & 63;
    if (group >= 4) {
        *scale = (packed[group + 4] & 15) | packed[group - 4] >> 6 << 4;
        *minimum = packed[group + 4] >> 4 | packed[group] >> 6 << 4;
    }
}

INLINE void pack_q4_k_multiples(const struct lines *lines, int lane, uint8_t *packed)
{
    for (int group = 0; group < 4; group++) {
        packed[group] = lines->scale.of[group][lane];
        packed[group + 4] = lines->minimum.of[group][lane];
    }
    for (int group = 4; group < 8; group++) {
        uint8_t scale = lines->scale.of[group][lane], minimum = lines->minimum.of[group][lane];
        packed[group + 4] = (uint8_t)((scale & 15) | (minimum & 15) << 4);
        packed[group - 4] |= (uint8_t)(scale >> 4 << 6);
        packed[group] |= (uint8_t)(minimum >> 4 << 6);
    }
}

INLINE void pack_q4_k(const struct batch *batch, const struct lines *lines, int lane, bool fifth)
{
    uint8_t *out = batch->out[lane], packed[12], levels[256];
    uint16_t halves[2] = { f16_of(lines->scale.unit[lane]), f16_of(lines->minimum.unit[lane]) };
    float scale_unit = f32_of_f16(halves[0]), minimum_unit = f32_of_f16(halves[1]);
    pack_q4_k_multiples(lines, lane, packed);
    for (int group = 0; group < 8; group++) {
        int scale, minimum;
        // What wrapped around may have spilled over: the stored ones count.
        unpack_q4_k(packed, group, &scale, &minimum);
        place(batch->x[lane] + 32 * group, 32, scale_unit * (float)scale, minimum_unit * (float)minimum,
              lines->fits + group, lane, 0, fifth ? 31 : 15, levels + 32 * group);
    }
    memcpy(out, halves, 4);
    memcpy(out + 4, packed, 12);
    out += 16;
    if (fifth) {
        for (int i = 0; i < 32; i++) {
            uint8_t bits = 0;
            UNROLLED for (int group = 0; group < 8; group++) bits |= (uint8_t)(levels[32 * group + i] >> 4 << group);
            out[i] = bits;
        }
        out += 32;
    }
    for (int pair = 0; pair < 4; pair++) {
        const uint8_t *restrict low = levels + 64 * pair, *restrict high = low + 32;
        for (int i = 0; i < 32; i++) out[32 * pair + i] = (low[i] & 15) | (uint8_t)(high[i] << 4);
    }
}

INLINE void encode_lines_of_32(const struct batch *batch, bool weighted, bool fifth)
{
    struct line_search search = { 32, 15, -1, 0.1f, 20, false };
    if (fifth) search = (struct line_search){ 32, 31, -0.5f, 0.1f, 15, false };
    if (weighted) search = (struct line_search){ 32, search.highest, -0.9f, 0.05f, 36, false };
    struct line_block block;
    struct lines lines;
    transpose(batch->x, 256, block.x);
    if (weighted) {
        weigh(batch, block.x, 256, 2.0f * sum_of_squares(block.x, 256) / 256.0f, block.weights);
    } else {
        for (int group = 0; group < 256; group += 32) {
            floats mean = __builtin_elementwise_sqrt(sum_of_squares(block.x + group, 32) / 32.0f);
            for (int i = group; i < group + 32; i++) {
                block.weights[i] = mean + __builtin_elementwise_abs(block.x[i]);
            }
        }
    }
    // With importance, only Q5_K cuts off what wrapped around.
    find_lines(&block, &search, weighted, 63, weighted && !fifth ? 255 : 63, &lines);
    for (int lane = 0; lane < LANES; lane++) pack_q4_k(batch, &lines, lane, fifth);
}

static void encode_q4_k_batch(const struct batch *batch, bool weighted)
{
    encode_lines_of_32(batch, weighted, false);
}

static void encode_q5_k_batch(const struct batch *batch, bool weighted)
{
    encode_lines_of_32(batch, weighted, true);
}

static void encode_q4_k(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    encode_batches(encode_q4_k_batch, 256, 144, source, destination, rows, columns, importance);
}

static void encode_q5_k(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    encode_batches(encode_q5_k_batch, 256, 176, source, destination, rows, columns, importance);
}

INLINE void decode_lines_of_32(const uint8_t *restrict in, unaligned_float *restrict out, size_t blocks, bool fifth)
{
    for (; blocks > 0; blocks--, in += fifth ? 176 : 144) {
        float scale_unit = half_at(in);
        float minimum_unit = half_at(in + 2);
        const uint8_t *high = in + 16, *low = in + (fifth ? 48 : 16);
        for (int group = 0; group < 8; group++, out += 32) {
            int scale, minimum;
            unpack_q4_k(in + 4, group, &scale, &minimum);
            float step = scale_unit * (float)scale, offset = minimum_unit * (float)minimum;
            for (int i = 0; i < 32; i += LANES) {
                ints level = loaded_bytes(low + group / 2 * 32 + i) >> group % 2 * 4 & 15;
                if (fifth) level |= (loaded_bytes(high + i) >> group & 1) << 4;
                store(step * __builtin_convertvector(level, floats) - offset, out + i);
            }
        }
    }
}

static void decode_q4_k(const void *restrict source, void *restrict destination, size_t count)
{
    decode_lines_of_32(source, destination, count / 256, false);
}

static void decode_q5_k(const void *restrict source, void *restrict destination, size_t count)
{
    decode_lines_of_32(source, destination, count / 256, true);
}
