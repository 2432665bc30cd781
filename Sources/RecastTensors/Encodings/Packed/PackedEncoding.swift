/// A weight stored as codes, scales and what else its format needs, in several tensors.
///
/// Sources for each format: Specs/quantization.md §a.
package struct PackedEncoding: Sendable, Hashable, Codable {
    package enum Format: String, Sendable, Hashable, Codable {
        /// AutoGPTQ's first format: zeros are stored less one.
        case gptq
        /// GPTQModel's second format: zeros are stored as they are.
        case gptqV2 = "gptq_v2"
        /// AutoAWQ's GEMM layout.
        case awq
        /// compressed-tensors, codes packed into 32-bit words.
        case packQuantized = "pack-quantized"
        /// compressed-tensors, a signed byte for each code.
        case intQuantized = "int-quantized"
        /// compressed-tensors, an FP8 number for each code.
        case floatQuantized = "float-quantized"
        /// compressed-tensors, MXFP4.
        case mxfp4PackQuantized = "mxfp4-pack-quantized"
        /// compressed-tensors' and ModelOpt's NVFP4, without the factor of the whole weight.
        case nvfp4 = "nvfp4-pack-quantized"
        case bitsandbytes
        /// bitsandbytes' LLM.int8: a signed byte for each code, and the absmax of each row.
        case bitsandbytesInt8 = "llm-int8"
        case mlx
        /// DeepSeek's FP8 with a scale for each square.
        case blockFP8 = "fp8"
    }

    package var format: Format
    package var scheme: Scheme
    /// What the scales (and minima) are stored as.
    package var scaleType: DType
    /// Whether the groups of the columns are not in order (`desc_act`).
    package var hasActOrder = false
    /// Whether the scales are quantized themselves (bitsandbytes' double quantization).
    package var isDoubleQuantized = false
    /// Whether whole zeros are a byte each, as compressed-tensors had them before it packed them.
    package var hasPlainZeros = false
    /// Whether the scale of symmetric codes uses the one code more that there is below zero; absmax does not.
    package var isFullRange = true
    /// The weight's own shape where its numbers are cut into runs regardless of rows.
    package var flatShape: [Int]?
    /// What the decoded numbers are meant to be computed in: recorded by some formats.
    package var computeType: DType = .bf16

    package init(_ format: Format, _ scheme: Scheme, scaleType: DType) {
        self.format = format
        self.scheme = scheme
        self.scaleType = scaleType
    }

    /// One stored tensor.
    package struct PartLayout: Sendable, Hashable {
        package enum Content: Sendable, Hashable {
            case codes(CodeLayout)
            /// Whole zeros, packed.
            case zeros(CodeLayout)
            /// Whole zeros, one number each: `[block rows, block columns]`.
            case plainZeros
            case scales(isTransposed: Bool)
            /// What the highest code stands for, in the place of scales: float32 `[rows]`.
            case rowMaxima
            case minima
            /// The group of each column: int32 `[columns]`.
            case groupOfColumn
            /// Bytes that are the same whatever the numbers are.
            case fixed([UInt8])
            /// bitsandbytes' nested scales: codes of the scales, their scales, the table of the codes, and a document with
            /// the mean.
            case nestedCodes, nestedScales, nestedTable, nestedDocument
        }

        package var suffix: String
        package var dtype: DType
        package var shape: [Int]
        package var content: Content

        package init(_ suffix: String, _ dtype: DType, _ shape: [Int], _ content: Content) {
            self.suffix = suffix
            self.dtype = dtype
            self.shape = shape
            self.content = content
        }
    }

    /// The stored tensors of a weight `[rows, columns]`.
    package func layouts(rows: Int, columns: Int) -> [PartLayout] {
        let counts = scheme.blockCounts(rows: rows, columns: columns)
        let bits = scheme.bits
        func codes(_ suffix: String, _ layout: CodeLayout) -> PartLayout {
            PartLayout(suffix, layout.word, layout.storedShape(rows: rows, columns: columns), .codes(layout))
        }
        func zeros(_ suffix: String, _ layout: CodeLayout) -> PartLayout {
            PartLayout(
                suffix, layout.word, layout.storedShape(rows: counts.rows, columns: counts.columns), .zeros(layout))
        }
        func scales(_ suffix: String, transposed: Bool = false, flat: Bool = false) -> PartLayout {
            let shape =
                flat
                ? [counts.rows * counts.columns]
                : transposed ? [counts.columns, counts.rows] : [counts.rows, counts.columns]
            // An exponent is stored as a byte: few readers know the type's name. MLX has bytes for E4M3, too.
            let isByte = scaleType == .f8e8m0 || format == .mlx && scaleType == .f8e4m3
            return PartLayout(suffix, isByte ? .u8 : scaleType, shape, .scales(isTransposed: transposed))
        }

        switch format {
        case .gptq, .gptqV2:
            let shift = format == .gptq ? -1 : 0
            return [
                codes(".qweight", CodeLayout(bits: bits, word: .i32, axis: .columns, isTransposed: true)),
                zeros(".qzeros", CodeLayout(bits: bits, word: .i32, axis: .rows, isTransposed: true, shift: shift)),
                scales(".scales", transposed: true),
                PartLayout(".g_idx", .i32, [columns], .groupOfColumn),
            ]
        case .awq:
            let layout = CodeLayout(
                bits: 4, word: .i32, axis: .rows, isTransposed: true, order: [0, 2, 4, 6, 1, 3, 5, 7])
            return [codes(".qweight", layout), zeros(".qzeros", layout), scales(".scales", transposed: true)]
        case .packQuantized:
            var parts = [
                codes(".weight_packed", CodeLayout(bits: bits, word: .i32, axis: .columns, isTransposed: false)),
                scales(".weight_scale", flat: scheme.block == .tensor),
                PartLayout(".weight_shape", .i64, [2], .fixed(Self.bytes(of: [rows, columns]))),
            ]
            if hasActOrder { parts.append(PartLayout(".weight_g_idx", .i32, [columns], .groupOfColumn)) }
            if scheme.origin == .zeroPoint {
                parts.append(
                    scheme.block == .tensor
                        ? PartLayout(".weight_zero_point", .i8, [1], .plainZeros)
                        : hasPlainZeros
                            ? PartLayout(".weight_zero_point", .i8, [counts.rows, counts.columns], .plainZeros)
                            : zeros(
                                ".weight_zero_point",
                                CodeLayout(bits: bits, word: .i32, axis: .rows, isTransposed: false)))
            }
            return parts
        case .intQuantized:
            var parts = [
                codes(
                    ".weight",
                    CodeLayout(bits: 8, word: .i8, axis: .columns, isTransposed: false, shift: -128)),
                scales(".weight_scale", flat: scheme.block == .tensor),
            ]
            if scheme.origin == .zeroPoint {
                parts.append(
                    PartLayout(
                        ".weight_zero_point", .i8, scheme.block == .tensor ? [1] : [counts.rows, counts.columns],
                        .plainZeros))
            }
            return parts
        case .floatQuantized:
            return [
                codes(".weight", CodeLayout(bits: 8, word: byteFloat, axis: .columns, isTransposed: false)),
                scales(".weight_scale", flat: scheme.block == .tensor),
            ]
        case .mxfp4PackQuantized, .nvfp4:
            return [
                codes(".weight_packed", CodeLayout(bits: 4, word: .u8, axis: .columns, isTransposed: false)),
                scales(".weight_scale"),
            ]
        case .blockFP8:
            return [
                codes(".weight", CodeLayout(bits: 8, word: byteFloat, axis: .columns, isTransposed: false)),
                scales(".weight_scale_inv"),
            ]
        case .mlx:
            var parts = [
                codes(".weight", CodeLayout(bits: bits, word: .u32, axis: .columns, isTransposed: false)),
                scales(".scales"),
            ]
            if scheme.origin == .affineMinimum {
                parts.append(PartLayout(".biases", scaleType, [counts.rows, counts.columns], .minima))
            }
            return parts
        case .bitsandbytes: return bitsandbytesLayouts(rows: rows, columns: columns)
        case .bitsandbytesInt8:
            return [
                codes(
                    ".weight",
                    CodeLayout(bits: 8, word: .i8, axis: .columns, isTransposed: false, shift: -128)),
                PartLayout(".SCB", .f32, [rows], .rowMaxima),
                PartLayout(".weight_format", .u8, [], .fixed([0])),
            ]
        }
    }

    private var byteFloat: DType { scheme.grid == .table(.e5m2) ? .f8e5m2 : .f8e4m3 }

    /// Rows that can be packed on their own.
    var rowGrain: Int {
        var grain = max(1, scheme.block.rows)
        for part in layouts(rows: 4096, columns: 4096) {
            if case .codes(let layout) = part.content, layout.axis == .rows { grain = max(grain, layout.codesPerCut) }
            if case .zeros(let layout) = part.content, layout.axis == .rows {
                grain = max(grain, layout.codesPerCut * max(1, scheme.block.rows))
            }
            if case .nestedScales = part.content { grain = max(grain, Self.nestedBlock) }
        }
        return grain
    }

    package static func bytes(of numbers: [Int]) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in numbers { bytes.append(littleEndian: Int64(number)) }
        return bytes
    }
}

