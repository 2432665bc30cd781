// How the weights of each format are put together from their parts. Source: Specs/quantization.md §a.

extension QuantizedModules {
    mutating func gptq(_ module: String) throws(RecastError) -> (LazyTensor, [String]) {
        let packed = try matrix(module + ".qweight", .i32, .u32)
        let zeros = try matrix(module + ".qzeros", .i32, .u32)
        let scales = try scales(module + ".scales")
        let rows = packed.columnCount
        try checkFilled(packed, zeros, scales)
        let groups = stored[module + ".g_idx"]
        let words = try arguments.words(for: module)
        guard var bits = words["bits"]?.int else {
            throw RecastError(.malformedInput, "the configuration gives no bits for it")
        }
        let wordBits = try checked(packed.rowCount.multiplied(checked: 32))
        if let groups, groups.elementCount > 0, wordBits % groups.elementCount == 0 {
            bits = wordBits / groups.elementCount
        }
        guard [2, 3, 4, 8].contains(bits) else {
            throw .unsupported("GPTQ codes of \(bits) bits cannot be read; of 2, 3, 4 and 8 bits can")
        }
        guard wordBits % bits == 0 else {
            throw RecastError(.malformedInput, "\(packed.shape) words do not hold codes of \(bits) bits")
        }
        let columns = wordBits / bits
        guard scales.shape.count == 2, scales.columnCount == rows else {
            throw RecastError(.malformedInput, "scales of shape \(scales.shape) for \(rows) outputs")
        }
        let groupCount = scales.rowCount
        let size = try groupSize(words["group_size"]?.int, count: groupCount, columns: columns)
        let (convention, isSymmetric) = try conventions.look(at: zeros, bits: bits, words, &reader)
        let scheme = Scheme(
            .integers(bits: bits), isSymmetric ? .symmetric : .zeroPoint, size == columns ? .channel : .group(size))
        var encoding = PackedEncoding(convention, scheme, scaleType: scales.dtype)
        var literals: [String: LazyTensor] = [:]
        if let groups {
            encoding.hasActOrder = try hasActOrder(groups, columns: columns, size: size, count: groupCount)
        } else {
            let order = (0..<columns).flatMap { column in
                withUnsafeBytes(of: Int32(column / size).littleEndian, Array.init)
            }
            literals[".g_idx"] = .literal(.i32, [columns], order)
        }
        return try assembled(module, encoding, rows: rows, columns: columns, literals: literals)
    }

    /// Whether the groups of the columns are in another order than that of the columns.
    private mutating func hasActOrder(
        _ groups: LazyTensor, columns: Int, size: Int, count: Int
    ) throws(RecastError) -> Bool {
        guard groups.dtype == .i32, groups.shape == [columns] else {
            throw RecastError(.malformedInput, "g_idx is \(groups.dtype) of shape \(groups.shape)")
        }
        let order = try groups.numbers(rows: 0..<columns, as: Int32.self, using: &reader)
        if let column = order.firstIndex(where: { $0 < 0 || $0 >= count }) {
            throw RecastError(
                .malformedInput, "g_idx puts column \(column) into group \(order[column]) of \(count)")
        }
        return order.enumerated().contains { Int($0.element) != $0.offset / size }
    }

    mutating func awq(_ module: String) throws(RecastError) -> (LazyTensor, [String]) {
        let arguments = try arguments.words(for: module)
        let bits = arguments["bits"]?.int ?? arguments["w_bit"]?.int ?? 4
        guard bits == 4 else { throw .unsupported("AWQ codes of \(bits) bits cannot be read") }
        let words = try matrix(module + ".qweight", .i32, .u32)
        let zeros = try matrix(module + ".qzeros", .i32, .u32)
        let scales = try scales(module + ".scales")
        let rows = try checked(words.columnCount.multiplied(checked: 8))
        let columns = words.rowCount
        try checkFilled(words, zeros, scales)
        guard scales.shape.count == 2, zeros.rowCount == scales.rowCount else {
            throw RecastError(.malformedInput, "scales of shape \(scales.shape) beside zeros of shape \(zeros.shape)")
        }
        let given = arguments["group_size"]?.int ?? arguments["q_group_size"]?.int
        let size = try groupSize(given, count: scales.rowCount, columns: columns)
        let isSymmetric = try zeros.hasOnly(word: 0x8888_8888, &reader)
        let scheme = Scheme(
            .integers(bits: 4), isSymmetric ? .symmetric : .zeroPoint, size == columns ? .channel : .group(size))
        return try assembled(
            module, PackedEncoding(.awq, scheme, scaleType: scales.dtype), rows: rows, columns: columns)
    }

