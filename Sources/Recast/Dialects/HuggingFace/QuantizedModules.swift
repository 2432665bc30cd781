/// The quantized weights of a Hugging Face checkpoint, found among its stored tensors: several tensors become one, under the
/// name the weight has in a plain checkpoint.
///
/// What scales cover and how wide codes are is what the configuration says of each module; shapes confirm it.
struct QuantizedModules: ~Copyable {
    struct Outcome {
        /// All tensors, each quantized weight in the place of its first part.
        var tensors: [NamedTensor] = []
        var evidence: [Evidence] = []
        var warnings: [String] = []
        /// How many weights are quantized.
        var count = 0
        /// Whether the checkpoint has scales of activations, which are not among the tensors.
        var dropsActivationScales = false
    }

    /// What static quantization of activations and key-value caches adds to a module.
    private static let activationScales = [
        ".input_scale", ".input_zero_point", ".output_scale", ".q_scale", ".k_scale", ".v_scale", ".input_global_scale",
        ".activation_scale",
    ]

    private var outcome = Outcome()

    let method: Method
    let configuration: JSON.Object
    let arguments: ModuleArguments
    let file: String
    var stored: [String: LazyTensor] = [:]
    var reader: Reader
    var conventions = ZeroConventions()

    enum Method: String {
        case gptq, awq, bitsandbytes, fp8, mlx
        /// The experts of gpt-oss.
        case mxfp4
        case compressedTensors = "compressed-tensors"
        case modelOpt = "modelopt"

        /// - Parameter name: as the configuration has it; some name the kernel or the program instead of the format.
        init?(_ name: String, _ configuration: JSON.Object) {
            let name = name.lowercased()
            if let method = Method(rawValue: name) {
                self = method
            } else if name == "gptq_marlin" {
                self = .gptq
            } else if name == "awq_marlin" {
                self = .awq
            } else if name == "fbgemm_fp8" {
                self = .fp8
            } else if name.hasPrefix("modelopt_") {
                self = .modelOpt
            } else if name.hasSuffix("auto-round") || name.hasSuffix("autoround") {
                let format = configuration["packing_format"]?.string ?? ""
                guard format.contains("gptq") || format.contains("awq") else { return nil }
                self = format.contains("gptq") ? .gptq : .awq
            } else {
                return nil
            }
        }
    }

    /// - Returns: nil where nothing is quantized.
    /// - Throws: `malformedInput` where tensors and configuration contradict each other, `unsupported` for methods that
    ///   are not read.
    static func find(
        in tensors: [NamedTensor], configuration: JSON.Object?, files: FilePool, file: String
    ) throws(RecastError) -> Outcome? {
        guard let configuration, let (method, object) = try said(by: configuration, of: tensors, file: file) else {
            return nil
        }
        var modules = try QuantizedModules(method, object, files: files, file: file)
        do throws(RecastError) { try modules.checkFormat() } catch { throw error.within(file) }
        try modules.collect(tensors)
        if method == .bitsandbytes, configuration["quantization_config"] == nil, modules.outcome.count > 0 {
            modules.outcome.warnings.append(
                "\(file): config.json says nothing of its \(modules.outcome.count) weights of bitsandbytes, which are read by what "
                    + "their own tensors say")
        }
        return modules.outcome.count > 0 ? modules.outcome : nil
    }

    private init(
        _ method: Method, _ configuration: JSON.Object, files: FilePool, file: String
    ) throws(RecastError) {
        arguments = try ModuleArguments(method, configuration, file: file)
        self.method = method
        self.configuration = configuration
        self.file = file
        reader = Reader(files: files)
    }

