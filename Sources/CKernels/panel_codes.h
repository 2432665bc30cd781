// What panels hold, as codes that are not negative, scales and minima. A lane is a row.

typedef uint32_t words __attribute__((ext_vector_type(16)));
typedef int32_t wide __attribute__((ext_vector_type(16)));
typedef float numbers __attribute__((ext_vector_type(16)));

INLINE words words_at(const uint8_t *source)
{
    words value;
    memcpy(&value, source, sizeof value);
    return value;
}

INLINE void put_words(words value, uint8_t *out) { memcpy(out, &value, sizeof value); }

// Sixteen bytes, a lane each.
INLINE wide bytes_at(const uint8_t *source)
{
    uint8_t __attribute__((ext_vector_type(16))) value;
    memcpy(&value, source, sizeof value);
    return __builtin_convertvector(value, wide);
}

INLINE wide signed_bytes_at(const uint8_t *source)
{
    int8_t __attribute__((ext_vector_type(16))) value;
    memcpy(&value, source, sizeof value);
    return __builtin_convertvector(value, wide);
}

INLINE numbers sixteen_halves_at(const uint8_t *source)
{
    numbers value;
#if HARDWARE_HALF
    _Float16 __attribute__((ext_vector_type(16))) halves;
    memcpy(&halves, source, sizeof halves);
    value = __builtin_convertvector(halves, numbers);
#else
    UNROLLED for (int i = 0; i < 16; i++) value[i] = half_at(source + 2 * i);
#endif
    return value;
}

INLINE void put_numbers(numbers value, float *out) { memcpy(out, &value, sizeof value); }
INLINE void put_wide(wide value, int32_t *out) { memcpy(out, &value, sizeof value); }

#define LOW_NIBBLES(w) ((w) & 0x0F0F0F0F)
#define HIGH_NIBBLES(w) ((w) >> 4 & 0x0F0F0F0F)

// Bit `i` of four neighbouring ones becomes bit `to` of byte i.
INLINE words spread_bits(words four, int to)
{
    return (((four & 15) * 0x00204081) & 0x01010101) << to;
}

// Entries of a table of 16 bytes, whose places are the bytes of `w`.
INLINE words entries(const uint8_t *table, words w)
{
#if PRODUCT_LEVEL == 2
    return (words)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table)), (__m512i)w);
#elif PRODUCT_LEVEL == 1
    __m256i all = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table)), halves[2];
    memcpy(halves, &w, 64);
    UNROLLED for (int i = 0; i < 2; i++) halves[i] = _mm256_shuffle_epi8(all, halves[i]);
    memcpy(&w, halves, 64);
    return w;
#else
    uint8_t bytes[64];
    memcpy(bytes, &w, 64);
    for (int i = 0; i < 64; i++) bytes[i] = table[bytes[i]];
    memcpy(&w, bytes, 64);
    return w;
#endif
}

// MARK: Blocks of 32

// Bytes 0...15 of a row's nibbles are the lower halves' terms, of a block of 32.
INLINE const uint8_t *unpack_nibbles(const uint8_t *in, const uint8_t *table, uint8_t *codes)
{
    UNROLLED for (int i = 0; i < 4; i++, in += 64) {
        words w = words_at(in), low = LOW_NIBBLES(w), high = HIGH_NIBBLES(w);
        put_words(table ? entries(table, low) : low, codes + 64 * i);
        put_words(table ? entries(table, high) : high, codes + 64 * i + 256);
    }
    return in;
}

// Below their fifth bits, which lie in a word for each row.
INLINE const uint8_t *unpack_five_bits(const uint8_t *in, uint8_t *codes)
{
    words fifth = words_at(in);
    in += 64;
    UNROLLED for (int i = 0; i < 4; i++, in += 64) {
        words w = words_at(in);
        put_words(LOW_NIBBLES(w) | spread_bits(fifth >> 4 * i, 4), codes + 64 * i);
        put_words(HIGH_NIBBLES(w) | spread_bits(fifth >> (16 + 4 * i), 4), codes + 64 * i + 256);
    }
    return in;
}

// The values of IQ4_NL less the smallest, and twice those of E2M1 likewise.
static const uint8_t iq4_codes[16] = { 0, 23, 44, 62, 78, 92, 105, 117, 128, 140, 152, 165, 180, 196, 216, 240 };
static const uint8_t e2m1_codes[16] = { 12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0 };

INLINE const uint8_t *unpack_block_of_32(enum ck_panel_type type, const uint8_t *in, uint8_t *codes, float *scale,
                                         float *minimum)
{
    if (type == CK_PANEL_MXFP4) {
        UNROLLED for (int row = 0; row < 16; row++) {
            uint8_t e = in[row];
            scale[row] = float_of(e < 2 ? (uint32_t)0x00200000 << e : (uint32_t)(e - 1) << 23);
        }
        return unpack_nibbles(in + 16, e2m1_codes, codes);
    }
    put_numbers(sixteen_halves_at(in), scale);
    in += 32;
    if (type == CK_PANEL_Q4_1 || type == CK_PANEL_Q5_1) {
        put_numbers(sixteen_halves_at(in), minimum);
        in += 32;
    }
    switch (type) {
    case CK_PANEL_Q8_0:
        UNROLLED for (int i = 0; i < 8; i++, in += 64) put_words(words_at(in) ^ 0x80808080, codes + 64 * i);
        return in;
    case CK_PANEL_Q5_0:
    case CK_PANEL_Q5_1: return unpack_five_bits(in, codes);
    case CK_PANEL_IQ4_NL: return unpack_nibbles(in, iq4_codes, codes);
    default: return unpack_nibbles(in, NULL, codes);
    }
}