    /// Nothing is looped over that the file has no bytes for.
    private func checkFilled(_ tensors: LazyTensor...) throws(RecastError) {
        if let empty = tensors.first(where: { $0.elementCount == 0 }) {
            throw RecastError(.malformedInput, "a part of shape \(empty.shape) is empty")
        }
    }

    // MARK: compressed-tensors

    mutating func compressedTensors(_ module: String) throws(RecastError) -> (LazyTensor, [String]) {
        let weights = try arguments.candidates(for: module)
        let scale = try part(module + ".weight_scale")
        // Without zeros the library would take all of them for 0.
        let hasZeros =
            stored[module + ".weight_zero_point"] != nil
            || !weights.isEmpty && weights.allSatisfy { $0["symmetric"]?.bool == false }
        if let packed = stored[module + ".weight_packed"] {
            guard packed.shape.count == 2 else {
                throw RecastError(.malformedInput, "weight_packed has the shape \(packed.shape)")
            }
            let (rows, width) = (packed.rowCount, packed.columnCount)
            if packed.dtype == .u8 {
                guard scale.dtype == .u8 || scale.dtype == .f8e8m0 else {
                    return try nvfp4(module, codes: ".weight_packed", factor: ".weight_global_scale", divides: true)
                }
                let encoding = PackedEncoding(
                    .mxfp4PackQuantized, Scheme(.table(.e2m1), .symmetric, .group(32)), scaleType: .f8e8m0)
                return try assembled(module, encoding, rows: rows, columns: try checked(width.multiplied(checked: 2)))
            }
            var shape = try part(module + ".weight_shape")
            guard shape.dtype == .i64 || shape.dtype == .i32, shape.elementCount == 2 else {
                throw RecastError(.malformedInput, "weight_shape is \(shape.dtype) of shape \(shape.shape)")
            }
            shape = shape.reshaped([2])
            let sizes =
                shape.dtype == .i64
                ? try shape.numbers(rows: 0..<2, as: Int64.self, using: &reader).map(Int.init)
                : try shape.numbers(rows: 0..<2, as: Int32.self, using: &reader).map(Int.init)
            let columns = sizes[1]
            guard sizes[0] == rows, rows > 0, columns > 0, columns <= (try checked(width.multiplied(checked: 32)))
            else {
                throw RecastError(
                    .malformedInput,
                    "weight_shape says \(sizes[0]) × \(columns), weight_packed has the shape \(packed.shape)")
            }
            let fitting = weights.filter {
                guard let bits = $0["num_bits"]?.int, (1...8).contains(bits) else { return false }
                return (columns * bits).dividedRoundingUp(by: 32) == width
            }
            guard let bits = fitting.first?["num_bits"]?.int else {
                throw RecastError(
                    .malformedInput, "\(width) words a row hold \(columns) codes of none of the configured widths")
            }
            var scheme = Scheme(.integers(bits: bits), hasZeros ? .zeroPoint : .symmetric, .channel)
            scheme.block = try block(of: scale, rows: rows, columns: columns, fitting)
            var encoding = PackedEncoding(.packQuantized, scheme, scaleType: try scales(module + ".weight_scale").dtype)
            var extra = [module + ".weight_shape"]
            if let groups = stored[module + ".weight_g_idx"] {
                let size = scheme.block.columns == 0 ? columns : scheme.block.columns
                encoding.hasActOrder = try hasActOrder(
                    groups, columns: columns, size: size, count: columns.dividedRoundingUp(by: size))
                extra.append(module + ".weight_g_idx")
            }
            if hasZeros {
                let zeros = try part(module + ".weight_zero_point")
                // Before zeros were packed they were bytes; those of a tensor still are.
                encoding.hasPlainZeros = zeros.dtype == .i8
                if scheme.block == .tensor, zeros.dtype != .i8 {
                    throw .unsupported("a zero point stored as \(zeros.dtype) cannot be read")
                }
            }
            return try assembled(
                module, encoding, rows: rows, columns: columns,
                literals: [".weight_shape": .literal(.i64, [2], PackedEncoding.bytes(of: sizes))],
                extra: extra)
        }
        let weight = try matrix(module + ".weight", .i8, .f8e4m3, .f8e5m2)
        let isFloat = weight.dtype != .i8
        var scheme = Scheme(
            isFloat ? .table(weight.dtype == .f8e5m2 ? .e5m2 : .e4m3) : .integers(bits: 8),
            hasZeros && !isFloat ? .zeroPoint : .symmetric, .channel)
        scheme.block = try block(of: scale, rows: weight.rowCount, columns: weight.columnCount, weights)
        let encoding = PackedEncoding(
            isFloat ? .floatQuantized : .intQuantized, scheme, scaleType: try scales(module + ".weight_scale").dtype)
        return try assembled(module, encoding, rows: weight.rowCount, columns: weight.columnCount)
    }

