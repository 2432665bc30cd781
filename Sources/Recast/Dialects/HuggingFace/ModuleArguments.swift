/// What the configuration of a quantized checkpoint says of each module: its general words, and those of whatever exceptions
/// it makes for the module's name.
struct ModuleArguments {
    /// The general words.
    let general: JSON.Object
    /// Exceptions in their order, of which the first that fits counts.
    private var rules: [Rule] = []
    private var exact: [String: JSON.Object] = [:]
    /// Of compressed-tensors, the groups that speak of a class of modules, and not of some by their names.
    private var classes: [JSON.Object] = []
    private let areGroups: Bool

    private struct Rule {
        var expression: Expression
        var words: JSON.Object
    }

    private static let maximumClassCount = 256
    private static let maximumRuleCount = 1024

    /// - Throws: `unsupported` for more exceptions than can be looked at, and for expressions that are none.
    init(_ method: QuantizedModules.Method, _ configuration: JSON.Object, file: String) throws(RecastError) {
        general = configuration
        areGroups = method == .compressedTensors
        do throws(RecastError) {
            switch method {
            case .compressedTensors: try readGroups()
            case .gptq, .awq:
                for member in configuration["dynamic"]?.object?.members ?? [] {
                    guard !member.key.hasPrefix("-:"), let words = member.value.object else { continue }
                    try add(member.key.hasPrefix("+:") ? String(member.key.dropFirst(2)) : member.key, words)
                }
                for member in configuration["extra_config"]?.object?.members ?? [] {
                    guard let words = member.value.object else { continue }
                    let name = member.key
                    if name.contains(where: { "*+?[(|^$\\".contains($0) }) {
                        try add(name, words)
                    } else {
                        exact[name] = words
                    }
                }
            case .modelOpt:
                for member in configuration["quantized_layers"]?.object?.members ?? [] {
                    exact[member.key] = member.value.object
                }
            case .bitsandbytes, .fp8, .mlx, .mxfp4: break
            }
        } catch { throw error.within(file) }
    }

    /// Targets are names of modules, expressions behind `re:`, or classes.
    private mutating func readGroups() throws(RecastError) {
        for member in general["config_groups"]?.object?.members ?? [] {
            let group = member.value
            guard var words = group["weights"]?.object else { continue }
            if words["format"] == nil { words["format"] = group["format"] }
            let targets = group["targets"]?.array?.compactMap(\.string) ?? []
            for target in targets where target != "Linear" {
                if target.hasPrefix("re:") {
                    try add(String(target.dropFirst(3)), words)
                } else if target.contains(".") {
                    exact[target] = words
                }
            }
            if targets.isEmpty || targets.contains(where: { !$0.hasPrefix("re:") && !$0.contains(".") }) {
                classes.append(words)
            }
        }
        guard classes.count <= Self.maximumClassCount else {
            throw .unsupported("\(classes.count) groups of quantization are more than can be read")
        }
    }

    private static let tooMany = RecastError(
        .unsupported, "more than \(maximumRuleCount) expressions for names of modules cannot be read")

    /// - Parameter pattern: that a name must begin with.
    private mutating func add(_ pattern: String, _ words: JSON.Object) throws(RecastError) {
        guard rules.count < Self.maximumRuleCount else { throw Self.tooMany }
        do throws(RecastError) {
            rules.append(Rule(expression: try Expression("\\A(?:\(pattern))"), words: words))
        } catch {
            throw .unsupported("the expression \"\(pattern)\" for names of modules cannot be used: \(error.message)")
        }
    }

    /// The words that hold for a module; of compressed-tensors the arguments of its weights, of which there may be several
    /// that only its tensors tell apart.
    func candidates(for module: String) throws(RecastError) -> [JSON.Object] {
        if let words = exact[module] { return [merged(words)] }
        for rule in rules where try rule.expression.isFound(in: module) { return [merged(rule.words)] }
        return areGroups ? classes : [general]
    }

    /// The words that hold for a module, where there can be only one set.
    func words(for module: String) throws(RecastError) -> JSON.Object {
        try candidates(for: module).first ?? general
    }

    private func merged(_ words: JSON.Object) -> JSON.Object {
        if areGroups { return words }
        var result = general
        for member in words.members { result[member.key] = member.value }
        return result
    }
}
