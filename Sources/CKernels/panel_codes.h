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

// The scales and minima, of six bits, of Q4_K and Q5_K.
INLINE const uint8_t *unpack_six_bits(const uint8_t *in, struct ck_codes *out)
{
    UNROLLED for (int i = 0; i < 8; i++) {
        wide scale, low;
        if (i < 4) {
            scale = bytes_at(in + 16 * i) & 63;
            low = bytes_at(in + 16 * (i + 4)) & 63;
        } else {
            wide rest = bytes_at(in + 16 * (i + 4));
            scale = (rest & 15) | bytes_at(in + 16 * (i - 4)) >> 6 << 4;
            low = rest >> 4 | bytes_at(in + 16 * i) >> 6 << 4;
        }
        put_wide(scale, out->multiples + 16 * i);
        put_pair(low, low, out->lows + 32 * i);
    }
    return in + 12 * 16;
}

INLINE const uint8_t *unpack_q4_k(const uint8_t *in, struct ck_codes *out, bool has_fifth_bits)
{
    put_numbers(sixteen_halves_at(in), out->scales);
    put_numbers(sixteen_halves_at(in + 32), out->minima);
    in = unpack_six_bits(in + 64, out);
    const uint8_t *fifth = in;
    if (has_fifth_bits) in += 8 * 64;
    for (int chunk = 0; chunk < 4; chunk++) {
        UNROLLED for (int i = 0; i < 8; i++, in += 64) {
            words w = words_at(in), low = LOW_NIBBLES(w), high = HIGH_NIBBLES(w);
            if (has_fifth_bits) {
                words bits = words_at(fifth + 64 * i) >> 2 * chunk;
                low |= (bits & 0x01010101) << 4;
                high |= (bits >> 1 & 0x01010101) << 4;
            }
            put_words(low, out->codes + 64 * (16 * chunk + i));
            put_words(high, out->codes + 64 * (16 * chunk + 8 + i));
        }
    }
    return in;
}

// Scales that stand for themselves, and take off the same number from all codes.
INLINE void put_scales(wide first, wide second, int offset, int at, struct ck_codes *out)
{
    put_wide(first, out->multiples + 16 * at);
    put_wide(second, out->multiples + 16 * (at + 1));
    put_pair(first * offset, second * offset, out->lows + 16 * at);
}

INLINE const uint8_t *unpack_q6_k(const uint8_t *in, struct ck_codes *out)
{
    const uint8_t *low = in, *high = in + 32 * 64, *scales = high + 16 * 64;
    for (int half = 0; half < 2; half++) {
        UNROLLED for (int i = 0; i < 8; i++) {
            words a = words_at(low + 64 * (16 * half + i)), b = words_at(low + 64 * (16 * half + 8 + i));
            words bits = words_at(high + 64 * (8 * half + i));
            uint8_t *codes = out->codes + 64 * (32 * half + i);
            put_words(LOW_NIBBLES(a) | (bits & 0x03030303) << 4, codes);
            put_words(LOW_NIBBLES(b) | (bits & 0x0C0C0C0C) << 2, codes + 64 * 8);
            put_words(HIGH_NIBBLES(a) | (bits & 0x30303030), codes + 64 * 16);
            put_words(HIGH_NIBBLES(b) | (bits >> 2 & 0x30303030), codes + 64 * 24);
        }
    }
    UNROLLED for (int i = 0; i < 16; i += 2) {
        put_scales(signed_bytes_at(scales + 16 * i), signed_bytes_at(scales + 16 * (i + 1)), 32, i, out);
    }
    numbers scale = sixteen_halves_at(scales + 16 * 16);
    put_numbers(scale, out->scales);
    put_numbers(scale, out->minima);
    return in + 210 * 16;
}

INLINE wide q3_k_scale(const uint8_t *scales, int i)
{
    wide low = bytes_at(scales + 16 * (i & 7)), high = bytes_at(scales + 16 * (8 + (i & 3)));
    return ((i < 8 ? low & 15 : low >> 4) | (high >> 2 * (i >> 2) & 3) << 4) - 32;
}