// MARK: Blocks of 256

// Two numbers of 16 bits for each row.
INLINE void put_pair(wide first, wide second, int16_t *out)
{
    words pair = ((words)first & 0xFFFF) | (words)second << 16;
    memcpy(out, &pair, sizeof pair);
}

struct group_scales {
    wide scale, low;
};

// Scale and minimum, of six bits, of a group of Q4_K or Q5_K.
INLINE struct group_scales q4_k_scales(const uint8_t *in, int group)
{
    if (group < 4) return (struct group_scales){ bytes_at(in + 16 * group) & 63, bytes_at(in + 16 * (group + 4)) & 63 };
    wide rest = bytes_at(in + 16 * (group + 4));
    return (struct group_scales){
        (rest & 15) | bytes_at(in + 16 * (group - 4)) >> 6 << 4,
        rest >> 4 | bytes_at(in + 16 * group) >> 6 << 4,
    };
}

// The codes of two groups of Q4_K or Q5_K: word `i` of each. Fifth bits lie between the codes of the first chunk.
INLINE void q4_k_codes(const uint8_t *in, int chunk, int i, bool has_fifth_bits, words *out)
{
    int place = !has_fifth_bits ? 8 * chunk + i : chunk == 0 ? 2 * i + 1 : 8 * chunk + 8 + i;
    words w = words_at(in + 64 * place);
    out[0] = LOW_NIBBLES(w);
    out[1] = HIGH_NIBBLES(w);
    if (has_fifth_bits) {
        words bits = words_at(in + 64 * 2 * i) >> 2 * chunk;
        out[0] |= (bits & 0x01010101) << 4;
        out[1] |= (bits >> 1 & 0x01010101) << 4;
    }
}

INLINE const uint8_t *unpack_q4_k(const uint8_t *in, struct ck_codes *out, bool has_fifth_bits)
{
    put_numbers(sixteen_halves_at(in), out->scales);
    put_numbers(sixteen_halves_at(in + 32), out->minima);
    UNROLLED for (int group = 0; group < 8; group++) {
        struct group_scales scales = q4_k_scales(in + 64, group);
        put_wide(scales.scale, out->multiples + 16 * group);
        put_pair(scales.low, scales.low, out->lows + 32 * group);
    }
    const uint8_t *codes = in + 64 + 12 * 16;
    for (int chunk = 0; chunk < 4; chunk++) {
        UNROLLED for (int i = 0; i < 8; i++) {
            words both[2];
            q4_k_codes(codes, chunk, i, has_fifth_bits, both);
            put_words(both[0], out->codes + 64 * (16 * chunk + i));
            put_words(both[1], out->codes + 64 * (16 * chunk + 8 + i));
        }
    }
    return codes + (has_fifth_bits ? 40 : 32) * 64;
}

// Q6_K, Q3_K and Q2_K: each half of a block is four parts of 32 elements. Word `i` of each part of a half.
INLINE void parted_codes(const enum ck_panel_type type, const uint8_t *in, int half, int i, words *out)
{
    if (type == CK_PANEL_Q6_K) {
        const uint8_t *three = in + 64 * 3 * (8 * half + i);
        words a = words_at(three), b = words_at(three + 64), bits = words_at(three + 128);
        out[0] = LOW_NIBBLES(a) | (bits & 0x03030303) << 4;
        out[1] = LOW_NIBBLES(b) | (bits & 0x0C0C0C0C) << 2;
        out[2] = HIGH_NIBBLES(a) | (bits & 0x30303030);
        out[3] = HIGH_NIBBLES(b) | (bits >> 2 & 0x30303030);
    } else if (type == CK_PANEL_Q3_K) {
        words a = words_at(in + 64 * (half == 0 ? 2 * i + 1 : 16 + i)), bits = words_at(in + 64 * 2 * i) >> 4 * half;
        UNROLLED for (int part = 0; part < 4; part++) {
            out[part] = (a >> 2 * part & 0x03030303) | (bits >> part & 0x01010101) << 2;
        }
    } else {
        words a = words_at(in + 16 * 16 + 64 * (8 * half + i));
        UNROLLED for (int part = 0; part < 4; part++) out[part] = a >> 2 * part & 0x03030303;
    }
}

INLINE wide q3_k_scale(const uint8_t *scales, int i)
{
    wide low = bytes_at(scales + 16 * (i & 7)), high = bytes_at(scales + 16 * (8 + (i & 3)));
    return ((i < 8 ? low & 15 : low >> 4) | (high >> 2 * (i >> 2) & 3) << 4) - 32;
}