extension PackedEncoding {
    /// The form of its codes.
    package var form: CodeForm {
        CodeForm(
            scheme, scaleType: scaleType, hasActOrder: hasActOrder,
            scales: isDoubleQuantized ? .nested : format == .bitsandbytesInt8 ? .maxima : .plain)
    }

    /// Whether the stored tensors of a weight are the same under the other encoding, but for those that say nothing of the
    /// numbers.
    package func storesAlike(_ other: PackedEncoding, rows: Int, columns: Int) -> Bool {
        /// A block that is larger than the weight is the whole of it.
        func block(_ scheme: Scheme) -> [Int] {
            zip([scheme.block.rows, scheme.block.columns], [rows, columns]).map { $0 == 0 ? $1 : min($0, $1) }
        }
        /// What differs in it is written anew.
        func numbers(_ encoding: PackedEncoding) -> [PartLayout?] {
            encoding.layouts(rows: rows, columns: columns).map { layout in
                switch layout.content {
                case .fixed, .nestedDocument: nil
                default: layout
                }
            }
        }
        return format == other.format && scheme.grid == other.scheme.grid && scheme.origin == other.scheme.origin
            && block(scheme) == block(other.scheme) && hasActOrder == other.hasActOrder
            && isDoubleQuantized == other.isDoubleQuantized
            && flatShape == other.flatShape && numbers(self) == numbers(other)
    }
    /// As it is shown: `gptq int4 g128`, `mlx int4 g64 asymmetric`, `nf4 nested`.
    package var name: String {
        var words = [format == .blockFP8 || format == .bitsandbytes ? "" : format.rawValue]
        switch scheme.grid {
        case .integers(let bits): words.append("int\(bits)")
        case .table(let book): words.append(book == .e4m3 ? "fp8" : book == .e2m1 ? "" : book.rawValue)
        }
        switch (scheme.block.rows, scheme.block.columns) {
        case (0, 0): words.append("per tensor")
        case (1, 0): words.append("per channel")
        case (1, let columns): if format != .bitsandbytes, !isMicroscaling { words.append("g\(columns)") }
        case (let rows, let columns): words.append("\(rows)×\(columns)")
        }
        if scheme.origin != .symmetric, format != .mlx { words.append("asymmetric") }
        if hasActOrder { words.append("act-order") }
        if isDoubleQuantized { words.append("nested") }
        return words.filter { !$0.isEmpty }.joined(separator: " ")
    }

