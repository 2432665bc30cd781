// Q2_K: sixteen groups of 16, each with a multiple of the block's scale and one of its minimum, four bits each

static void pack_q2_k(const struct batch *batch, const struct lines *lines, int lane)
{
    uint8_t *out = batch->out[lane], levels[256];
    uint16_t halves[2] = { f16_of(lines->scale.unit[lane]), f16_of(lines->minimum.unit[lane]) };
    float scale = f32_of_f16(halves[0]), minimum = f32_of_f16(halves[1]);
    for (int group = 0; group < 16; group++) {
        uint8_t pair = lines->scale.of[group][lane] | (uint8_t)(lines->minimum.of[group][lane] << 4);
        place(batch->x[lane] + 16 * group, 16, scale * (float)(pair & 15), minimum * (float)(pair >> 4),
              lines->fits + group, lane, 0, 3, levels + 16 * group);
        out[group] = pair;
    }
    pack_pairs_of_bits(levels, out + 16);
    memcpy(out + 80, halves, 4);
}

static void encode_q2_k_batch(const struct batch *batch, bool weighted)
{
    struct line_search search = { 16, 3, -0.5f, 0.1f, 15, true };
    if (weighted) search = (struct line_search){ 16, 3, -0.9f, 0.05f, 36, false };
    struct line_block block;
    struct lines lines;
    transpose(batch->x, 256, block.x);
    if (weighted) {
        weigh(batch, block.x, 256, sum_of_squares(block.x, 256) / 256.0f, block.weights);
    } else {
        for (int i = 0; i < 256; i++) block.weights[i] = __builtin_elementwise_abs(block.x[i]);
    }
    find_lines(&block, &search, weighted, 15, 255, &lines);
    for (int lane = 0; lane < LANES; lane++) pack_q2_k(batch, &lines, lane);
}

static void encode_q2_k(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    encode_batches(encode_q2_k_batch, 256, 84, source, destination, rows, columns, importance);
}

static void decode_q2_k(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 84) {
        float scale = half_at(in + 80);
        float minimum = half_at(in + 82);
        for (int group = 0; group < 16; group++, out += 16) {
            const uint8_t *levels = in + 16 + group / 8 * 32 + group % 2 * 16;
            int shift = group / 2 % 4 * 2;
            float step = scale * (float)(in[group] & 15), offset = minimum * (float)(in[group] >> 4);
            for (int i = 0; i < 16; i += LANES) {
                ints level = loaded_bytes(levels + i) >> shift & 3;
                store(step * __builtin_convertvector(level, floats) - offset, out + i);
            }
        }
    }
}
