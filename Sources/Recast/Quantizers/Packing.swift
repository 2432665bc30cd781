/// An encoding of Hugging Face targets as `--encoding` names it, with the choices that belong to it.
public struct Packing: Sendable, Hashable {
    public let name: String
    let template: PackedEncoding
    public let method: QuantizationMethod
    /// Whether embedding and head are quantized too, as this format's consumers expect.
    let includesEmbeddings: Bool
    /// As it was asked for.
    public let choices: Choices

    /// What may be chosen; nil takes the encoding's own default.
    public struct Choices: Sendable, Hashable {
        public enum Granularity: String, Sendable, Hashable, CaseIterable { case tensor, channel, group }

        public var per: Granularity?
        /// -1 is a whole row.
        public var groupSize: Int?
        public var isSymmetric: Bool?
        public var method = QuantizationMethod.round
        /// Whether the columns of a group are those that matter alike, and not neighbours.
        public var hasActOrder = false

        public init() {}
    }

    /// A line of the table: a name, how it is stored, and what may be chosen.
    private struct Entry {
        var name: String
        var format: PackedEncoding.Format
        var grid: Scheme.Grid
        var origin: Scheme.Origin
        /// 0 is a whole row.
        var group: Int
        var reaches: [Choices.Granularity]
        var origins: [Scheme.Origin]
        var isFullRange = true
        var isDoubleQuantized = false

        init(
            _ name: String, _ format: PackedEncoding.Format, _ grid: Scheme.Grid, _ origin: Scheme.Origin, group: Int,
            _ reaches: [Choices.Granularity], or other: Scheme.Origin? = nil, absmax: Bool = false, nested: Bool = false
        ) {
            (self.name, self.format, self.grid, self.origin, self.group) = (name, format, grid, origin, group)
            self.reaches = reaches
            origins = [origin] + (other.map { [$0] } ?? [])
            isFullRange = !absmax
            isDoubleQuantized = nested
        }
    }

    // swift-format-ignore
    private static let entries: [Entry] = {
        var entries = [
            Entry("int8-absmax",     .packQuantized,      .integers(bits: 8), .symmetric,    group: 0,   [.tensor, .channel, .group], absmax: true),
            Entry("int8-zero-point", .packQuantized,      .integers(bits: 8), .zeroPoint, group: 0,   [.tensor, .channel, .group]),
            Entry("int4-group",      .packQuantized,      .integers(bits: 4), .symmetric,    group: 128, [.channel, .group], or: .zeroPoint),
            Entry("ct-int4",         .packQuantized,      .integers(bits: 4), .symmetric,    group: 128, [.channel, .group], or: .zeroPoint),
            Entry("ct-int8",         .packQuantized,      .integers(bits: 8), .symmetric,    group: 0,   [.channel, .group], or: .zeroPoint),
            Entry("ct-fp8",          .floatQuantized,     .table(.e4m3),      .symmetric,    group: 0,   [.tensor, .channel]),
            Entry("ct-mxfp4",        .mxfp4PackQuantized, .table(.e2m1),      .symmetric,    group: 32,  []),
            Entry("awq-int4",        .awq,                .integers(bits: 4), .zeroPoint, group: 128, [.group], or: .symmetric),
            Entry("fp8",             .blockFP8,           .table(.e4m3),      .symmetric,    group: 128, []),
            Entry("nf4",             .bitsandbytes,       .table(.nf4),       .symmetric,    group: 64,  []),
            Entry("fp4",             .bitsandbytes,       .table(.fp4),       .symmetric,    group: 64,  []),
            Entry("nf4-nested",      .bitsandbytes,       .table(.nf4),       .symmetric,    group: 64,  [], nested: true),
            Entry("fp4-nested",      .bitsandbytes,       .table(.fp4),       .symmetric,    group: 64,  [], nested: true),
            Entry("llm-int8",        .bitsandbytesInt8,   .integers(bits: 8), .symmetric,    group: 0,   [], absmax: true),
        ]
        for bits in [2, 3, 4, 8] {
            entries += [
                Entry("gptq-int\(bits)",    .gptq,   .integers(bits: bits), .symmetric, group: 128, [.channel, .group], or: .zeroPoint),
                Entry("gptq-v1-int\(bits)", .gptq,   .integers(bits: bits), .symmetric, group: 128, [.channel, .group], or: .zeroPoint),
                Entry("gptq-v2-int\(bits)", .gptqV2, .integers(bits: bits), .symmetric, group: 128, [.channel, .group], or: .zeroPoint),
            ]
        }
        for bits in [2, 3, 4, 5, 6, 8] {
            entries.append(Entry("mlx-int\(bits)", .mlx, .integers(bits: bits), .affineMinimum, group: 64, [.group]))
        }
        return entries
    }()

