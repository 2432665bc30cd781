import Testing

@testable import Recast

/// The one list of what two models are compared by.
struct ConfigurationFieldTests {
    /// A model that has everything that a model can have.
    private static var everything: ModelConfiguration {
        var all = ModelConfiguration(
            family: "x", vocabularySize: 256, hiddenSize: 64, feedForwardSize: 128, layerCount: 4, headCount: 4,
            keyValueHeadCount: 2, headDimension: 16, contextLength: 128, normEpsilon: 1e-6, activation: "silu",
            rope: Rope(theta: 10_000, dimensions: 16))
        all.projectionLimit = 1
        all.gateLimit = GateLimit(limit: 7, alpha: 1.702)
        all.softCaps.attention = 50
        all.softCaps.logits = 30
        all.multipliers.attention = 0.5
        all.temperature = AttentionTemperature(slope: 0.1, context: 64)
        all.longContext = QwenLongContext(context: 64, dynamicNTK: true, logNAttention: true)
        let latent = LatentAttention(
            queryRank: 8, keyValueRank: 8, nopeHeadDimension: 8, ropeHeadDimension: 8, valueDimension: 8,
            indexer: TokenIndexer(headCount: 4, headDimension: 16, pickedCount: 32, turnsNeighbours: true))
        let experts = ExpertConfiguration(
            count: 8, usedCount: 2, feedForwardSize: 32, normalizesWeights: true,
            shared: SharedExpert(feedForwardSize: 32, isGated: true),
            routing: Routing(groups: .init(count: 4, usedCount: 2, scoreCount: 2)))
        all.multipliers.branches = BranchFactors()
        all.eachLayer { $0.latentAttention = latent }
        all.setExperts(experts, butIn: [3])
        for layer in [0, 2, 3] {
            all.layers[layer].slidingWindow = 32
            all.layers[layer].position = .localRotary(Rope(theta: 1_000, dimensions: 16))
        }
        all.learnedPositions = LearnedPositions(count: 128)
        all.bosTokens = [1]
        all.eosTokens = [2]
        all.paddingToken = 3
        return all
    }