INLINE const uint8_t *unpack_q3_k(const uint8_t *in, struct ck_codes *out)
{
    const uint8_t *high = in, *low = in + 8 * 64, *scales = low + 16 * 64;
    for (int half = 0; half < 2; half++) {
        UNROLLED for (int i = 0; i < 8; i++) {
            words a = words_at(low + 64 * (8 * half + i)), bits = words_at(high + 64 * i) >> 4 * half;
            UNROLLED for (int part = 0; part < 4; part++) {
                put_words((a >> 2 * part & 0x03030303) | (bits >> part & 0x01010101) << 2,
                          out->codes + 64 * (32 * half + 8 * part + i));
            }
        }
    }
    UNROLLED for (int i = 0; i < 16; i += 2) put_scales(q3_k_scale(scales, i), q3_k_scale(scales, i + 1), 4, i, out);
    numbers scale = sixteen_halves_at(scales + 12 * 16);
    put_numbers(scale, out->scales);
    put_numbers(scale, out->minima);
    return in + 110 * 16;
}

INLINE const uint8_t *unpack_q2_k(const uint8_t *in, struct ck_codes *out)
{
    const uint8_t *codes = in + 16 * 16;
    for (int half = 0; half < 2; half++) {
        UNROLLED for (int i = 0; i < 8; i++) {
            words a = words_at(codes + 64 * (8 * half + i));
            UNROLLED for (int part = 0; part < 4; part++) {
                put_words(a >> 2 * part & 0x03030303, out->codes + 64 * (32 * half + 8 * part + i));
            }
        }
    }
    UNROLLED for (int i = 0; i < 16; i += 2) {
        wide first = bytes_at(in + 16 * i), second = bytes_at(in + 16 * (i + 1));
        put_wide(first & 15, out->multiples + 16 * i);
        put_wide(second & 15, out->multiples + 16 * (i + 1));
        put_pair(first >> 4, second >> 4, out->lows + 16 * i);
    }
    put_numbers(sixteen_halves_at(codes + 16 * 64), out->scales);
    put_numbers(sixteen_halves_at(codes + 16 * 64 + 32), out->minima);
    return in + 84 * 16;
}

INLINE const uint8_t *unpack_iq4_xs(const uint8_t *in, struct ck_codes *out)
{
    numbers scale = sixteen_halves_at(in);
    put_numbers(scale, out->scales);
    put_numbers(scale, out->minima);
    uint16_t __attribute__((ext_vector_type(16))) high;
    memcpy(&high, in + 32, sizeof high);
    const uint8_t *low = in + 64;
    in = low + 4 * 16;
    for (int i = 0; i < 8; i++) {
        wide nibbles = bytes_at(low + 16 * (i / 2)) >> 4 * (i & 1) & 15;
        wide multiple = (nibbles | (__builtin_convertvector(high, wide) >> 2 * i & 3) << 4) - 32;
        put_wide(multiple, out->multiples + 16 * i);
        put_pair(multiple * 127, multiple * 127, out->lows + 32 * i);
        in = unpack_nibbles(in, iq4_codes, out->codes + 512 * i);
    }
    return in;
}

// MARK: All types

INLINE void unpack_blocks(const enum ck_panel_type type, const uint8_t *in, size_t blocks, struct ck_codes out)
{
    struct ck_panel_form form = ck_panel_form(type);
    for (size_t block = 0; block < blocks; block++) {
        switch (type) {
        case CK_PANEL_Q2_K: in = unpack_q2_k(in, &out); break;
        case CK_PANEL_Q3_K: in = unpack_q3_k(in, &out); break;
        case CK_PANEL_Q4_K: in = unpack_q4_k(in, &out, false); break;
        case CK_PANEL_Q5_K: in = unpack_q4_k(in, &out, true); break;
        case CK_PANEL_Q6_K: in = unpack_q6_k(in, &out); break;
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