    /// What shares a scale, by the strategy that holds for the module; where several groups may hold, that whose scales have the
    /// shape of those that are there.
    private func block(
        of scale: LazyTensor, rows: Int, columns: Int, _ weights: [JSON.Object]
    ) throws(RecastError) -> Scheme.Block {
        func significant(_ shape: [Int]) -> [Int] { shape.filter { $0 != 1 } }
        var expected: [String] = []
        for arguments in weights {
            let (block, strategy) = try Self.block(arguments)
            let counts = Scheme(.integers(bits: 8), .symmetric, block).blockCounts(rows: rows, columns: columns)
            let shape = [counts.rows, counts.columns]
            if significant(scale.shape) == significant(shape) { return block }
            expected.append("\(strategy) \(shape)")
        }
        throw RecastError(
            .malformedInput,
            "scales of shape \(scale.shape) for \(rows) × \(columns) are not those of the configuration's strategy: "
                + (expected.isEmpty ? "no group is for this module" : expected.joined(separator: " or ")))
    }

    /// - Parameter arguments: of compressed-tensors' weights.
    private static func block(_ arguments: JSON.Object) throws(RecastError) -> (Scheme.Block, strategy: String) {
        let size = arguments["group_size"]?.int
        let sizes = arguments["block_structure"]?.array?.compactMap(\.int)
        // What the library takes where nothing is said.
        let strategy =
            arguments["strategy"]?.string
            ?? (sizes != nil ? "block" : size.map { $0 > 0 ? "group" : "channel" } ?? "tensor")
        switch strategy {
        case "tensor": return (.tensor, strategy)
        case "channel": return (.channel, strategy)
        case "group", "tensor_group":
            if let size, size > 0 { return (.group(size), strategy) }
            throw RecastError(.malformedInput, "the strategy \(strategy) has no group_size")
        case "block":
            if let sizes, sizes.count == 2, sizes.allSatisfy({ $0 > 0 }) {
                return (Scheme.Block(rows: sizes[0], columns: sizes[1]), strategy)
            }
            throw RecastError(.malformedInput, "the strategy block has no block_structure")
        default: throw .unsupported("scales of the strategy \"\(strategy)\" cannot be read")
        }
    }

    // MARK: NVFP4

    /// Codes of E2M1, the scales of each 16 in E4M3, and a factor for the whole weight.
    ///
    /// - Parameter divides: whether the scales are divided by the factor.
    mutating func nvfp4(
        _ module: String, codes: String, factor: String, divides: Bool
    ) throws(RecastError) -> (LazyTensor, [String]) {
        let packed = try matrix(module + codes, .u8)
        let encoding = PackedEncoding(.nvfp4, Scheme(.table(.e2m1), .symmetric, .group(16)), scaleType: .f8e4m3)
        let columns = try checked(packed.columnCount.multiplied(checked: 2))
        var (weight, names) = try assembled(
            module, encoding, rows: packed.rowCount, columns: columns, renamed: [".weight_packed": codes])
        let number = try single(module + factor)
        guard number > 0 else { throw RecastError(.malformedInput, "\(factor) is \(number)") }
        weight = weight.converted(to: .f32, [divides ? .dividing(number) : .scaling(number)])
        names.append(module + factor)
        return (weight, names)
    }

    // MARK: MXFP4 of gpt-oss

    /// The experts of a layer in one parameter `[experts, in, out]`: codes `[experts, out, groups, 16]`, low nibble first, and an
    /// exponent for each 32. Source: transformers 5.23, `integrations/mxfp4.py`.
    func stackedMXFP4(_ parameter: String) throws(RecastError) -> (LazyTensor, [String]) {
        let (blocks, scales) = (try part(parameter + "_blocks"), try part(parameter + "_scales"))
        let shape = blocks.shape
        guard shape.count == 4, shape[3] == 16, blocks.dtype == .u8, scales.dtype == .u8 || scales.dtype == .f8e8m0,
            scales.shape == Array(shape.dropLast()), shape.allSatisfy({ $0 > 0 })
        else {
            throw RecastError(
                .malformedInput,
                "its blocks are \(blocks.dtype) of shape \(shape), its scales \(scales.dtype) of shape \(scales.shape)")
        }
        let rows = try checked(shape[0].multiplied(checked: shape[1]))
        let columns = try checked(shape[2].multiplied(checked: 32))
        let encoding = PackedEncoding(
            .mxfp4PackQuantized, Scheme(.table(.e2m1), .symmetric, .group(32)), scaleType: .f8e8m0)
        let parts = zip(encoding.layouts(rows: rows, columns: columns), [blocks, scales]).map { layout, part in
            part.reshaped(layout.shape)
        }
        let all = LazyTensor.decoded(encoding, [rows, columns], parts)
        let matrices = (0..<shape[0]).map { all.rows($0 * shape[1]..<($0 + 1) * shape[1]) }
        return (
            LazyTensor.stackedMatrices(matrices).transposed(), [parameter + "_blocks", parameter + "_scales"]
        )
    }

