/// A graph that says no more than a target can state: what the target has no place for is folded into weights where that
/// changes nothing but their last bits. In the end the target states what the source states, field by field
/// (``ModelConfiguration/fields``), or the graph is refused with every field that differs.
///
/// Source of the folds: Specs/families.md §1.
struct TargetAdaptation {
    /// What the target is called in messages: `LlamaForCausalLM`.
    let target: String
    /// What the target will compute, by what would be written for it.
    let stated: ModelConfiguration
    var graph: Graph
    /// The types of weights before they were computed with.
    var types: [Slot: DType] = [:]
    var notes: [String] = []
    var warnings: [String] = []
    /// What the target computes otherwise, where that was allowed.
    private(set) var inexactness: [String] = []
    /// Why a field could not be folded, by its name.
    private var reasons: [String: String] = [:]
    let lastNormHasBias: Bool
    /// Whether query norms hold what the target's attention scale does not say.
    var holdsAttentionScale = false
    /// Whether the source's configuration goes along, and is believed when the target is read again.
    let carriesSource: Bool

    /// - Parameters:
    ///   - lastNormHasBias: whether the bias of the last norm is anything but zero, where there is one.
    ///   - carriesSource: whether the source's configuration goes along, and is believed when the target is read again: then
    ///     nothing that it says may be in the weights as well.
    ///   - allowsInexact: whether a target that computes something else with the same tensors will do.
    /// - Throws: `unsupported` with every field that differs.
    init(
        _ graph: Graph, to target: String, stating stated: ModelConfiguration, lastNormHasBias: Bool = true,
        carriesSource: Bool = false, allowsInexact: Bool = false
    ) throws(RecastError) {
        self.target = target
        self.lastNormHasBias = lastNormHasBias
        self.carriesSource = carriesSource
        self.stated = stated
        self.graph = graph
        let contextLength = own.contextLength
        leaveOutWhatLongTextsNeed()
        leaveOutErrorFunction()
        foldNorms()
        foldStateDecay()
        foldMultipliers()
        foldHead()
        foldRotaryFactor()
        repeatHeads()
        addGate()
        try resolveDifferences(allowsInexact: allowsInexact, contextLength: contextLength)
    }

    /// What the source states, as far as it is not folded yet.
    var own: ModelConfiguration { graph.configuration }

    mutating func explain(_ field: String, _ reason: String) { reasons[field] = reason }

    /// What changes nothing in texts up to some length: the target is right as far as that.
    private mutating func leaveOutWhatLongTextsNeed() {
        if let longContext = own.longContext, own.longContext != stated.longContext {
            graph.configuration.longContext = stated.longContext
            if !carriesSource { graph.configuration.contextLength = min(own.contextLength, longContext.context) }
            warnings.append(
                "beyond \(longContext.context) tokens \(own.family) switches to dynamic NTK and log-n attention, which \(target) "
                    + "lacks: up to there the results are the same")
        }
        if let temperature = own.temperature, stated.temperature == nil {
            graph.configuration.temperature = nil
            warnings.append(
                "beyond \(temperature.unchangedLength) tokens \(own.family) makes attention sharper by position (attention "
                    + "temperature), which \(target) lacks: up to there the results are the same")
        } else if let theirs = stated.temperature, Self.differ(own, stated) {
            let length = min(theirs.unchangedLength, own.temperature?.unchangedLength ?? theirs.unchangedLength)
            graph.configuration.temperature = theirs
            warnings.append(
                "attention temperature: \(own.temperature.text) in this \(own.family), \(stated.temperature.text) in "
                    + "\(target): up to \(length) tokens the results are the same")
        }
        let chunks = (own: own.layers.map(\.attentionChunk), stated: stated.layers.map(\.attentionChunk))
        if chunks.own != chunks.stated, chunks.own.count == chunks.stated.count,
            let size = (chunks.own + chunks.stated).compactMap(\.self).min()
        {
            func text(_ chunks: [Int?]) -> String {
                ModelConfiguration.text(of: chunks) { $0.map { "chunks of \($0) tokens" } ?? "the whole text" }
            }
            graph.configuration.eachLayer { $1.attentionChunk = chunks.stated[$0] }
            warnings.append(
                "attention chunks: this \(own.family) attends within \(text(chunks.own)), \(target) within "
                    + "\(text(chunks.stated)): up to \(size) tokens the results are the same")
        }
        leaveOutTimeStepMinimum()
        let windows = (own: own.layers.map(\.slidingWindow), stated: stated.layers.map(\.slidingWindow))
        if let window = own.slidingWindow, windows.own != windows.stated, windows.own.count == windows.stated.count,
            own.localRope == nil
        {
            let size = min(window, stated.slidingWindow ?? window)
            func text(_ windows: [Int?]) -> String {
                ModelConfiguration.text(of: windows) { $0.map { "the last \($0) tokens" } ?? "all tokens" }
            }
            graph.configuration.eachLayer { $1.slidingWindow = windows.stated[$0] }
            warnings.append(
                "sliding window: this \(own.family) attends to \(text(windows.own)), \(target) to "
                    + "\(text(windows.stated)): up to \(size) tokens the results are the same")
        }
        if case .dynamic(let factor, let context) = own.rope.scaling, stated.rope.scaling == .none {
            graph.configuration.rope.scaling = .none
            warnings.append(
                "\(target) has no dynamic rotary scaling (factor \(factor.plain)): up to \(context) tokens the results are "
                    + "the same")
        }
    }