// Scale and minimum of 16 elements of the same types: scales with a sign take off the same number from all codes.
INLINE struct group_scales parted_scales(const enum ck_panel_type type, const uint8_t *in, int group)
{
    if (type == CK_PANEL_Q2_K) {
        wide both = bytes_at(in + 16 * group);
        return (struct group_scales){ both & 15, both >> 4 };
    }
    wide scale = type == CK_PANEL_Q6_K ? signed_bytes_at(in + 48 * 64 + 16 * group) : q3_k_scale(in + 24 * 64, group);
    return (struct group_scales){ scale, scale * (type == CK_PANEL_Q6_K ? 32 : 4) };
}

// Where their scales of scales are, and the next block.
INLINE const uint8_t *parted_end(const enum ck_panel_type type, const uint8_t *in, numbers *scale, numbers *minimum)
{
    const uint8_t *place = in + 16 * (type == CK_PANEL_Q6_K ? 208 : type == CK_PANEL_Q3_K ? 108 : 80);
    *scale = *minimum = sixteen_halves_at(place);
    if (type != CK_PANEL_Q2_K) return place + 32;
    *minimum = sixteen_halves_at(place + 32);
    return place + 64;
}

INLINE const uint8_t *unpack_parted(const enum ck_panel_type type, const uint8_t *in, struct ck_codes *out)
{
    for (int half = 0; half < 2; half++) {
        UNROLLED for (int i = 0; i < 8; i++) {
            words codes[4];
            parted_codes(type, in, half, i, codes);
            UNROLLED for (int part = 0; part < 4; part++) {
                put_words(codes[part], out->codes + 64 * (32 * half + 8 * part + i));
            }
        }
    }
    UNROLLED for (int group = 0; group < 16; group += 2) {
        struct group_scales first = parted_scales(type, in, group), second = parted_scales(type, in, group + 1);
        put_wide(first.scale, out->multiples + 16 * group);
        put_wide(second.scale, out->multiples + 16 * (group + 1));
        put_pair(first.low, second.low, out->lows + 16 * group);
    }
    numbers scale, minimum;
    in = parted_end(type, in, &scale, &minimum);
    put_numbers(scale, out->scales);
    put_numbers(minimum, out->minima);
    return in;
}

INLINE wide iq4_xs_multiple(const uint8_t *in, int group)
{
    uint16_t __attribute__((ext_vector_type(16))) high;
    memcpy(&high, in + 32, sizeof high);
    wide nibbles = bytes_at(in + 64 + 16 * (group / 2)) >> 4 * (group & 1) & 15;
    return (nibbles | (__builtin_convertvector(high, wide) >> 2 * group & 3) << 4) - 32;
}

INLINE const uint8_t *unpack_iq4_xs(const uint8_t *in, struct ck_codes *out)
{
    numbers scale = sixteen_halves_at(in);
    put_numbers(scale, out->scales);
    put_numbers(scale, out->minima);
    const uint8_t *codes = in + 64 + 4 * 16;
    for (int group = 0; group < 8; group++) {
        wide multiple = iq4_xs_multiple(in, group);
        put_wide(multiple, out->multiples + 16 * group);
        put_pair(multiple * 127, multiple * 127, out->lows + 32 * group);
        codes = unpack_nibbles(codes, iq4_codes, out->codes + 512 * group);
    }
    return codes;
}

// MARK: All types

INLINE void unpack_blocks(const enum ck_panel_type type, const uint8_t *in, size_t blocks, struct ck_codes out)
{
    struct ck_panel_form form = ck_panel_form(type);
    for (size_t block = 0; block < blocks; block++) {
        switch (type) {
        case CK_PANEL_Q4_K: in = unpack_q4_k(in, &out, false); break;
        case CK_PANEL_Q5_K: in = unpack_q4_k(in, &out, true); break;
        case CK_PANEL_Q2_K:
        case CK_PANEL_Q3_K:
        case CK_PANEL_Q6_K: in = unpack_parted(type, in, &out); break;
        case CK_PANEL_IQ4_XS: in = unpack_iq4_xs(in, &out); break;
        default: in = unpack_block_of_32(type, in, out.codes, out.scales, out.minima);
        }
        out.codes += 16 * form.block;
        out.scales += 16;
        out.minima += 16;
        if (form.block == 256) {
            out.multiples += form.has_narrow_groups ? 256 : 128;
            out.lows += 256;
        }
    }
}

static void unpack(enum ck_panel_type type, const uint8_t *panel, size_t blocks, struct ck_codes out)
{
    // A loop for each.
    switch (type) {
#define TYPE(name) case CK_PANEL_##name: unpack_blocks(CK_PANEL_##name, panel, blocks, out); break;
    TYPE(Q4_0) TYPE(Q4_1) TYPE(Q5_0) TYPE(Q5_1) TYPE(Q8_0) TYPE(IQ4_NL) TYPE(MXFP4)
    TYPE(Q2_K) TYPE(Q3_K) TYPE(Q4_K) TYPE(Q5_K) TYPE(Q6_K) TYPE(IQ4_XS)
#undef TYPE
    case CK_PANEL_TYPE_COUNT: break;
    }
}