    private mutating func collect(_ all: [NamedTensor]) throws(RecastError) {
        for tensor in all { stored[tensor.name] = tensor.tensor }
        var activationScales: [String: Int] = [:]
        var done: Set<String> = []
        var used: Set<String> = []
        for tensor in all {
            guard let module = module(of: tensor.name) else {
                if let kind = Self.activationScales.first(where: tensor.name.hasSuffix) {
                    activationScales[kind, default: 0] += 1
                    continue
                }
                if tensor.tensor.dtype.blockBytes == 1, tensor.tensor.shape.count == 2 {
                    throw .malformed(file, "\(tensor.name) is \(tensor.tensor.dtype) without a scale")
                }
                outcome.tensors.append(tensor)
                continue
            }
            guard done.insert(module).inserted else { continue }
            do throws(RecastError) {
                let (weight, names) = try weight(module)
                used.formUnion(names)
                outcome.tensors.append(NamedTensor(method == .mxfp4 ? module : module + ".weight", weight))
                outcome.count += 1
            } catch { throw error.within(module).within(file) }
        }
        if let unknown = all.first(where: { !used.contains($0.name) && module(of: $0.name) != nil }) {
            throw .malformed(file, "\(unknown.name) is no part of a weight quantized with \(method.rawValue)")
        }
        if !activationScales.isEmpty {
            let kinds = activationScales.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key.dropFirst())" }
            outcome.dropsActivationScales = true
            outcome.warnings.append(
                "\(file): the scales of activations and caches are left out (\(kinds.joined(separator: ", "))): only weights "
                    + "are converted")
        }
        try conventions.settle(&outcome.tensors, configuration, &reader)
        let (evidence, warnings) = conventions.outcome(configuration, file: file)
        outcome.evidence += evidence
        outcome.warnings += warnings
    }

    /// The module whose weight a tensor is a part of.
    private func module(of name: String) -> String? {
        func stem(_ suffix: String, with other: String? = nil) -> String? {
            guard name.hasSuffix(suffix) else { return nil }
            let stem = String(name.dropLast(suffix.count))
            return other.map { stored[stem + $0] != nil } ?? true ? stem : nil
        }
        switch method {
        case .gptq, .awq:
            for suffix in [".qweight", ".qzeros", ".g_idx"] {
                if let module = stem(suffix, with: ".qweight") { return module }
            }
            return stem(".scales", with: ".qweight")
        case .compressedTensors:
            for suffix in [
                ".weight_packed", ".weight", ".weight_scale", ".weight_shape", ".weight_zero_point", ".weight_g_idx",
                ".weight_global_scale",
            ] {
                if let module = stem(suffix, with: ".weight_scale") { return module }
            }
            return nil
        case .bitsandbytes:
            if let module = stem(".weight.absmax") ?? stem(".SCB", with: ".weight") { return module }
            if let module = stem(".weight", with: ".weight.absmax") ?? stem(".weight", with: ".SCB") { return module }
            if let range = name.firstRange(of: ".weight.") {
                let module = String(name[..<range.lowerBound])
                return stored[module + ".weight.absmax"] != nil ? module : nil
            }
            return stem(".weight_format", with: ".SCB")
        case .fp8, .modelOpt:
            if let module = stem(".weight_scale_2", with: ".weight_scale") { return module }
            for scale in [".weight_scale_inv", ".weight_scale"] {
                if let module = stem(scale, with: ".weight") ?? stem(".weight", with: scale) { return module }
            }
            return nil
        case .mxfp4: return stem("_blocks", with: "_scales") ?? stem("_scales", with: "_blocks")
        case .mlx:
            return stem(".scales", with: ".weight") ?? stem(".biases", with: ".scales")
                ?? stem(".weight", with: ".scales")
        }
    }

    /// A weight and the names of the tensors it is made of.
    private mutating func weight(_ module: String) throws(RecastError) -> (LazyTensor, [String]) {
        switch method {
        case .gptq: try gptq(module)
        case .awq: try awq(module)
        case .compressedTensors: try compressedTensors(module)
        case .bitsandbytes: stored[module + ".SCB"] != nil ? try eightBit(module) : try fourBit(module)
        case .fp8: try byteFloats(module)
        case .modelOpt:
            try part(module + ".weight").dtype == .u8
                ? try nvfp4(module, codes: ".weight", factor: ".weight_scale_2", divides: false)
                : try byteFloats(module)
        case .mxfp4: try stackedMXFP4(module)
        case .mlx: try mlx(module)
        }
    }

    // MARK: Parts

    func part(_ name: String) throws(RecastError) -> LazyTensor {
        guard let tensor = stored[name] else { throw RecastError(.malformedInput, "\(name) is missing") }
        return tensor
    }

    func matrix(_ name: String, _ dtypes: DType...) throws(RecastError) -> LazyTensor {
        let tensor = try part(name)
        guard tensor.shape.count == 2, dtypes.contains(tensor.dtype) else {
            let types = dtypes.map(\.name).joined(separator: " or ")
            throw RecastError(
                .malformedInput, "\(name) is \(tensor.dtype) of shape \(tensor.shape) instead of a matrix of \(types)")
        }
        return tensor
    }

    func scales(_ name: String) throws(RecastError) -> LazyTensor {
        let tensor = try part(name)
        guard [.f16, .bf16, .f32].contains(tensor.dtype) else {
            throw RecastError(.malformedInput, "\(name) is stored as \(tensor.dtype) instead of F16, BF16 or F32")
        }
        return tensor
    }

    /// The weight, once every part has the shape its encoding demands.
    ///
    /// - Parameters:
    ///   - literals: parts that the file may lack.
    ///   - extra: names of further parts.
    ///   - renamed: suffixes of the encoding, with those of this file.
    ///   - bytes: the suffix of a part whose bytes may be stored under any type.
    func assembled(
        _ module: String, _ encoding: PackedEncoding, rows: Int, columns: Int, literals: [String: LazyTensor] = [:],
        extra: [String] = [], renamed: [String: String] = [:], bytes: String? = nil
    ) throws(RecastError) -> (LazyTensor, [String]) {
        guard rows > 0, columns > 0, rows.multiplied(checked: columns) != nil else {
            throw RecastError(.malformedInput, "its parts make a weight of \(rows) × \(columns)")
        }
        // A block that is larger than the weight is the whole of it.
        var encoding = encoding
        encoding.scheme.block.rows = min(encoding.scheme.block.rows, rows)
        encoding.scheme.block.columns = min(encoding.scheme.block.columns, columns)
        var parts: [LazyTensor] = []
        var names = extra
        for layout in encoding.layouts(rows: rows, columns: columns) {
            let name = module + (renamed[layout.suffix] ?? layout.suffix)
            guard var tensor = stored[name] ?? literals[layout.suffix] else {
                throw RecastError(.malformedInput, "\(name) is missing")
            }
            if layout.suffix == bytes, tensor.byteCount == layout.shape.reduce(1, *),
                let same = tensor.reinterpreted(as: layout.dtype)
            {
                tensor = same.reshaped(layout.shape)
            }
            if stored[name] != nil { names.append(name) }
            let isScale: Bool
            if case .scales = layout.content { isScale = true } else { isScale = false }
            let isDocument: Bool
            if case .fixed = layout.content {
                isDocument = true
            } else {
                isDocument = layout.content == .nestedDocument
            }
            // Dimensions of one are written by some and not by others.
            let hasShape =
                tensor.shape == layout.shape
                || tensor.shape.filter { $0 != 1 } == layout.shape.filter { $0 != 1 }
                    && (isScale || layout.shape.count == 1)
                || isDocument && tensor.shape.count == 1
            let hasType =
                tensor.dtype == layout.dtype || isScale && encoding.scaleType == .f8e8m0 && tensor.dtype == .f8e8m0
                || tensor.dtype.blockBytes == layout.dtype.blockBytes && [.i32, .u32].contains(tensor.dtype)
            guard hasShape, hasType else {
                throw RecastError(
                    .malformedInput,
                    "\(name) is \(tensor.dtype) of shape \(tensor.shape); \(encoding.name) of \(rows) × \(columns) needs "
                        + "\(layout.dtype) of shape \(layout.shape)")
            }
            if tensor.shape != layout.shape, !isDocument { tensor = tensor.reshaped(layout.shape) }
            parts.append(tensor)
        }
        return (.decoded(encoding, [rows, columns], parts), names)
    }

    /// Columns that share a scale: what is configured, and as many groups of that size cover the columns.
    func groupSize(_ given: Int?, count: Int, columns: Int) throws(RecastError) -> Int {
        guard let given else {
            throw RecastError(
                .malformedInput, "the configuration gives no group_size, and \(count) groups of scales are there")
        }
        let size = given <= 0 ? columns : min(given, columns)
        guard columns.dividedRoundingUp(by: size) == count else {
            throw RecastError(
                .malformedInput,
                "\(count) groups of scales, where \(columns) columns in groups of \(given) have "
                    + "\(columns.dividedRoundingUp(by: size))")
        }
        return size
    }

    func checked(_ count: Int?) throws(RecastError) -> Int {
        guard let count else { throw RecastError(.malformedInput, "its shape is too large") }
        return count
    }
}
