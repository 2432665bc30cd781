/// A model architecture as GGUF stores it: names, layouts, and the metadata that describes it.
///
/// Source: Specs/gguf.md §d, and llama.cpp's converter and loader.
package struct GGUFArchitecture: Sendable {
    /// `general.architecture`, which also begins the keys.
    package private(set) var name: String
    /// The Hugging Face families whose files are of this architecture; the first is where one goes that says no more.
    package let families: [String]
    package let table: MappingTable
    /// What llama.cpp computes between gate and up.
    let activation: String
    /// Whether `vocab_size` and `rope.dimension_count` are written, as for everything its converter takes for a llama.
    let writesRopeDimensions: Bool
    /// Whether any layer rotates queries and keys; a rotary dimension means nothing otherwise.
    let isRotary: Bool
    /// Whether divisors of rotary frequencies may lie beside the weights, and where a long text has others.
    let rotaryFactors: RotaryFactors
    /// How many rotary pairs each dimension of a position turns where nothing is said, for architectures that are always told; nil for
    /// others.
    let sections: [Int]?
    /// Whether numbers of heads and sizes of feed-forward parts are lists, with a zero for each layer that has none.
    let listsLayers: Bool
    /// Whether llama.cpp ends with an error where no layer has a sliding window. Source: `create_memory` in its `llama-model.cpp`.
    let needsWindows: Bool
    /// Whether its tokenizer joins the pieces of SentencePiece by merges, not by scores.
    let joinsByMerges: Bool
    let reads: Reading
    let writes: Writing
    /// Part of the name of a tensor by which files of several layouts with the same architecture are told apart.
    let distinguishingTensor: String?
    /// Keys of sizes that layers may differ in.
    let sizesOfLayers: Set<String>
    /// Tensors of one number that stand in keys, with one for each layer; the table has names for them that no file has.
    let keysOfNumbers: [Role: String]

    enum RotaryFactors: Sendable, Hashable {
        case none
        /// `rope_freqs.weight`
        case one
        /// `rope_freqs.weight`, which must be there.
        case always
        /// `rope_factors_long.weight` and `rope_factors_short.weight`
        case two
    }

    /// Adds to a configuration what the usual keys do not say.
    typealias Reading = @Sendable (GGUFConfiguration, inout ModelConfiguration) throws(RecastError) -> Void
    /// Adds the keys that only this architecture has.
    typealias Writing = @Sendable (ModelConfiguration, inout GGUFKeys) throws(RecastError) -> Void

    init(
        _ name: String, families: [String], activation: String = "silu", writesRopeDimensions: Bool = false,
        isRotary: Bool = true,
        rotaryFactors: RotaryFactors = .none, sections: [Int]? = nil, listsLayers: Bool = false,
        distinguishingTensor: String? = nil, sizesOfLayers: Set<String> = [], keysOfNumbers: [Role: String] = [:],
        needsWindows: Bool = false, joinsByMerges: Bool = false,
        reads: @escaping Reading = { _, _ in },
        writes: @escaping Writing = { _, _ in }, @RowBuilder rows: () -> [Row]
    ) {
        self.name = name
        self.families = families
        self.activation = activation
        self.writesRopeDimensions = writesRopeDimensions
        self.isRotary = isRotary
        self.rotaryFactors = rotaryFactors
        self.sections = sections
        self.listsLayers = listsLayers
        self.needsWindows = needsWindows
        self.joinsByMerges = joinsByMerges
        self.distinguishingTensor = distinguishingTensor
        self.sizesOfLayers = sizesOfLayers
        self.keysOfNumbers = keysOfNumbers
        self.reads = reads
        self.writes = writes
        table = MappingTable(rows())
    }

    /// Every architecture that is known. A new one is a table in `Architectures/` and a place in this list.
    package static let all: [GGUFArchitecture] =
        [
            .llama, .qwen, .qwen2, .qwen3, .qwen2MoE, .qwen3MoE, .deepSeek2, .baichuan, .internLM2, .chatGLM, .glm,
            .glm4,
            .phi3, .gemma, .gemma2, .gemma3, .olmo, .olmo2, .smolLM3, .granite, .stableLM, .miniCPM, .exaone, .seedOSS,
            .ernie45, .glm4MoE, .miniMaxM2, .ernie45MoE, .hunYuanMoE, .hyV3, .bailingMoE2, .dots1, .olmoE, .graniteMoE,
            .deepSeek32, .glmDSA,
            .phiMoE, .hunYuanDense, .exaone4, .mistral3, .mistral4, .mistral4Apart, .arcee, .cohere, .cohere2, .gptOSS,
            .gemma4MoE, .gemma4MoEApart, .gemma4, .llama4, .apertus,
            .qwen3Next, .qwen35, .qwen35MoE, .lfm2, .lfm2MoE, .mamba, .mamba2, .jamba, .graniteHybrid, .nemotronH,
            .nemotronHMoE, .falconH1,
            .nemotron, .starCoder2, .phi2, .gptNeoX, .gpt2, .starCoder, .falcon40B, .falcon, .bloom, .mpt,
        ] + multimodal.map { $0.text.named($0.name) }

    /// The architectures of text models whose positions have several dimensions, of which text needs one; llama.cpp's projectors
    /// go with these alone.
    private static let multimodal: [(text: GGUFArchitecture, name: String)] = [
        (.qwen2, "qwen2vl"), (.qwen3, "qwen3vl"), (.qwen3MoE, "qwen3vlmoe"),
    ]

    /// This for positions of several dimensions; nil where llama.cpp has none.
    var ofSections: GGUFArchitecture? { Self.multimodal.first { $0.text.name == name }.map { named($0.name) } }

    private func named(_ name: String) -> GGUFArchitecture {
        var other = self
        other.name = name
        return other
    }

    /// Whether there is a QK norm.
    var normalizesHeads: Bool { table.row(of: Slot(.queryNorm)) != nil }

    /// The architecture of a model: of Nemotron-H there are two, with experts and without.
    ///
    /// - Throws: `unsupported`; names are never invented.
    static func of(_ configuration: ModelConfiguration) throws(RecastError) -> GGUFArchitecture {
        let architecture = try of(family: configuration.family)
        return architecture.name == nemotronH.name && configuration.experts != nil ? nemotronHMoE : architecture
    }

    /// The architecture of a family's models.
    ///
    /// - Throws: `unsupported`; names are never invented.
    static func of(family: String) throws(RecastError) -> GGUFArchitecture {
        guard let architecture = all.first(where: { $0.families.contains(family) }) else {
            throw .unsupported("llama.cpp has no architecture for \(family)")
        }
        return architecture
    }

    /// - Parameter tensors: names, by which layouts are told apart.
    static func named(_ name: String, tensors: [String], file: String) throws(RecastError) -> GGUFArchitecture {
        let candidates = all.filter { $0.name == name }
        guard let last = candidates.last else {
            let known = Set(all.map(\.name)).sorted()
            let nearest = nearest(to: tensors).map { "; by its tensors the nearest is \($0)" } ?? ""
            throw RecastError(
                .unsupported, "unknown architecture \"\(name)\"\(nearest); known are \(known.joined(separator: ", "))",
                trail: [file])
        }
        return candidates.first { candidate in
            candidate.distinguishingTensor.map { mark in tensors.contains { $0.contains(mark) } } ?? false
        } ?? last
    }

    /// The architecture whose tensors are called most like these; nil where none's are.
    private static func nearest(to tensors: [String]) -> String? {
        let factors = [rotaryFactorsName, shortFactorsName, longFactorsName]
        let names = tensors.filter { !factors.contains($0) }
        let likenesses = all.map { ($0.name, $0.table.likeness(of: names, biased: nil)) }
        guard let best = likenesses.min(by: { $0.1 < $1.1 }), best.1.isClose else { return nil }
        return best.0
    }

    /// Divisors of the rotary frequencies, which belong to no role: of all texts, of short ones, of long ones.
    static let rotaryFactorsName = "rope_freqs.weight"
    static let shortFactorsName = "rope_factors_short.weight"
    static let longFactorsName = "rope_factors_long.weight"
}
