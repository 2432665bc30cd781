/// What the software that loads a quantized checkpoint is known to refuse, or to be slow with, said before it is written.
///
/// Source: Specs/quantization.md §a.1, §a.3.
struct ConsumerLint {
    /// One weight of a linear layer and how it is stored.
    struct Weight {
        var slot: Slot
        var name: String
        var shape: [Int]
        /// nil where it is not quantized.
        var encoding: PackedEncoding?
    }

    let weights: [Weight]

    /// Roles that vLLM and SGLang load as one matrix, whose parts must be stored alike.
    private static let fused: [(roles: [Role], name: String)] = [
        ([.query, .key, .value], "q, k and v"),
        ([.gate, .up], "gate and up"),
        ([.sharedGate, .sharedUp], "gate and up of shared experts"),
        ([.queryDown, .keyValueDown], "the down-projections of latent attention"),
    ]

    var warnings: [String] {
        // Programs that load MLX's weights fuse none.
        let isFused = !weights.contains { $0.encoding?.format == .mlx }
        return (isFused ? fusionWarnings : []) + expertWarnings + widthWarnings + kernelWarnings
    }

    private var fusionWarnings: [String] {
        var warnings: [String] = []
        for (roles, name) in Self.fused {
            var schemes: [Int: [Scheme?]] = [:]
            for weight in weights where roles.contains(weight.slot.role) && weight.slot.expert == nil {
                schemes[weight.slot.layer ?? 0, default: []].append(weight.encoding?.scheme)
            }
            let mixed = schemes.filter { Set($0.value).count > 1 }.keys.sorted()
            guard !mixed.isEmpty else { continue }
            warnings.append(
                "\(name) are stored differently in \(Self.layers(mixed)): vLLM and SGLang fuse them and will refuse that"
            )
        }
        return warnings
    }

    private var expertWarnings: [String] {
        let experts = weights.filter { $0.slot.expert != nil }
        // MLX's are checked where the configuration is made: mlx-lm has one module for each role's.
        let fused = Dictionary(grouping: experts.filter { $0.encoding.map { $0.format != .mlx } ?? false }) {
            $0.slot.layer ?? 0
        }
        let mixed = fused.filter { Set($0.value.map(\.encoding?.scheme)).count > 1 }.keys.sorted()
        if !mixed.isEmpty {
            return [
                "experts are stored differently in \(Self.layers(mixed)): vLLM's fused experts need all of them stored alike"
            ]
        }
        let plain = experts.filter { $0.encoding == nil }
        guard let first = plain.first, plain.count < experts.count else { return [] }
        return [
            "\(plain.count) of \(experts.count) expert weights are not quantized, such as \(first.name): vLLM's fused "
                + "experts need all of them stored alike"
        ]
    }

    private var widthWarnings: [String] {
        let encodings = weights.compactMap(\.encoding)
        guard [.gptq, .gptqV2].contains(encodings.first?.format), Set(encodings.map(\.scheme.bits)).count > 1 else {
            return []
        }
        return [
            "codes of several widths stand under `dynamic` in the configuration, which GPTQModel, vLLM and SGLang read and "
                + "transformers by itself does not"
                + (encodings.contains { ![4, 8].contains($0.scheme.bits) }
                    ? "; vLLM may need --quantization gptq for widths other than 4 and 8" : "")
        ]
    }

    /// vLLM's Marlin kernels take 4 and 8 bits, symmetric for GPTQ, in groups of 32, 64, 128 or a row, and matrices of whole
    /// tiles.
    private var kernelWarnings: [String] {
        let packed = weights.compactMap(\.encoding).filter {
            [.gptq, .gptqV2, .awq, .packQuantized].contains($0.format)
        }
        guard !packed.isEmpty else { return [] }
        var warnings: [String] = []
        let reasons = packed.flatMap(Self.reasonsForSlowKernels).unique
        if !reasons.isEmpty {
            warnings.append(
                "vLLM's fast kernels do not take \(reasons.joined(separator: ", ")); slower ones, if any, are used")
        }
        if packed.contains(where: { $0.format == .gptq && $0.scheme.origin == .zeroPoint }) {
            warnings.append(
                "asymmetric weights in the first GPTQ format: zeros are kept above 0, which its readers need; gptq-v2 has no such "
                    + "limit")
        }
        let odd = weights.filter { weight in
            weight.encoding != nil && weight.shape.count == 2
                && (weight.shape[0] % 64 != 0 || weight.shape[1] % 128 != 0)
        }
        if let first = odd.first {
            warnings.append(
                "\(odd.count) weights, such as \(first.name) of \(first.shape[0]) × \(first.shape[1]), are not made of whole tiles of "
                    + "64 outputs and 128 inputs, which vLLM's Marlin kernels need after tensor-parallel splitting")
        }
        return warnings
    }

    private static func reasonsForSlowKernels(_ encoding: PackedEncoding) -> [String] {
        let scheme = encoding.scheme
        var reasons: [String] = []
        if ![4, 8].contains(scheme.bits) { reasons.append("\(scheme.bits)-bit codes") }
        if scheme.origin == .zeroPoint, encoding.format != .awq { reasons.append("asymmetric codes") }
        if scheme.block == .tensor { reasons.append("one scale for a tensor") }
        if ![0, 32, 64, 128].contains(scheme.block.columns) { reasons.append("groups of \(scheme.block.columns)") }
        return reasons
    }

    private static func layers(_ numbers: [Int]) -> String {
        let shown = numbers.prefix(4).map(String.init).joined(separator: ", ")
        return "layer" + (numbers.count > 1 ? "s " : " ") + shown
            + (numbers.count > 4 ? " and \(numbers.count - 4) more" : "")
    }
}
