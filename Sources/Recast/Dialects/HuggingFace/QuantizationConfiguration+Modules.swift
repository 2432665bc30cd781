/// Modules of a checkpoint that are not all stored alike, and how configurations name them.
extension QuantizationConfiguration.Draft {
    /// What a configuration tells apart.
    struct ModuleKind: Hashable {
        var format: PackedEncoding.Format
        var scheme: Scheme

        init(_ encoding: PackedEncoding) { (format, scheme) = (encoding.format, encoding.scheme) }
    }

    typealias Group = (kind: ModuleKind, modules: [Module])

    /// The modules of each kind, that of most of them first.
    var groups: [Group] {
        var groups: [Group] = [(ModuleKind(encoding), [])]
        for module in modules {
            guard let kind = module.kind else { continue }
            if let index = groups.firstIndex(where: { $0.kind == kind }) {
                groups[index].modules.append(module)
            } else {
                groups.append((kind, [module]))
            }
        }
        return groups
    }

    private var all: [Module] { modules + plain }

    /// What is not stored as most is.
    var exceptions: [Group] { Array(groups.dropFirst()) }

    /// - Throws: `unsupported` where programs have one module for weights that are stored differently, and could not load them.
    func checkModules() throws(RecastError) {
        guard encoding.format == .mlx else { return }
        for (name, own) in Dictionary(grouping: all, by: { MLXNames.module($0.name) }) {
            guard Set(own.map(\.kind)).count > 1 else { continue }
            throw .unsupported("\(name): mlx-lm has one weight for all experts; they need one encoding")
        }
    }

    /// compressed-tensors' names of modules: whole, or an expression for all experts of a layer.
    func targets(of modules: [Module]) -> [String] {
        let isWhole = wholeExperts(among: modules)
        var names: [String] = []
        for module in modules {
            if let experts = module.expertsName, isWhole.contains(experts) {
                names.append("re:^\(Self.escaped(experts))\\..+$")
            } else {
                names.append(module.name)
            }
        }
        return names.unique
    }

    /// Expressions of which each matches some of the modules and no other, under the names, too, that vLLM has for several as
    /// one.
    func patterns(of modules: [Module]) -> [String] {
        let isWhole = wholeExperts(among: modules)
        let parts = Dictionary(grouping: all.filter { $0.fusedName != nil }) { $0.fusedName! }
        var patterns: [String] = []
        for module in modules {
            if let experts = module.expertsName, isWhole.contains(experts) {
                patterns.append("\(Self.escaped(experts))(\\..+)?")
            } else if let fused = module.fusedName {
                let parts = parts[fused] ?? []
                let isWhole = parts.allSatisfy { $0.kind == module.kind }
                let stem = fused.split(separator: ".").dropLast().joined(separator: ".")
                let names = (parts.map(\.name) + [fused]).map { String($0.split(separator: ".").last!) }.unique
                patterns.append(
                    isWhole
                        ? "\(Self.escaped(stem))\\.(\(names.joined(separator: "|")))" : Self.escaped(module.name))
            } else {
                patterns.append(Self.escaped(module.name))
            }
        }
        return patterns.unique
    }

    /// The experts of layers of which all are among some modules.
    private func wholeExperts(among modules: [Module]) -> Set<String> {
        var counts: [String: Int] = [:]
        for module in all { if let name = module.expertsName { counts[name, default: 0] += 1 } }
        for module in modules { if let name = module.expertsName { counts[name]! -= 1 } }
        return Set(counts.filter { $0.value == 0 }.keys)
    }

    private static func escaped(_ name: String) -> String { name.replacing(".", with: "\\.") }
}

extension QuantizationConfiguration.Draft.Module {
    var kind: QuantizationConfiguration.Draft.ModuleKind? {
        encoding.map(QuantizationConfiguration.Draft.ModuleKind.init)
    }