    /// Whether two models have attention temperatures that differ, as far as float32 can tell.
    private static func differ(_ a: ModelConfiguration, _ b: ModelConfiguration) -> Bool {
        ModelConfiguration.fields.contains { $0.name == "attention temperature" && !$0.isSame(a, b) }
    }

    /// Only transformers keeps the time steps of Nemotron-H from falling below a number that was meant for training.
    private mutating func leaveOutTimeStepMinimum() {
        guard let minimum = own.recurrence?.mamba2?.minimumTimeStep, let theirs = stated.recurrence?.mamba2,
            theirs.minimumTimeStep == nil
        else { return }
        graph.configuration.eachLayer {
            guard case .recurrent(.mamba2(var mamba)) = $0.mixer else { return }
            mamba.minimumTimeStep = nil
            $0.mixer = .recurrent(.mamba2(mamba))
        }
        warnings.append(
            "time step minimum: transformers computes \(own.family) with time steps of \(minimum.plain) at least, \(target) and the "
                + "publisher's program with none")
    }

    /// llama.cpp has one function for both kinds of GELU, and takes it from a table of float16: what it computes of the one is
    /// as far off as what it computes of the other.
    private mutating func leaveOutErrorFunction() {
        guard carriesSource, own.canonicalActivation == "gelu", stated.canonicalActivation == "gelu_pytorch_tanh" else {
            return
        }
        graph.configuration.activation = stated.activation
        warnings.append(
            "activation: \(target) computes gelu by its approximation with tanh, as far as a table of float16 goes: each result "
                + "is off by up to 5e-4")
    }

    /// - Throws: `unsupported` with every field that the target would state otherwise, but for those that are allowed.
    private mutating func resolveDifferences(allowsInexact: Bool, contextLength: Int) throws(RecastError) {
        let all = own.differences(from: stated).filter { difference in
            // A context that was shortened here is written as it is.
            difference.field.kind != .contextLength || own.contextLength == contextLength
        }
        func line(_ difference: ModelConfiguration.Difference) -> String {
            let reason = reasons[difference.field.name].map { " (\($0))" } ?? ""
            return
                "\(difference.field.name): \(difference.own) in this \(own.family), \(difference.other) in \(target)\(reason)"
        }
        warnings += all.filter { $0.field.kind == .contextLength }.map(line)
        let differences = all.filter { [.size, .computation].contains($0.field.kind) }
        guard !differences.isEmpty else { return }
        let lines = differences.map(line)
        let needOtherTensors = Role.allCases.filter { own.has($0) != stated.has($0) }
        let isComputation = differences.allSatisfy { $0.field.kind == .computation } && needOtherTensors.isEmpty
        guard allowsInexact, isComputation else {
            let remedy = isComputation ? "; --allow-inexact writes it all the same" : ""
            throw .unsupported(lines.joined(separator: "; ") + remedy)
        }
        inexactness = lines
        let (family, special) = (own.family, own)
        graph.configuration = stated
        graph.configuration.family = family
        graph.configuration.bosTokens = special.bosTokens
        graph.configuration.eosTokens = special.eosTokens
        graph.configuration.paddingToken = special.paddingToken
    }
}
