// Llama 4. Source: llama.cpp's converter and loader, Specs/families.md §3.18.
extension GGUFArchitecture {
    /// No key says anything of chunks, positions or temperature: they are those of the published models.
    static let llama4 = GGUFArchitecture(
        "llama4", families: ["llama4_text"], writesRopeDimensions: true, rotaryFactors: .one,
        reads: { (reader, configuration) throws(RecastError) in
            try GGUFRouter(score: .sigmoid, normalizes: false, hasBias: false, keys: [.size]).read(
                reader, into: &configuration)
            let shared = configuration.experts.map { SharedExpert(feedForwardSize: $0.feedForwardSize, isGated: false) }
            let step = reader.number("interleave_moe_layer_step") ?? 0
            let normalizes = configuration.experts?.count != 128
            if reader.number("attention.sliding_window") == 0 || reader.value("attention.sliding_window_pattern") != nil
            {
                throw .unsupported("\(reader.file): Llama 4 without chunks, or with others, is not supported in GGUF")
            }
            configuration.eachLayer { layer, own in
                if step <= 0 || !(layer + 1).isMultiple(of: step) { own.feedForward = .dense }
                own.experts?.shared = shared
                own.experts?.routing.scalesInput = true
                guard !(layer + 1).isMultiple(of: 4) else {
                    own.position = .none
                    return
                }
                own.attentionChunk = 8192
                own.norms.qk = normalizes ? .perRotatedHeadUnweighted : .none
            }
            guard configuration.layers.contains(where: { $0.position == .none }) else { return }
            var temperature = AttentionTemperature(slope: 0.1, context: 8192)
            (temperature.offset, temperature.sparesRotaryLayers) = (1, true)
            configuration.temperature = temperature
        },
        writes: { (configuration, keys) throws(RecastError) in
            try GGUFRouter(score: .sigmoid, normalizes: false, hasBias: false, keys: [.size]).write(
                configuration, into: &keys)
            try keys.set("interleave_moe_layer_step", configuration.expertInterval.step)
        }
    ) {
        Row.ggufNames(rotary: .interleaved, biases: .projections)
        Row.ggufExperts
    }

    /// The numbers of its activation are keys.
    static let apertus = GGUFArchitecture(
        "apertus", families: ["apertus"], activation: "xielu", writesRopeDimensions: true, rotaryFactors: .one,
        keysOfNumbers: [
            .xieluAlphaP: "xielu.alpha_p", .xieluAlphaN: "xielu.alpha_n", .xieluBeta: "xielu.beta",
            .xieluEpsilon: "xielu.eps",
        ],
        reads: { (_, configuration) throws(RecastError) in
            configuration.gatesFeedForward = false
            configuration.eachLayer { $0.norms.qk = .perHead }
        }
    ) {
        Row.ggufNames(biases: .attention).filter { $0.roles != [.gate] }
        Row.ggufHeadNorms
        Row(.xieluAlphaP, "blk.{layer}.xielu_alpha_p")
        Row(.xieluAlphaN, "blk.{layer}.xielu_alpha_n")
        Row(.xieluBeta, "blk.{layer}.xielu_beta")
        Row(.xieluEpsilon, "blk.{layer}.xielu_eps")
    }
}