    /// Every name, those of the teaching encodings first.
    public static let names = entries.map(\.name)

    /// - Throws: `usage` for a choice that the encoding does not have; nil for a name that is none.
    public static func named(_ name: String, _ choices: Choices = Choices()) throws(RecastError) -> Packing? {
        guard let entry = entries.first(where: { $0.name == name.lowercased() }) else { return nil }
        var format = entry.format
        var scheme = Scheme(entry.grid, entry.origin, .group(entry.group))

        if let isSymmetric = choices.isSymmetric {
            let wanted = entry.origins.first { ($0 == .symmetric) == isSymmetric }
            guard let wanted else {
                throw .usage("\(name) is always \(isSymmetric ? "asymmetric" : "symmetric")")
            }
            scheme.origin = wanted
        }
        // Zeros of an asymmetric weight can be 0, which the first GPTQ format stores badly.
        if entry.name.hasPrefix("gptq-int"), scheme.origin == .zeroPoint { format = .gptqV2 }

        if let per = choices.per {
            guard entry.reaches.contains(per) else {
                let possible =
                    entry.reaches.isEmpty
                    ? "its blocks are fixed" : "it takes \(entry.reaches.map(\.rawValue).joined(separator: ", "))"
                throw .usage("\(name) has no scale per \(per.rawValue): \(possible)")
            }
            switch per {
            case .tensor: scheme.block = .tensor
            case .channel: scheme.block = .channel
            case .group: scheme.block = .group(entry.group == 0 ? 128 : entry.group)
            }
        }
        if let size = choices.groupSize {
            guard entry.reaches.contains(.group) else {
                throw .usage("\(name) has no groups whose size could be chosen")
            }
            if let per = choices.per, per != .group, !(per == .channel && size == -1) {
                throw .usage("--group-size needs --per group")
            }
            let isWhole = size == -1 && entry.reaches.contains(.channel)
            let sizes = entry.format == .mlx ? [32, 64, 128] : [32, 64, 128, 256]
            guard isWhole || sizes.contains(size) else {
                throw .usage(
                    "--group-size \(size): \(name) takes \(sizes.map(String.init).joined(separator: ", "))"
                        + (entry.reaches.contains(.channel) ? " or -1 for whole rows" : ""))
            }
            scheme.block = isWhole ? .channel : .group(size)
        }
        if choices.method == .search {
            guard entry.grid != .table(.e4m3) else {
                throw .usage(
                    "--method search: an FP8 number is as precise whatever its scale is; \(name) has nothing to find")
            }
            guard scheme.block != .tensor else {
                throw .usage(
                    "--method search looks at channels or groups; the scale of a whole tensor comes from its extremes")
            }
        }
        if choices.hasActOrder {
            // compressed-tensors has removed groups of columns that are no neighbours (`actorder: group`).
            guard format == .gptq || format == .gptqV2 else {
                throw .usage(
                    "\(name) has no place for the groups of columns that --act-order chooses; gptq-int4 has one, and --reorder "
                        + "needs none")
            }
            guard scheme.block.columns > 0, scheme.block.rows > 0 else {
                throw .usage("--act-order is for groups; a whole row has one scale in any order")
            }
        }
        if entry.format == .blockFP8 { scheme.block = Scheme.Block(rows: 128, columns: 128) }

        var template = PackedEncoding(format, scheme, scaleType: .f16)
        template.isFullRange = entry.isFullRange
        template.isDoubleQuantized = entry.isDoubleQuantized
        template.hasActOrder = choices.hasActOrder
        switch entry.format {
        case .bitsandbytes, .bitsandbytesInt8, .blockFP8: template.scaleType = .f32
        case .mxfp4PackQuantized: template.scaleType = .f8e8m0
        default: break
        }
        return Packing(
            name: entry.name, template: template, method: choices.method, includesEmbeddings: entry.format == .mlx,
            choices: choices)
    }

