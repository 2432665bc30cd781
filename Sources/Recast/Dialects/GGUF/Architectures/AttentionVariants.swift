// Architectures of 2025 and 2026 whose attention is another one. Source: llama.cpp's converter and loader, Specs/families.md §3.15.
extension GGUFArchitecture {
    /// Hunyuan, dense, which normalises heads after it has rotated them.
    static let hunYuanDense = GGUFArchitecture(
        "hunyuan-dense", families: ["hunyuan_v1_dense"],
        reads: { (_, configuration) throws(RecastError) in configuration.eachLayer { $0.norms.qk = .perRotatedHead } }
    ) {
        Row.ggufNames(biases: .projections)
        Row.ggufHeadNorms
    }

    /// EXAONE 4. llama.cpp takes a model of 64 layers for the one with windows, whatever the keys say of others.
    static let exaone4 = GGUFArchitecture(
        "exaone4", families: ["exaone4"], rotaryFactors: .one,
        reads: { (reader, configuration) throws(RecastError) in
            configuration.eachLayer { $0.norms = .after(qk: .perHead) }
            guard configuration.layerCount == 64 else { return }
            let size = try reader.optionalSize("attention.sliding_window") ?? 4096
            configuration.eachLayer { if !($0 + 1).isMultiple(of: 4) { $1.slidingWindow = size } }
            try readPattern(reader, &configuration)
            configuration.eachLayer { if $0.slidingWindow == nil { $0.position = .none } }
        },
        writes: { (configuration, keys) throws(RecastError) in
            try keys.set("vocab_size", configuration.vocabularySize)
            if configuration.slidingWindow != nil { try keys.writeWindows(configuration) }
        }
    ) {
        Row.ggufNames()
        Row.ggufHeadNorms
        Row.ggufPostNorms
    }

    /// Ministral 3; without a temperature it is a Mistral.
    static let mistral3 = GGUFArchitecture(
        "mistral3", families: ["ministral3"], writesRopeDimensions: true, rotaryFactors: .one,
        reads: { (reader, configuration) throws(RecastError) in
            if case .yarn(var yarn) = configuration.rope.scaling {
                yarn.mscaleAllDimensions = try reader.multiplier("rope.scaling.yarn_log_multiplier")
                configuration.rope.scaling = .yarn(yarn)
            }
            let slope = try reader.multiplier("attention.temperature_scale")
            guard slope != 0 else {
                configuration.family = "mistral"
                return
            }
            let context = try reader.optionalSize("rope.scaling.original_context_length")
            configuration.temperature = AttentionTemperature(
                slope: slope, context: context ?? configuration.contextLength)
        },
        writes: { (configuration, keys) throws(RecastError) in
            keys.writeBetas(of: configuration.rope.scaling)
            if case .yarn(let yarn) = configuration.rope.scaling {
                keys.set("rope.scaling.yarn_log_multiplier", yarn.mscaleAllDimensions)
            } else if let temperature = configuration.temperature {
                try keys.set("rope.scaling.original_context_length", temperature.context)
            }
            keys.set("attention.temperature_scale", configuration.temperature?.slope ?? 0)
        }
    ) {
        Row.ggufNames(rotary: .interleaved, biases: .linear)
    }

    /// Mistral Small 4, whose gate and up projections are one stack of experts.
    static let mistral4 = mistral4(distinguishingTensor: "ffn_gate_up_exps") {
        Row.ggufLatentNames.filter { !$0.isPerExpert || $0.roles == [.down] }
        Row([.gate, .up], "blk.{layer}.ffn_gate_up_exps.{expert}.weight", layout: .concatenatedRows)
    }

    /// The same with a stack for each, as files may have them, too.
    static let mistral4Apart = mistral4(distinguishingTensor: nil) { Row.ggufLatentNames }

    /// llama.cpp's converter does not say the temperature that its loader asks for.
    private static func mistral4(
        distinguishingTensor: String?, @RowBuilder rows: () -> [Row]
    ) -> GGUFArchitecture {
        GGUFArchitecture(
            "mistral4", families: ["mistral4"], distinguishingTensor: distinguishingTensor,
            reads: { (reader, configuration) throws(RecastError) in
                try readLatent(reader, &configuration)
                configuration.family = "mistral4"
                // In llama.cpp of all routers.
                configuration.eachLayer { $0.experts?.routing.groups?.scoreCount = 2 }
                if case .yarn(var yarn) = configuration.rope.scaling {
                    yarn.mscale = 1
                    configuration.rope.scaling = .yarn(yarn)
                }
                let slope = try reader.multiplier("attention.temperature_scale")
                guard slope != 0 else { return }
                configuration.temperature = AttentionTemperature(
                    slope: slope, context: try reader.size("attention.temperature_length"))
            },
            writes: { (configuration, keys) throws(RecastError) in
                try writeLatent(configuration, &keys)
                keys.writeBetas(of: configuration.rope.scaling)
                guard let temperature = configuration.temperature else { return }
                keys.set("attention.temperature_scale", temperature.slope)
                try keys.set("attention.temperature_length", temperature.context)
            }, rows: rows)
    }
}

extension GGUFConfiguration {
    /// A number that is absent, zero or positive; absent is zero.
    fileprivate func multiplier(_ name: String) throws(RecastError) -> Double {
        value(name)?.double == 0 ? 0 : try positive(name) ?? 0
    }
}