    var isMicroscaling: Bool { scheme.grid == .table(.e2m1) }
}

/// What must be known of all numbers before the first can be stored.
package enum Reduction: Sendable, Hashable {
    /// The extremes of the whole tensor.
    case extremes
    /// The mean of the scales, to which nested ones are relative.
    case meanScale
}

extension PackedEncoding {
    package var reduction: Reduction? {
        if isDoubleQuantized { return .meanScale }
        return scheme.block.rows == 0 && scheme.block.columns == 0 ? .extremes : nil
    }

    /// Why a weight of this shape cannot be stored this way; nil if it can.
    package func obstacle(rows: Int, columns: Int) -> String? {
        let width = scheme.block.columns
        if format == .bitsandbytes {
            let count = width
            return rows * columns % count == 0 ? nil : "its \(rows * columns) numbers are not a multiple of \(count)"
        }
        if width > 0, !columns.isMultiple(of: width), format != .blockFP8, format != .floatQuantized {
            return "its \(columns) columns are not a multiple of the group size \(width)"
        }
        // transformers takes the size of the squares from how many there are, which is only right for whole ones.
        if format == .blockFP8 {
            for (count, size, what) in [(rows, scheme.block.rows, "rows"), (columns, width, "columns")]
            where count > size && !count.isMultiple(of: size) {
                return "its \(count) \(what) are not a multiple of \(size)"
            }
        }
        for part in layouts(rows: rows, columns: columns) {
            guard case .codes(let layout) = part.content else {
                if case .zeros(let layout) = part.content, layout.isTransposed, !(rows * layout.bits).isMultiple(of: 32)
                {
                    return "its \(rows) rows do not fill whole 32-bit words of zeros"
                }
                continue
            }
            let length = layout.axis == .rows ? rows : columns
            if format != .packQuantized, !(length * layout.bits).isMultiple(of: layout.bitsPerWord) {
                return "its \(length) \(layout.axis.rawValue) do not fill whole \(layout.bitsPerWord)-bit words"
            }
        }
        return nil
    }
}