    /// A member that no line speaks of could be lost without a word.
    @Test func everyFieldIsListed() {
        let fields = ModelConfiguration.fields
        #expect(Set(fields.map(\.name)).count == fields.count)
        let ofModel = fields.compactMap { if case .ofModel(let path) = $0.member { Self.name(of: path) } else { nil } }
        let ofLayer = fields.compactMap { if case .ofLayer(let path) = $0.member { Self.name(of: path) } else { nil } }
        #expect(Set(ofModel).count == ofModel.count && Set(ofLayer).count == ofLayer.count)
        let all = Self.everything
        #expect(
            Set(Self.members(of: all, "", stoppingAt: Set(ofModel + ["layers"])))
                == Set(ofModel + ["layers"]).subtracting(["layers.count"]))
        // What a layer mixes tokens with has members of its own (``recurrences``), and whether it has two of its parts.
        let ofParts = ofLayer.filter { $0.contains("computed") || $0.hasPrefix("recurrence") }
        #expect(ofParts.count == 6)
        let ofWhole = Set(ofLayer).subtracting(ofParts)
        #expect(Set(Self.members(of: all.layers[0], "", stoppingAt: Set(ofLayer))) == ofWhole)
    }

    /// Every number of a recurrence is one that two models are compared by.
    @Test func recurrences() {
        var model = Self.everything
        func differences(_ a: Recurrence, _ b: Recurrence) -> [String] {
            var other = model
            model.eachLayer { $0.mixer = .recurrent(a) }
            other.eachLayer { $0.mixer = .recurrent(b) }
            return model.differences(from: other).map(\.field.name)
        }
        let net = GatedDeltaNet(
            keyHeadCount: 2, valueHeadCount: 4, keyHeadDimension: 8, valueHeadDimension: 16, convolutionSize: 4)
        let paths: [WritableKeyPath<GatedDeltaNet, Int>] = [
            \.keyHeadCount, \.valueHeadCount, \.keyHeadDimension, \.valueHeadDimension, \.convolutionSize,
        ]
        for path in paths {
            var other = net
            other[keyPath: path] += 1
            #expect(differences(.gatedDeltaNet(net), .gatedDeltaNet(other)) == ["recurrent layer"])
        }
        let mamba = Mamba(innerSize: 64, stateSize: 8, timeStepRank: 4, convolutionSize: 4)
        let changes: [(inout Mamba) -> Void] = [
            { $0.innerSize += 1 }, { $0.stateSize += 1 }, { $0.timeStepRank += 1 }, { $0.convolutionSize += 1 },
            { $0.stateNorms = .weighted },
        ]
        for change in changes {
            var other = mamba
            change(&other)
            #expect(differences(.mamba(mamba), .mamba(other)) == ["recurrent layer"])
        }
        var epsilon = mamba
        epsilon.stateNormEpsilon = 1e-6
        #expect(differences(.mamba(mamba), .mamba(epsilon)) == ["state norm epsilon"])
        let second = Mamba2(headCount: 4, headDimension: 8, groupCount: 2, stateSize: 8, convolutionSize: 4)
        let more: [(inout Mamba2) -> Void] = [
            { $0.headCount += 1 }, { $0.headDimension += 1 }, { $0.groupCount += 1 }, { $0.stateSize += 1 },
            { $0.convolutionSize += 1 }, { $0.gate = .plain }, { $0.normGroupCount += 1 },
        ]
        for change in more {
            var other = second
            change(&other)
            #expect(differences(.mamba2(second), .mamba2(other)) == ["recurrent layer"])
        }
        var limited = second
        (limited.minimumTimeStep, limited.maximumTimeStep) = (0.1, 2)
        #expect(differences(.mamba2(second), .mamba2(limited)) == ["time step minimum", "time step maximum"])
        #expect(differences(.mamba(mamba), .mamba2(second)) == ["recurrent layer"])
    }

    /// `experts.routing.factor`
    private static func name(of path: AnyKeyPath) -> String {
        "\(path)".replacing("\\ModelConfiguration.", with: "").replacing("\\LayerConfiguration.", with: "")
            .replacing("?", with: "")
            // Key paths do not know the names of computed members.
            .replacing(#/<computed \w+ \(Optional<ExpertConfiguration>\)>/#, with: "experts")
            .replacing(#/<computed \w+ \(Optional<LatentAttention>\)>/#, with: "latentAttention")
            .replacing(#/<computed \w+ \(Optional<Recurrence>\)>/#, with: "recurrence")
            .replacing(#/<computed \w+ \(Int\)>/#, with: "count")
    }

    /// The members of a value, and of its members where they are no fields themselves.
    private static func members(of value: Any, _ path: String, stoppingAt fields: Set<String>) -> [String] {
        if fields.contains(path) { return [path] }
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .optional: return mirror.children.first.map { members(of: $0.value, path, stoppingAt: fields) } ?? [path]
        case .struct where !mirror.children.isEmpty:
            return mirror.children.flatMap {
                members(of: $0.value, (path.isEmpty ? "" : path + ".") + ($0.label ?? ""), stoppingAt: fields)
            }
        case .enum where !mirror.children.isEmpty:
            // What a layer is made of, by the name of the case.
            return mirror.children.flatMap { members(of: $0.value, $0.label ?? "", stoppingAt: fields) }
        default: return [path]
        }
    }

    /// Each field that a change is made to is the one that differs.
    @Test func differences() {
        let all = Self.everything
        // swift-format-ignore
        let changes: [(name: String, change: (inout ModelConfiguration) -> Void)] = [
            ("vocabulary size",      { $0.vocabularySize += 1 }),
            ("context length",       { $0.contextLength += 1 }),
            ("norm epsilon",         { $0.normEpsilon = 1e-5 }),
            ("rotary base",          { $0.rope.theta = 20_000 }),
            ("rotary dimension",     { $0.rope.dimensions = 8 }),
            ("attention temperature", { $0.temperature?.slope = 0.2 }),
            ("attention temperature", { $0.temperature = nil }),
            ("rotary scaling",       { $0.rope.scaling = .linear(factor: 2) }),
            ("position encoding",    { $0.layers[2].position = .rotary }),
            ("attention scale",      { $0.multipliers.attention = nil }),
            ("latent attention",     { $0.layers[1].mixer = .attention }),
            ("indexer heads",        { $0.layers[1].latentAttention?.indexer = nil }),
            ("experts",              { $0.layers[1].feedForward = .dense }),
            ("shared expert size",   { $0.eachLayer { $0.experts?.shared = nil } }),
            ("expert groups",        { $0.eachLayer { $0.experts?.routing.groups = nil } }),
            ("sliding window",       { $0.layers[1].slidingWindow = 32 }),
            ("EOS tokens",           { $0.eosTokens = [2, 4] }),
        ]
        #expect(all.differences(from: all).isEmpty)
        for (name, change) in changes {
            var other = all
            change(&other)
            #expect(all.differences(from: other).map(\.field.name) == [name])
            #expect(other.differences(from: all).map(\.field.name) == [name])
        }
    }

    /// What float32 holds is what GGUF stores, and what programs compute with.
    @Test func tolerance() {
        var other = Self.everything
        other.normEpsilon = Double(Float(1e-6))
        other.multipliers.logitDivisor = 1 + 1e-12
        other.rope.theta = 10_000 + 1e-6
        other.temperature?.slope = Double(Float(0.1))
        #expect(Self.everything.differences(from: other).isEmpty)
        // One that is as usual is not stated twice.
        var usual = Self.everything
        usual.multipliers.attention = nil
        var stated = usual
        stated.multipliers.attention = 0.25
        #expect(usual.differences(from: stated).isEmpty)
    }

    /// What `inspect` shows of a model: each thing that is computed otherwise than in a llama, and nothing of a llama.
    @Test func unusualComputation() {
        var llama = ModelConfiguration(
            family: "llama", vocabularySize: 256, hiddenSize: 64, feedForwardSize: 128, layerCount: 4, headCount: 4,
            keyValueHeadCount: 2, headDimension: 16, contextLength: 128, normEpsilon: 1e-6, activation: "silu",
            rope: Rope(theta: 10_000, dimensions: 16))
        #expect(llama.unusualComputation.isEmpty)
        // Shown for every model, or with its experts.
        let shown: Set = ["norm epsilon", "rotary base", "rotary scaling", "state decay"]
        for (field, mutate) in Self.mutations {
            var changed = llama
            mutate(&changed)
            let isComputed = ModelConfiguration.fields.contains { $0.name == field && $0.kind == .computation }
            guard isComputed, changed != llama, !shown.contains(field) else { continue }
            let names = changed.unusualComputation.map(\.name)
            // Recurrent layers, and those without a mixer, differ in more than one thing.
            if changed.layers.allSatisfy({ $0.mixer == .attention }) {
                #expect(names == [field])
            } else {
                #expect(names.contains(field))
            }
        }
        llama.layers[2].slidingWindow = 512
        #expect(llama.unusualComputation.map(\.value) == ["none in layers 0, 1, 3; 512 in layer 2"])
    }

    // MARK: Nothing is lost on the way to a target

    /// A change of each field, from whatever it is.
    // swift-format-ignore
    private static let mutations: [String: @Sendable (inout ModelConfiguration) -> Void] = [
        "vocabulary size":           { $0.vocabularySize += 8 },
        "hidden size":               { $0.hiddenSize *= 2 },
        "embedding size":            { $0.embeddingSize = $0.hiddenSize / 2 },
        "layers":                    { $0.layers.append($0.layers[0]) },
        "feed-forward size":         { $0.feedForwardSize *= 2 },
        "attention heads":           { $0.headCount *= 2 },
        "key/value heads":           { $0.keyValueHeadCount = $0.keyValueHeadCount == 1 ? 2 : 1 },
        "head dimension":            { $0.headDimension *= 2 },
        "own head dimension":        { $0.layers[1].headDimension = ($0.layers[1].headDimension ?? $0.headDimension) * 2 },
        "own key/value heads":       { $0.layers[1].keyValueHeadCount = $0.keyValueHeadCount(inLayer: 1) == 1 ? 2 : 1 },
        "own feed-forward size":     { $0.layers[1].feedForwardSize = $0.feedForwardSize(inLayer: 1) * 2 },
        "per-layer embedding":       { $0.layerInputSize = ($0.layerInputSize ?? 4) * 2 },
        "values from keys":          { $0.layers[1].valuesAreKeys.toggle() },
        "shared keys and values":    { $0.layers[3].keyValueSource = $0.layers[3].keyValueSource == nil ? 2 : nil },
        "attention chunk":           { $0.layers[1].attentionChunk = ($0.layers[1].attentionChunk ?? 32) * 2 },
        "weighted expert inputs":    { $0.eachLayer { $0.experts?.routing.scalesInput.toggle() } },
        "layer scale":               { $0.layers[1].hasScale.toggle() },
        "value norm":                { $0.layers[1].norms.normalizesValues.toggle() },
        "norms of experts":          { $0.eachLayer { $0.experts?.hasOwnNorms.toggle() } },
        "context length":            { $0.contextLength *= 2 },
        "norm epsilon":              { $0.normEpsilon *= 3 },
        "activation":                { $0.activation = $0.activation == "silu" ? "relu" : "silu" },
        "normalized output head":    { $0.normalizesOutputHead.toggle() },
        "feed-forward gate":         { $0.gatesFeedForward.toggle() },
        "SwiGLU limit":              { $0.gateLimit = GateLimit(limit: ($0.gateLimit?.limit ?? 7) + 1, alpha: 1.702) },
        "SwiGLU alpha":              { $0.gateLimit?.alpha += 1 },
        "parallel residual":         { $0.eachLayer { $0.hasParallelResidual.toggle() } },
        "attention sinks":           { $0.layers[1].hasSinks.toggle() },
        "attention gate":            { $0.layers[1].gatesAttention.toggle() },
        "attention":                 { $0.layers[1].mixer = $0.layers[1].hasAttention ? .none : .attention },
        "feed-forward part":         { $0.layers[1].feedForward = $0.layers[1].hasFeedForward ? .none : .dense },
        "recurrent layer":           { $0.layers[1].mixer = $0.layers[1].recurrence == nil
            ? .attentionAndRecurrence(.shortConvolution(ShortConvolution(channelCount: $0.hiddenSize, convolutionSize: 3))) : .attention },
        "state norm epsilon":        { $0.layers[1].mixer = .recurrent(.mamba(
            Mamba(innerSize: 64, stateSize: 8, timeStepRank: 4, convolutionSize: 4, stateNorms: .plain, stateNormEpsilon: 1e-3))) },
        "time step minimum":         { $0.layers[1].mixer = .recurrent(.mamba2(
            Mamba2(headCount: 8, headDimension: 16, groupCount: 2, stateSize: 8, convolutionSize: 4, minimumTimeStep: 0.3))) },
        "time step maximum":         { $0.layers[1].mixer = .recurrent(.mamba2(
            Mamba2(headCount: 8, headDimension: 16, groupCount: 2, stateSize: 8, convolutionSize: 4, maximumTimeStep: 0.3))) },
        "state decay":               { $0.stateDecayForm = $0.stateDecayForm == .plain ? .logarithm : .plain },
        "branch multipliers":        { $0.multipliers.branches = $0.multipliers.branches == nil ? BranchFactors() : nil },
        "shared pre-norm":           { $0.eachLayer { $0.norms.sharesPreNorm.toggle() } },
        "QKV clip":                  { $0.projectionLimit = ($0.projectionLimit ?? 4) + 1 },
        "attention soft-cap":        { $0.softCaps.attention = ($0.softCaps.attention ?? 20) + 1 },
        "logit soft-cap":            { $0.softCaps.logits = ($0.softCaps.logits ?? 20) + 1 },
        "rotary dimension":          { $0.rope.dimensions = $0.rope.dimensions == 8 ? 4 : 8 },
        "rotary base":               { $0.rope.theta *= 3 },
        "rotary scaling":            { $0.rope.scaling = .linear(factor: 3) },
        "position encoding":         { $0.layers[1].position = $0.layers[1].position == .none ? .rotary : .none },
        "dynamic NTK and log-n attention": { $0.longContext = QwenLongContext(context: 77, dynamicNTK: true, logNAttention: true) },
        "attention temperature":     { $0.temperature = AttentionTemperature(slope: 0.7, context: 77) },
        "norm":                      { $0.norms.kind = $0.norms.kind == .rms ? .layer : .rms },
        "norm weights":              { $0.norms.hasWeights.toggle() },
        "norm weight offset":        { $0.norms.offset += 1 },
        "embedding norm":            { $0.norms.normalizesEmbedding.toggle() },
        "learned positions":         { $0.learnedPositions = $0.learnedPositions == nil ? LearnedPositions(count: 128) : nil },
        "ALiBi maximum":             { $0.alibi.maximum *= 2 },
        "scaled ALiBi":              { $0.alibi.isScaled.toggle() },
        "pre-norms":                 { $0.layers[1].norms.hasPreNorms.toggle() },
        "post-norms":                { $0.eachLayer { $0.norms.hasPostNorms.toggle() } },
        "post-LN":                   { $0.eachLayer { $0.norms.isPostLN.toggle() } },
        "output norm":               { $0.norms.hasOutputNorm.toggle() },
        "QK norm":                   { $0.eachLayer { $0.norms.qk = $0.norms.qk == .none ? .perHead : .none } },
        "embedding multiplier":      { $0.multipliers.embedding *= 3 },
        "residual multiplier":       { $0.multipliers.residual *= 3 },
        "attention scale":           { $0.multipliers.attention = $0.attentionScale * 3 },
        "attention scale by inverse layer index": { $0.multipliers.dividesAttentionByLayer.toggle() },
        "logit divisor":             { $0.multipliers.logitDivisor *= 3 },
        "latent attention":          { $0.layers[1].latentAttention = $0.layers[1].latentAttention == nil ? everything.latentAttention : nil },
        "query rank":                { $0.eachLayer { $0.latentAttention?.queryRank = 77 } },
        "non-rotary head dimension": { $0.eachLayer { $0.latentAttention?.nopeHeadDimension += 2 } },
        "rotary head dimension":     { $0.eachLayer { $0.latentAttention?.ropeHeadDimension += 2 } },
        "value head dimension":      { $0.eachLayer { $0.latentAttention?.valueDimension += 2 } },
        "indexer heads":             { $0.eachLayer { $0.latentAttention?.toggleIndexer() } },
        "indexer head dimension":    { $0.eachLayer { $0.latentAttention?.indexer?.headDimension *= 2 } },
        "tokens picked by indexers": { $0.eachLayer { $0.latentAttention?.indexer?.pickedCount *= 2 } },
        "neighbours turned by indexers": { $0.eachLayer { $0.latentAttention?.indexer?.turnsNeighbours.toggle() } },
        "shared indexer":            { $0.layers[1].sharesIndexer.toggle() },
        "experts":                   { $0.layers[1].experts = $0.layers[1].experts == nil ? everything.experts : nil },
        "experts per token":         { $0.eachLayer { $0.experts?.usedCount += 1 } },
        "expert feed-forward size":  { $0.eachLayer { $0.experts?.feedForwardSize *= 2 } },
        "normalized expert weights": { $0.eachLayer { $0.experts?.normalizesWeights.toggle() } },
        "expert latent size":        { $0.eachLayer { $0.experts?.latentSize = 48 } },
        "shared expert size":        { $0.eachLayer { $0.experts?.toggleShared() } },
        "shared expert gate":        { $0.eachLayer { $0.experts?.shared?.isGated.toggle() } },
        "router score":              { $0.eachLayer { $0.experts?.routing.toggleScore() } },
        "router bias":               { $0.eachLayer { $0.experts?.routing.hasBias.toggle() } },
        "expert groups":             { $0.eachLayer { $0.experts?.routing.toggleGroups() } },
        "expert groups per token":   { $0.eachLayer { $0.experts?.routing.groups?.usedCount = 3 } },
        "experts that rank a group": { $0.eachLayer { $0.experts?.routing.groups?.scoreCount = 7 } },
        "routed scaling factor":     { $0.eachLayer { $0.experts?.routing.factor *= 3 } },
        "router sum epsilon":        { $0.eachLayer { $0.experts?.routing.sumEpsilon = 1e-3 } },
        "router tolerance":          { $0.eachLayer { $0.experts?.routing.tolerance = 0.3 } },
        "sliding window":            { $0.layers[1].slidingWindow = $0.layers[1].slidingWindow == nil ? 32 : nil },
    ]

    @Test func everyFieldIsChanged() {
        let fields = ModelConfiguration.fields.filter { ![.family, .specialTokens].contains($0.kind) }
        #expect(Set(fields.map(\.name)) == Set(Self.mutations.keys))
    }

    /// Each field of each family's model, changed alone: what the target states has the new value, or the change was
    /// folded into weights, warned of, or refused. Never is the old value stated without a word.
    @Test(arguments: Family.all.map(\.name))
    func changesAreNotLost(family name: String) throws {
        let family = try Family.named(name)
        let sample = try FamilySupport(family).sample
        let biases = Set(sample.entries.filter { $0.slot.part == .bias }.map(\.slot.role))
        var changes = 0
        for (field, mutate) in Self.mutations {
            var changed = sample.configuration
            mutate(&changed)
            let graph = FamilySupport.zeros(changed, family, biases: biases)
            guard changed.differences(from: sample.configuration).contains(where: { $0.field.name == field }) else {
                continue
            }
            changes += 1
            func expectStated(_ target: String, _ stated: ModelConfiguration, isSaid: Bool) {
                let isLost = changed.differences(from: stated).contains { $0.field.name == field }
                #expect(!isLost || isSaid, "\(field) of \(name) to \(target)")
            }
            for other in [family, .llama] {
                guard
                    let outcome = try? HuggingFaceLowering(family: other).lower(
                        graph, isZero: { _ in false }, hasUnitRows: { _ in false })
                else { continue }
                let written = HuggingFaceConfiguration.write(
                    .init(
                        family: other, configuration: outcome.configuration, isTied: outcome.isTied,
                        biases: outcome.biases, dtype: .bf16, original: nil, ropeScaling: nil))
                expectStated(
                    other.name,
                    try HuggingFaceConfiguration(object: written, file: "config.json").configuration(of: other),
                    isSaid: !outcome.notes.isEmpty || !outcome.warnings.isEmpty || !outcome.types.isEmpty)
            }
            if let architecture = try? GGUFArchitecture.of(family: name),
                let adaptation = try? GGUFAdaptation(graph, to: architecture)
            {
                expectStated(
                    "GGUF", try GGUFAdaptation.stated(of: adaptation.graph.configuration, by: architecture),
                    isSaid: !adaptation.notes.isEmpty || !adaptation.warnings.isEmpty || !adaptation.types.isEmpty)
            }
            if let adaptation = try? TargetAdaptation(graph, to: "Megatron", stating: changed.asMegatronStates) {
                expectStated(
                    "Megatron", adaptation.graph.configuration,
                    isSaid: !adaptation.notes.isEmpty || !adaptation.warnings.isEmpty || !adaptation.types.isEmpty)
            }
        }
        #expect(changes > 25)
    }
}

extension LatentAttention {
    fileprivate mutating func toggleIndexer() {
        indexer =
            indexer == nil
            ? TokenIndexer(headCount: 4, headDimension: 16, pickedCount: 32, turnsNeighbours: false) : nil
    }
}

extension ExpertConfiguration {
    fileprivate mutating func toggleShared() {
        shared = shared == nil ? SharedExpert(feedForwardSize: 32, isGated: true) : nil
    }
}

extension Routing {
    fileprivate mutating func toggleScore() { score = score == .softmax ? .sigmoid : .softmax }

    fileprivate mutating func toggleGroups() {
        groups = groups == nil ? Groups(count: 4, usedCount: 2, scoreCount: 2) : nil
    }
}
