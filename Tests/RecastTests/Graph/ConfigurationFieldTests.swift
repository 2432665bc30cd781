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
        all.softCaps.attention = 50
        all.softCaps.logits = 30
        all.multipliers.attention = 0.5
        all.slidingRope = Rope(theta: 1_000, dimensions: 16)
        all.longContext = QwenLongContext(context: 64, dynamicNTK: true, logNAttention: true)
        all.latentAttention = LatentAttention(
            queryRank: 8, keyValueRank: 8, nopeHeadDimension: 8, ropeHeadDimension: 8, valueDimension: 8)
        all.experts = ExpertConfiguration(
            count: 8, usedCount: 2, feedForwardSize: 32, normalizesWeights: true, denseLayers: [0],
            shared: SharedExpert(feedForwardSize: 32, isGated: true),
            routing: Routing(groups: .init(count: 4, usedCount: 2, scoreCount: 2)))
        all.slidingWindow = SlidingWindow(size: 32, fullLayers: [1])
        all.bosTokens = [1]
        all.eosTokens = [2]
        all.paddingToken = 3
        return all
    }

    /// A member that no line speaks of could be lost without a word.
    @Test func everyFieldIsListed() {
        let listed = ModelConfiguration.fields.map { Self.name(of: $0.path) }
        #expect(Set(listed).count == listed.count)
        #expect(Set(ModelConfiguration.fields.map(\.name)).count == listed.count)
        let members = Self.members(of: Self.everything, "", stoppingAt: Set(listed))
        #expect(Set(members) == Set(listed))
    }

    /// `experts.routing.factor`
    private static func name(of path: PartialKeyPath<ModelConfiguration>) -> String {
        "\(path)".replacing("\\ModelConfiguration.", with: "").replacing("?", with: "")
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
            ("rotary scaling",       { $0.rope.scaling = .linear(factor: 2) }),
            ("local rotary",         { $0.slidingRope = nil }),
            ("attention scale",      { $0.multipliers.attention = nil }),
            ("latent attention",     { $0.latentAttention = nil }),
            ("experts",              { $0.experts = nil }),
            ("shared expert size",   { $0.experts?.shared = nil }),
            ("expert groups",        { $0.experts?.routing.groups = nil }),
            ("layers without window", { $0.slidingWindow?.fullLayers = [] }),
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
        #expect(Self.everything.differences(from: other).isEmpty)
        // One that is as usual is not stated twice.
        var usual = Self.everything
        usual.multipliers.attention = nil
        var stated = usual
        stated.multipliers.attention = 0.25
        #expect(usual.differences(from: stated).isEmpty)
    }

    // MARK: Nothing is lost on the way to a target

    /// A change of each field, from whatever it is.
    // swift-format-ignore
    private static let mutations: [String: @Sendable (inout ModelConfiguration) -> Void] = [
        "vocabulary size":           { $0.vocabularySize += 8 },
        "hidden size":               { $0.hiddenSize *= 2 },
        "layers":                    { $0.layerCount += 1 },
        "feed-forward size":         { $0.feedForwardSize *= 2 },
        "attention heads":           { $0.headCount *= 2 },
        "key/value heads":           { $0.keyValueHeadCount = $0.keyValueHeadCount == 1 ? 2 : 1 },
        "head dimension":            { $0.headDimension *= 2 },
        "context length":            { $0.contextLength *= 2 },
        "norm epsilon":              { $0.normEpsilon *= 3 },
        "activation":                { $0.activation = $0.activation == "silu" ? "relu" : "silu" },
        "normalized output head":    { $0.normalizesOutputHead.toggle() },
        "QKV clip":                  { $0.projectionLimit = ($0.projectionLimit ?? 4) + 1 },
        "attention soft-cap":        { $0.softCaps.attention = ($0.softCaps.attention ?? 20) + 1 },
        "logit soft-cap":            { $0.softCaps.logits = ($0.softCaps.logits ?? 20) + 1 },
        "rotary dimension":          { $0.rope.dimensions = $0.rope.dimensions == 8 ? 4 : 8 },
        "rotary base":               { $0.rope.theta *= 3 },
        "rotary scaling":            { $0.rope.scaling = .linear(factor: 3) },
        "local rotary":              { $0.slidingRope = Rope(theta: 77, dimensions: $0.rope.dimensions) },
        "layers without rotary":     { $0.unturnedLayers = $0.unturnedLayers == [0] ? [1] : [0] },
        "dynamic NTK and log-n attention": { $0.longContext = QwenLongContext(context: 77, dynamicNTK: true, logNAttention: true) },
        "ALiBi":                     { $0.hasALiBi.toggle() },
        "norm":                      { $0.norms.kind = $0.norms.kind == .rms ? .layer : .rms },
        "norm weights":              { $0.norms.hasWeights.toggle() },
        "norm weight offset":        { $0.norms.offset += 1 },
        "pre-norms":                 { $0.norms.hasPreNorms.toggle() },
        "post-norms":                { $0.norms.hasPostNorms.toggle() },
        "QK norm":                   { $0.norms.qk = $0.norms.qk == .none ? .perHead : .none },
        "embedding multiplier":      { $0.multipliers.embedding *= 3 },
        "residual multiplier":       { $0.multipliers.residual *= 3 },
        "attention scale":           { $0.multipliers.attention = $0.attentionScale * 3 },
        "logit divisor":             { $0.multipliers.logitDivisor *= 3 },
        "latent attention":          { $0.latentAttention = $0.latentAttention == nil ? everything.latentAttention : nil },
        "query rank":                { $0.latentAttention?.queryRank = 77 },
        "non-rotary head dimension": { $0.latentAttention?.nopeHeadDimension += 2 },
        "rotary head dimension":     { $0.latentAttention?.ropeHeadDimension += 2 },
        "value head dimension":      { $0.latentAttention?.valueDimension += 2 },
        "experts":                   { $0.experts = $0.experts == nil ? everything.experts : nil },
        "experts per token":         { $0.experts?.usedCount += 1 },
        "expert feed-forward size":  { $0.experts?.feedForwardSize *= 2 },
        "layers without experts":    { $0.experts?.denseLayers.toggle([1]) },
        "normalized expert weights": { $0.experts?.normalizesWeights.toggle() },
        "shared expert size":        { $0.experts?.toggleShared() },
        "shared expert gate":        { $0.experts?.shared?.isGated.toggle() },
        "router score":              { $0.experts?.routing.toggleScore() },
        "router bias":               { $0.experts?.routing.hasBias.toggle() },
        "expert groups":             { $0.experts?.routing.toggleGroups() },
        "expert groups per token":   { $0.experts?.routing.groups?.usedCount = 3 },
        "experts that rank a group": { $0.experts?.routing.groups?.scoreCount = 7 },
        "routed scaling factor":     { $0.experts?.routing.factor *= 3 },
        "sliding window":            { $0.slidingWindow = $0.slidingWindow == nil ? everything.slidingWindow : nil },
        "layers without window":     { $0.slidingWindow?.fullLayers.toggle([0]) },
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

extension [Int] {
    fileprivate mutating func toggle(_ one: [Int]) { self = self == one ? [2] : one }
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