    /// A tensor of one number.
    private mutating func single(_ name: String) throws(RecastError) -> Float {
        let tensor = try part(name)
        guard tensor.elementCount == 1, [.f16, .bf16, .f32].contains(tensor.dtype) else {
            throw RecastError(
                .malformedInput, "\(name) is \(tensor.dtype) of shape \(tensor.shape) instead of one number")
        }
        let number = try tensor.reshaped([1]).floats(rows: 0..<1, using: &reader)[0]
        guard number.isFinite else { throw RecastError(.malformedInput, "\(name) is \(number)") }
        return number
    }

    // MARK: bitsandbytes

    mutating func fourBit(_ module: String) throws(RecastError) -> (LazyTensor, [String]) {
        let prefix = module + ".weight.quant_state.bitsandbytes__"
        guard let book = [LevelTable.nf4, .fp4].first(where: { stored[prefix + $0.rawValue] != nil }) else {
            throw RecastError(.malformedInput, "has no quant_state of NF4 or FP4")
        }
        let document = try part(prefix + book.rawValue)
        guard document.dtype == .u8, document.byteCount < 1 << 16 else {
            throw RecastError(.malformedInput, "the quant_state is \(document.dtype) of shape \(document.shape)")
        }
        let state = try JSON(parsing: try document.bytes(using: &reader), file: "quant_state")
        let shape = state["shape"]?.array?.compactMap(\.int) ?? []
        guard shape.count == 2, shape.allSatisfy({ $0 > 0 }), let count = shape.product() else {
            throw RecastError(.malformedInput, "the quant_state has no shape of a matrix")
        }
        guard let size = state["blocksize"]?.int, size >= 32, size <= 4096, size.nonzeroBitCount == 1 else {
            throw .unsupported("the quant_state's blocksize cannot be read; 32, 64 … 4096 can")
        }
        guard count % size == 0 else { throw .unsupported("\(count) numbers do not fill blocks of \(size)") }
        var encoding = PackedEncoding(
            .bitsandbytes, Scheme(.table(book), .symmetric, .group(size)), scaleType: .f32)
        encoding.flatShape = shape
        encoding.isDoubleQuantized = stored[module + ".weight.nested_absmax"] != nil
        if encoding.isDoubleQuantized, state["nested_blocksize"]?.int != PackedEncoding.nestedBlock {
            throw .unsupported("nested blocks of \(state["nested_blocksize"]?.int ?? 0) cannot be read; of 256 can")
        }
        switch state["dtype"]?.string {
        case "float16": encoding.computeType = .f16
        case "float32": encoding.computeType = .f32
        default: encoding.computeType = .bf16
        }
        try checkTable(module + ".weight.quant_map", book.values)
        let (flat, names) = try assembled(
            module, encoding, rows: count / size, columns: size, literals: [:], bytes: ".weight")
        return (flat.reshaped(shape), names)
    }

    /// The file carries the tables it was made with: they are those of the format, or the weight cannot be read.
    private mutating func checkTable(_ name: String, _ values: [Float]) throws(RecastError) {
        let table = try part(name)
        guard table.dtype == .f32, table.elementCount == values.count else {
            throw RecastError(.malformedInput, "\(name) is \(table.dtype) of shape \(table.shape)")
        }
        let stored = try table.reshaped([values.count]).numbers(rows: 0..<values.count, as: Float.self, using: &reader)
        guard zip(stored, values).allSatisfy({ abs($0 - $1) <= 1e-6 * abs($1) }) else {
            throw .unsupported("\(name) is another table than bitsandbytes has for this type")
        }
    }

