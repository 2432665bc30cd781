#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

// Rotary embeddings. Source: transformers 5.23, `modeling_rope_utils.py`; Specs/families.md §2.
extension HuggingFaceConfiguration {
    func rope(_ family: Family, headDimension: Int, contextLength: Int) throws(RecastError) -> Rope {
        let parameters = try members("rope_parameters")
        // transformers 5: a non-null `rope_scaling` wins over `rope_parameters`.
        let said = try members("rope_scaling") ?? parameters
        let scaling = said ?? JSON.Object()
        var theta = family.defaults.theta
        for place in [parameters, object, scaling] {
            if let value = try number("rope_theta", in: place ?? JSON.Object()) { theta = value }
        }
        var dimensions = headDimension
        if let usual = family.partialRotary {
            var share = usual
            for place in [parameters, object, scaling] {
                if let value = try number("partial_rotary_factor", in: place ?? JSON.Object()) { share = value }
            }
            guard share > 0, share <= 1 else {
                throw failure("\"partial_rotary_factor\" is \(share), not within 0 and 1")
            }
            dimensions = Int(Double(headDimension) * share)
        }
        var rope = try rope(
            scaling, theta: theta, dimensions: dimensions, contextLength: contextLength,
            isOfPart: family.partialRotary != nil)
        // It takes pairs from the whole head, where these families have them in its first part.
        if family.partialRotary != nil, try ropeType(scaling) == "proportional" {
            rope = Rope(theta: theta, dimensions: dimensions, scaling: .other("proportional"))
        }
        if said == nil { rope.scaling = family.defaults.ropeScaling }
        for key in ["rope_scaling", "rope_parameters"] {
            guard let said = object[key]?.object, let stated = RotarySections.Stated(in: said, path: [key]) else {
                continue
            }
            _ = try RotarySections(stated, count: 3, of: rope, file: file)
        }
        return rope
    }

    /// - Parameters:
    ///   - scaling: the members of `rope_scaling` or `rope_parameters`.
    ///   - isOfPart: whether the family rotates a part of each head, which `dimensions` are.
    func rope(
        _ scaling: JSON.Object, theta: Double, dimensions: Int, contextLength: Int, isOfPart: Bool = false
    ) throws(RecastError) -> Rope {
        let rope = try scaledRope(scaling, theta: theta, dimensions: dimensions, contextLength: contextLength)
        let type = try ropeType(scaling)
        // transformers shortens what is scaled, whatever the family, and not the rest.
        guard !isOfPart, rope.scaling != .none, type != "proportional",
            try number("partial_rotary_factor", in: scaling) ?? 1 != 1
        else { return rope }
        return Rope(theta: theta, dimensions: dimensions, scaling: .other(type))
    }

