// Products with one token, straight from a panel: as fast as memory, where what is unpacked must not be stored again.

INLINE wide product_of_group(wide sum, const words *w, const int8_t *x, bool is_wide)
{
    (void)is_wide;
    UNROLLED for (int i = 0; i < 8; i += 2) sum = DOTTED_TWICE(sum, w + i, x + 4 * i, 4, is_wide);
    return sum;
}

INLINE numbers multiply_one_by_blocks_of_32(const enum ck_panel_type type, const uint8_t *in, struct ck_activations x,
                                            size_t blocks, numbers total)
{
    struct ck_panel_form form = ck_panel_form(type);
    for (size_t block = 0; block < blocks; block++) {
        words w[8];
        numbers scale, minimum;
        in = unpack_block_of_32(type, in, (uint8_t *)w, (float *)&scale, (float *)&minimum);
        wide sum = product_of_group((wide)x.offsets[block], w, x.codes + 32 * block, form.is_wide);
        total = fused(__builtin_convertvector(sum, numbers), scale * x.scales[block], total);
        if (form.has_minima) total = fused(minimum, (numbers)x.sums[block], total);
    }
    return total;
}

INLINE numbers product_of_block(numbers scale, wide sum, numbers minimum, wide low, float factor, numbers total)
{
    numbers value = scale * __builtin_convertvector(sum, numbers);
    value = fused(-minimum, __builtin_convertvector(low, numbers), value);
    return fused(value, (numbers)factor, total);
}

INLINE words pair_of(wide first, wide second) { return ((words)first & 0xFFFF) | (words)second << 16; }

INLINE numbers multiply_one_by_q4_k(const uint8_t *in, struct ck_activations x, size_t blocks, bool has_fifth_bits,
                                    numbers total)
{
    for (size_t block = 0; block < blocks; block++, x.codes += 256, x.pairs += 16) {
        const uint8_t *codes = in + 64 + 12 * 16;
        wide sum = (wide)0, low = (wide)0;
        UNROLLED for (int chunk = 0; chunk < 4; chunk++) {
            words first[8], second[8];
            UNROLLED for (int i = 0; i < 8; i++) {
                words both[2];
                q4_k_codes(codes, chunk, i, has_fifth_bits, both);
                first[i] = both[0];
                second[i] = both[1];
            }
            struct group_scales a = q4_k_scales(in + 64, 2 * chunk), b = q4_k_scales(in + 64, 2 * chunk + 1);
            sum += product_of_group((wide)0, first, x.codes + 64 * chunk, false) * a.scale;
            sum += product_of_group((wide)0, second, x.codes + 64 * chunk + 32, false) * b.scale;
            low = dotted_pairs(low, pair_of(a.low, a.low), x.pairs + 4 * chunk);
            low = dotted_pairs(low, pair_of(b.low, b.low), x.pairs + 4 * chunk + 2);
        }
        total = product_of_block(sixteen_halves_at(in), sum, sixteen_halves_at(in + 32), low, x.scales[block], total);
        in = codes + (has_fifth_bits ? 40 : 32) * 64;
    }
    return total;
}

INLINE numbers multiply_one_by_parted(const enum ck_panel_type type, const uint8_t *in, struct ck_activations x,
                                      size_t blocks, numbers total)
{
    for (size_t block = 0; block < blocks; block++, x.codes += 256, x.pairs += 16) {
        wide sum = (wide)0, low = (wide)0;
        UNROLLED for (int half = 0; half < 2; half++) {
            UNROLLED for (int side = 0; side < 2; side++) {
                wide sums[4] = { (wide)0, (wide)0, (wide)0, (wide)0 };
                UNROLLED for (int i = 4 * side; i < 4 * side + 4; i += 2) {
                    words one[4], next[4];
                    parted_codes(type, in, half, i, one);
                    parted_codes(type, in, half, i + 1, next);
                    UNROLLED for (int part = 0; part < 4; part++) {
                        words both[2] = { one[part], next[part] };
                        sums[part] = DOTTED_TWICE(sums[part], both, x.codes + 128 * half + 32 * part + 4 * i, 4, false);
                    }
                }
                UNROLLED for (int part = 0; part < 4; part++) {
                    sum += sums[part] * parted_scales(type, in, 8 * half + 2 * part + side).scale;
                }
            }
        }
        UNROLLED for (int group = 0; group < 16; group += 2) {
            words pair = pair_of(parted_scales(type, in, group).low, parted_scales(type, in, group + 1).low);
            low = dotted_pairs(low, pair, x.pairs + group);
        }
        numbers scale, minimum;
        in = parted_end(type, in, &scale, &minimum);
        total = product_of_block(scale, sum, minimum, low, x.scales[block], total);
    }
    return total;
}

INLINE numbers multiply_one_by_iq4_xs(const uint8_t *in, struct ck_activations x, size_t blocks, numbers total)
{
    for (size_t block = 0; block < blocks; block++, x.codes += 256, x.pairs += 16) {
        const uint8_t *codes = in + 64 + 4 * 16;
        wide sum = (wide)0, low = (wide)0;
        UNROLLED for (int group = 0; group < 8; group++) {
            words w[8];
            codes = unpack_nibbles(codes, iq4_codes, (uint8_t *)w);
            wide multiple = iq4_xs_multiple(in, group), offset = multiple * 127;
            sum += product_of_group((wide)0, w, x.codes + 32 * group, true) * multiple;
            low = dotted_pairs(low, pair_of(offset, offset), x.pairs + 2 * group);
        }
        numbers scale = sixteen_halves_at(in);
        total = product_of_block(scale, sum, scale, low, x.scales[block], total);
        in = codes;
    }
    return total;
}

static void multiply_one(enum ck_panel_type type, const uint8_t *panel, struct ck_activations x, size_t blocks,
                         float *products)
{
    numbers total;
    memcpy(&total, products, sizeof total);
    switch (type) {
#define TYPE(name) \
    case CK_PANEL_##name: total = multiply_one_by_blocks_of_32(CK_PANEL_##name, panel, x, blocks, total); break;
    TYPE(Q4_0) TYPE(Q4_1) TYPE(Q5_0) TYPE(Q5_1) TYPE(Q8_0) TYPE(IQ4_NL) TYPE(MXFP4)
#undef TYPE
#define TYPE(name) case CK_PANEL_##name: total = multiply_one_by_parted(CK_PANEL_##name, panel, x, blocks, total); break;
    TYPE(Q2_K) TYPE(Q3_K) TYPE(Q6_K)
#undef TYPE
    case CK_PANEL_Q4_K: total = multiply_one_by_q4_k(panel, x, blocks, false, total); break;
    case CK_PANEL_Q5_K: total = multiply_one_by_q4_k(panel, x, blocks, true, total); break;
    case CK_PANEL_IQ4_XS: total = multiply_one_by_iq4_xs(panel, x, blocks, total); break;
    case CK_PANEL_TYPE_COUNT: break;
    }
    memcpy(products, &total, sizeof total);
}