    /// LLM.int8: a signed byte each, and the absmax of each row.
    mutating func eightBit(_ module: String) throws(RecastError) -> (LazyTensor, [String]) {
        let weight = try matrix(module + ".weight", .i8)
        let encoding = PackedEncoding(
            .bitsandbytesInt8, Scheme(.integers(bits: 8), .symmetric, .channel), scaleType: .f32)
        let format = module + ".weight_format"
        if stored[format] != nil {
            let layout = try part(format)
            guard layout.dtype == .u8, layout.elementCount == 1, try layout.bytes(using: &reader) == [0] else {
                throw .unsupported("int8 weights in another order than by rows cannot be read")
            }
        }
        return try assembled(
            module, encoding, rows: weight.rowCount, columns: weight.columnCount,
            literals: [".weight_format": .literal(.u8, [], [0])])
    }

    // MARK: FP8 and MLX

    /// FP8 numbers with a scale for all of them, for each row, or for squares: by squares where the configuration gives their
    /// size, or the name of the scales, DeepSeek's, has none but such.
    mutating func byteFloats(_ module: String) throws(RecastError) -> (LazyTensor, [String]) {
        let weight = try matrix(module + ".weight", .f8e4m3, .f8e5m2)
        let (rows, columns) = (weight.rowCount, weight.columnCount)
        let isInverse = stored[module + ".weight_scale_inv"] != nil
        let name = module + (isInverse ? ".weight_scale_inv" : ".weight_scale")
        // "scale_fmt": "ue8m0" has powers of two, under their own type or as bytes.
        let isPower = isInverse && [.f8e8m0, .u8].contains(stored[name]?.dtype)
        let scale = isPower ? try part(name) : try scales(name)
        let words = try arguments.words(for: module)
        let isOfBlocks = words["quant_algo"]?.string?.hasPrefix("FP8_PB") == true
        let given =
            words["weight_block_size"]?.array?.compactMap(\.int) ?? (isInverse || isOfBlocks ? [128, 128] : nil)
        let block: Scheme.Block
        if let given {
            guard given.count == 2, given.allSatisfy({ $0 > 0 }) else {
                throw RecastError(.malformedInput, "weight_block_size is not a pair of sizes")
            }
            // Some programs give weights they have no squares for one scale.
            let isWhole = scale.elementCount == 1 && (rows > given[0] || columns > given[1])
            block = isWhole ? .tensor : Scheme.Block(rows: given[0], columns: given[1])
        } else if scale.elementCount == 1 {
            block = .tensor
        } else {
            block = .channel
        }
        let encoding = PackedEncoding(
            isInverse ? .blockFP8 : .floatQuantized,
            Scheme(.table(weight.dtype == .f8e5m2 ? .e5m2 : .e4m3), .symmetric, block),
            scaleType: isPower ? .f8e8m0 : scale.dtype)
        return try assembled(module, encoding, rows: rows, columns: columns)
    }

    mutating func mlx(_ module: String) throws(RecastError) -> (LazyTensor, [String]) {
        let words = try matrix(module + ".weight", .u32)
        let arguments =
            configuration[module]?.object ?? configuration[MLXNames.module(module)]?.object ?? configuration
        let mode = arguments["mode"]?.string ?? "affine"
        let scales = try part(module + ".scales")
        guard let bits = arguments["bits"]?.int, let size = arguments["group_size"]?.int, size > 0,
            [2, 3, 4, 5, 6, 8].contains(bits)
        else { throw RecastError(.malformedInput, "the configuration gives no bits and group_size for it") }
        let columns = try checked(words.columnCount.multiplied(checked: 32)) / bits
        let scheme: Scheme
        let scaleType: DType
        switch mode {
        case "affine":
            scheme = Scheme(.integers(bits: bits), .affineMinimum, .group(size))
            scaleType = try self.scales(module + ".scales").dtype
        case "mxfp4" where bits == 4 && size == 32:
            scheme = Scheme(.table(.e2m1), .symmetric, .group(32))
            scaleType = .f8e8m0
        case "mxfp8" where bits == 8 && size == 32:
            scheme = Scheme(.table(.e4m3), .symmetric, .group(32))
            scaleType = .f8e8m0
        case "nvfp4" where bits == 4 && size == 16:
            scheme = Scheme(.table(.e2m1), .symmetric, .group(16))
            scaleType = .f8e4m3
        default: throw .unsupported("MLX weights of mode \"\(mode)\" cannot be read")
        }
        guard scales.shape == [words.rowCount, columns.dividedRoundingUp(by: size)] else {
            throw RecastError(
                .malformedInput,
                "scales of shape \(scales.shape), where groups of \(size) codes of \(bits) bits in words of shape "
                    + "\(words.shape) need \([words.rowCount, columns.dividedRoundingUp(by: size)])")
        }
        return try assembled(
            module, PackedEncoding(.mlx, scheme, scaleType: scaleType), rows: words.rowCount, columns: columns)
    }
}