    private func scaledRope(
        _ scaling: JSON.Object, theta: Double, dimensions: Int, contextLength: Int
    ) throws(RecastError) -> Rope {
        guard theta > 0 else { throw failure("\"rope_theta\" is \(theta), not a positive number") }
        var rope = Rope(theta: theta, dimensions: dimensions)
        func required(_ key: String) throws(RecastError) -> Double {
            guard let value = try number(key, in: scaling), value > 0 else {
                throw failure("the rope scaling needs a positive \"\(key)\"")
            }
            return value
        }
        let type = try ropeType(scaling)
        switch type {
        case "default": break
        case "linear": rope.scaling = .linear(factor: try required("factor"))
        case "llama3":
            let low = try required("low_freq_factor")
            let high = try required("high_freq_factor")
            let original = try required("original_max_position_embeddings")
            guard high >= low, let context = Int(exactly: original) else {
                throw failure("the llama3 rope scaling contradicts itself")
            }
            rope.scaling = .llama3(
                factor: try required("factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
                originalContext: context)
        case "dynamic":
            let factor = try number("factor", in: scaling) ?? 1
            guard factor >= 1 else { throw failure("the dynamic rope scaling has a factor of \(factor)") }
            rope.scaling = .dynamic(factor: factor, context: contextLength)
        case "yarn" where Self.yarnKeys.isSuperset(of: scaling.members.map(\.key)):
            rope.scaling = try yarn(scaling, contextLength: contextLength).map(Rope.Scaling.yarn) ?? .other(type)
        case "longrope", "su":
            rope.scaling =
                try longrope(scaling, dimensions: dimensions, contextLength: contextLength)
                .map(Rope.Scaling.longrope) ?? .other("longrope")
            return rope.gathered
        case "proportional":
            let share = try number("partial_rotary_factor", in: scaling) ?? 1
            guard share > 0, share <= 1 else {
                throw failure("\"partial_rotary_factor\" is \(share), not within 0 and 1")
            }
            let turning = 2 * Int(share * Double(dimensions) / 2)
            let factor = try number("factor", in: scaling) ?? 1
            guard turning > 0, factor > 0 else {
                throw failure("the rotary dimension of the proportional rope scaling is 0")
            }
            rope = Rope(theta: pow(theta, Double(turning) / Double(dimensions)), dimensions: turning)
            if factor != 1 { rope.scaling = .linear(factor: factor) }
        default: rope.scaling = .other(type)
        }
        return rope
    }

    private func ropeType(_ scaling: JSON.Object) throws(RecastError) -> String {
        let oldType = try text("type", in: scaling)
        return try text("rope_type", in: scaling) ?? oldType ?? "default"
    }

    /// With other keys it is another yarn, which can only be carried along.
    private static let yarnKeys: Set<String> = [
        "type", "rope_type", "rope_theta", "factor", "original_max_position_embeddings", "beta_fast", "beta_slow",
        "mscale", "mscale_all_dim", "attention_factor", "truncate", "partial_rotary_factor", "mrope_section",
        "mrope_interleaved",
    ]

    /// Nil for one that DeepSeek's two numbers do not say.
    private func yarn(
        _ scaling: JSON.Object, contextLength: Int
    ) throws(RecastError) -> Rope.Yarn? {
        guard let factor = try number("factor", in: scaling) else { return nil }
        guard factor > 0 else { throw failure("the yarn rope scaling has a factor of \(factor)") }
        // transformers believes the one outside of the scaling.
        let inner = try number("original_max_position_embeddings", in: scaling)
        let original = try number("original_max_position_embeddings") ?? inner ?? Double(contextLength)
        guard original > 0, let context = Int(exactly: original) else {
            throw failure("the original context of the yarn rope scaling is \(original)")
        }
        var yarn = Rope.Yarn(factor: factor, originalContext: context)
        // Zero is as good as nothing.
        if let beta = try number("beta_fast", in: scaling), beta != 0 { yarn.betaFast = beta }
        if let beta = try number("beta_slow", in: scaling), beta != 0 { yarn.betaSlow = beta }
        // One of the two alone does not count, but for the second, which makes attention sharper by itself.
        let (one, all) = (try number("mscale", in: scaling) ?? 0, try number("mscale_all_dim", in: scaling) ?? 0)
        if all != 0 {
            guard one != 0 else { return nil }
            (yarn.mscale, yarn.mscaleAllDimensions) = (one, all)
        }
        if let factor = try number("attention_factor", in: scaling) { yarn.statedAttentionFactor = factor }
        if let value = scaling["truncate"], !value.isNull {
            guard let truncates = value.bool else {
                throw failure("\"truncate\" is \(value.text()), not true or false")
            }
            yarn.truncates = truncates
        }
        return yarn
    }

    /// Nil for one whose factors are not there.
    private func longrope(
        _ scaling: JSON.Object, dimensions: Int, contextLength: Int
    ) throws(RecastError) -> Rope.Longrope? {
        guard let short = scaling["short_factor"]?.array, let long = scaling["long_factor"]?.array else { return nil }
        func numbers(_ list: [JSON], _ key: String) throws(RecastError) -> [Double] {
            let numbers = list.compactMap(\.double).filter { $0 > 0 && $0.isFinite }
            guard numbers.count == dimensions / 2, list.count == numbers.count else {
                throw failure("\"\(key)\" is no list of \(dimensions / 2) positive numbers")
            }
            return numbers
        }
        let inner = try number("original_max_position_embeddings", in: scaling)
        let original = try number("original_max_position_embeddings") ?? inner ?? Double(contextLength)
        guard original > 1, let context = Int(exactly: original) else {
            throw failure("the original context of the longrope scaling is \(original)")
        }
        // transformers 4 prefers the ratio where the original context stands outside of the scaling, and so does Phi-3.
        let ratio = Double(contextLength) / original
        let isOutside = try number("original_max_position_embeddings") != nil
        let factor = isOutside ? ratio : try number("factor", in: scaling) ?? ratio
        let usual = factor <= 1 ? 1 : (1 + log(factor) / log(original)).squareRoot()
        return Rope.Longrope(
            short: try numbers(short, "short_factor"), long: try numbers(long, "long_factor"), originalContext: context,
            attentionFactor: try number("attention_factor", in: scaling) ?? usual)
    }
}