    /// Another encoding beside this one, with the same choices where it differs in its width alone.
    ///
    /// - Throws: `usage` where a checkpoint cannot hold both.
    func beside(_ name: String) throws(RecastError) -> Packing {
        // The versions of GPTQ's format differ in how zeros are stored.
        let stems = [name, self.name].map { Self.stem(of: $0).replacing("-v1", with: "").replacing("-v2", with: "") }
        var own = Choices()
        own.method = choices.method
        let other: Packing
        if stems[0] == stems[1] {
            other = try Self.named(name, choices)!
        } else if let searched = try? Self.named(name, own) {
            other = searched
        } else {
            // There is nothing to find in it.
            other = try Self.named(name)!
        }
        let isCompressed = [self, other].allSatisfy { $0.format.isCompressedTensors }
        guard other.template == template || isCompressed || other.format == format && format.mixesWidths else {
            throw .usage(
                "\(other.name) beside \(self.name): \(format == other.format ? "this format has one encoding for all weights that are quantized" : "a checkpoint is of one format")"
            )
        }
        return other
    }

    /// The encodings that differ from this one in the width of their codes, itself included, those with fewer bits first.
    func widths() throws(RecastError) -> [Packing] {
        guard format.mixesWidths || format.isCompressedTensors else { return [self] }
        var widths: [Packing] = []
        for name in Self.names where Self.stem(of: name) == Self.stem(of: self.name) { widths.append(try beside(name)) }
        return widths.sorted { $0.scheme.bits < $1.scheme.bits }
    }

    /// The name without the width: of `gptq-int4` `gptq-int`. Only names that end in their width have one.
    private static func stem(of name: String) -> String {
        name.last?.isNumber == true ? String(name.reversed().drop(while: \.isNumber).reversed()) : name
    }

    /// Scales and zeros included, of a wide weight.
    var bitsPerElement: Double {
        var (rows, columns) = (1024, 8192)
        let count = rows * columns
        // Numbers are cut into runs regardless of rows.
        if format == .bitsandbytes { (rows, columns) = (count / scheme.block.columns, scheme.block.columns) }
        let bytes = template.layouts(rows: rows, columns: columns).reduce(0) {
            $0 + $1.dtype.byteCount(ofBlocks: $1.shape.reduce(1, *))
        }
        return 8 * Double(bytes) / Double(count)
    }

    /// How a weight is stored.
    ///
    /// - Parameter modelType: the type of the model's other weights, which scales share where the format leaves it open.
    func encoding(of tensor: LazyTensor, modelType: DType) -> PackedEncoding {
        var encoding = encoding(modelType: modelType)
        switch template.format {
        case .packQuantized, .floatQuantized, .intQuantized, .mlx:
            // Codes that only move keep their scales as they are.
            if let form = tensor.codeForm, [.f16, .bf16, .f32].contains(form.scaleType),
                Repacking(from: form, to: encoding.form) != nil
            {
                encoding.scaleType = form.scaleType
            }
        case .gptq, .gptqV2:
            // Columns whose groups are not in order can stay so here.
            var permuted = encoding
            permuted.hasActOrder = true
            if let form = tensor.codeForm, form.hasActOrder, Repacking(from: form, to: permuted.form) != nil {
                encoding = permuted
            }
        default: break
        }
        return encoding
    }

    /// How a weight whose codes do not come from elsewhere is stored.
    func encoding(modelType: DType) -> PackedEncoding {
        var encoding = template
        switch template.format {
        case .packQuantized, .floatQuantized, .intQuantized, .mlx: encoding.scaleType = modelType
        case .bitsandbytes: encoding.computeType = modelType
        default: break
        }
        return encoding
    }

    var format: PackedEncoding.Format { template.format }
    var scheme: Scheme { template.scheme }
}

extension PackedEncoding.Format {
    /// Whether a configuration can say of each module how many bits its codes have.
    var mixesWidths: Bool {
        switch self {
        case .gptq, .gptqV2, .mlx: true
        default: isCompressedTensors
        }
    }

    /// Whether one configuration may describe several of these.
    var isCompressedTensors: Bool {
        switch self {
        case .packQuantized, .intQuantized, .floatQuantized, .mxfp4PackQuantized: true
        default: false
        }
    }
}