    /// What all experts of the layer are in: `model.layers.0.mlp.experts`.
    var expertsName: String? {
        let parts = name.split(separator: ".")
        guard slot == nil || slot?.expert != nil, let index = parts.lastIndex(of: "experts") else { return nil }
        guard slot != nil || parts.dropFirst(index + 1).first.map({ Int($0) != nil }) == true else { return nil }
        return parts[...index].joined(separator: ".")
    }

    /// The module that vLLM and SGLang make of this and others of the layer.
    var fusedName: String? {
        guard let slot, slot.expert == nil, let dot = name.lastIndex(of: ".") else { return nil }
        let parts: [(roles: [Role], name: String)] = [
            ([.query, .key, .value], "qkv_proj"), ([.gate, .up], "gate_up_proj"),
            ([.sharedGate, .sharedUp], "gate_up_proj"), ([.queryDown, .keyValueDown], "fused_qkv_a_proj"),
        ]
        return parts.first { $0.roles.contains(slot.role) }.map { "\(name[..<dot]).\($0.name)" }
    }
}

/// The names that mlx-lm has for modules.
enum MLXNames {
    /// A matrix for each expert, under the names of the model's own layout, of stacks that hold all of a layer.
    static func separated(_ tensors: [NamedTensor]) -> [NamedTensor] {
        guard tensors.contains(where: { $0.name.contains(".switch_mlp.") }) else { return tensors }
        return tensors.flatMap { tensor -> [NamedTensor] in
            let parts = tensor.name.components(of: ".switch_mlp.")
            guard let (parent, rest) = parts, tensor.tensor.shape.count == 3 else { return [tensor] }
            var module = rest.split(separator: ".").map(String.init)
            if parent.hasSuffix("block_sparse_moe"), let own = mixtral.first(where: { $0.value == module[0] }) {
                module[0] = own.key
            }
            return (0..<tensor.tensor.batchCount).map { expert in
                NamedTensor(
                    "\(parent).experts.\(expert).\(module.joined(separator: "."))", tensor.tensor.matrix(expert))
            }
        }
    }

    /// The same with the experts of a layer in one tensor each for gate, up and down, as mlx-lm has them.
    static func stacked(_ tensors: [TypedTensor]) -> [TypedTensor] {
        var stacks: [String: [TypedTensor]] = [:]
        for tensor in tensors {
            let name = module(tensor.name)
            if name != tensor.name { stacks[name, default: []].append(tensor) }
        }
        return tensors.flatMap { tensor -> [TypedTensor] in
            guard var stack = stacks[module(tensor.name)] else { return [tensor] }
            guard stack[0].name == tensor.name else { return [] }
            stack.sort { expert($0.name) ?? 0 < expert($1.name) ?? 0 }
            for index in stack.indices {
                stack[index].stack = StackPlace(name: module(tensor.name), index: index, count: stack.count)
            }
            return stack
        }
    }

    private static func expert(_ name: String) -> Int? {
        let parts = name.split(separator: ".")
        return parts.lastIndex(of: "experts").flatMap { parts.dropFirst($0 + 1).first }.flatMap { Int($0) }
    }

    private static let mixtral = ["w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"]

    /// The experts of a layer are one module each for gate, up and down: `…mlp.switch_mlp.gate_proj`.
    static func module(_ name: String) -> String {
        let parts = name.split(separator: ".").map(String.init)
        guard let index = parts.lastIndex(of: "experts"), index + 2 < parts.count, Int(parts[index + 1]) != nil else {
            return name
        }
        let rest = parts[(index + 2)...].map { mixtral[$0] ?? $0 }
        return (parts[..<index] + ["switch_mlp"] + rest).joined(separator: ".")
    }
}

extension String {
    /// What is before and behind the first occurrence of a text.
    fileprivate func components(of separator: String) -> (String, String)? {
        guard let range = firstRange(of: separator) else { return nil }
        return (String(self[..<range.lowerBound]), String(self[range.upperBound...]))
    }
}
