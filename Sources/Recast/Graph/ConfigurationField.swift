/// A field of a model's configuration, by the name it has among those who build such models.
///
/// ``ModelConfiguration/fields`` is the one list of what two configurations are compared by: when a target is adapted to, when
/// what was written is read again, by `diff`, by Megatron's args against a `config.json`.
package struct ConfigurationField: Sendable {
    package enum Kind: Sendable, Hashable {
        /// Which program computes the model.
        case family
        /// What shapes of tensors, or the order of their rows, follow from.
        case size
        /// What is computed with the tensors.
        case computation
        /// The longest text that the model was made for.
        case contextLength
        /// The ids of tokens that programs look for.
        case specialTokens
    }

    package let name: String
    package let kind: Kind
    /// Where it stands.
    let member: Member
    /// What it is for people: `8`, `RMSNorm`, `none`.
    package let text: @Sendable (ModelConfiguration) -> String
    private(set) var isSame: @Sendable (ModelConfiguration, ModelConfiguration) -> Bool

    enum Member: Sendable {
        case ofModel(any PartialKeyPath<ModelConfiguration> & Sendable)
        case ofLayer(any PartialKeyPath<LayerConfiguration> & Sendable)
    }

    init<Value: Equatable & Sendable>(
        _ name: String, _ kind: Kind, _ path: KeyPath<ModelConfiguration, Value> & Sendable,
        text: @escaping @Sendable (Value) -> String = { "\($0)" },
        isSame: (@Sendable (ModelConfiguration, ModelConfiguration) -> Bool)? = nil
    ) {
        self.name = name
        self.kind = kind
        member = .ofModel(path)
        self.text = { text($0[keyPath: path]) }
        self.isSame = isSame ?? { $0[keyPath: path] == $1[keyPath: path] }
    }

    /// A field of each layer.
    private init<Value: Hashable & Sendable>(
        _ name: String, _ kind: Kind, layer path: KeyPath<LayerConfiguration, Value> & Sendable, of whole: Whole?,
        text: @escaping @Sendable (Value) -> String, isSame: @escaping @Sendable (Value, Value) -> Bool
    ) {
        self.name = name
        self.kind = kind
        member = .ofLayer(path)
        self.text = { $0.text(of: path, text) }
        self.isSame = { a, b in
            // How many there are is a field of its own.
            if a.layers == b.layers || a.layerCount != b.layerCount { return true }
            return zip(a.layers, b.layers).allSatisfy { own, other in
                if let whole, !whole.isIn(own) || !whole.isIn(other) { return true }
                return isSame(own[keyPath: path], other[keyPath: path])
            }
        }
    }

    /// A field that may be missing.
    static func optional<Value: Equatable & Sendable>(
        _ name: String, _ kind: Kind, _ path: KeyPath<ModelConfiguration, Value?> & Sendable,
        text: @escaping @Sendable (Value) -> String = { "\($0)" }
    ) -> ConfigurationField {
        ConfigurationField(name, kind, path, text: { $0.map(text) ?? "none" })
    }

    /// A number as float32 has it: that is what GGUF stores, and what programs compute with.
    static func number(
        _ name: String, _ path: KeyPath<ModelConfiguration, Double> & Sendable
    ) -> ConfigurationField {
        ConfigurationField(name, .computation, path, text: \.plain) {
            Float($0[keyPath: path]) == Float($1[keyPath: path])
        }
    }

    static func optionalNumber(
        _ name: String, _ path: KeyPath<ModelConfiguration, Double?> & Sendable
    ) -> ConfigurationField {
        ConfigurationField(name, .computation, path, text: { $0.map(\.plain) ?? "none" }) {
            $0[keyPath: path].map { Float($0) } == $1[keyPath: path].map { Float($0) }
        }
    }

    /// What a model has or has not.
    static func flag(
        _ name: String, _ path: KeyPath<ModelConfiguration, Bool> & Sendable
    ) -> ConfigurationField {
        ConfigurationField(name, .computation, path, text: { $0 ? "yes" : "no" })
    }

    // Of layers. Where all that a field belongs to is missing in one of two, that is said once, by the field that stands
    // for all.

    static func layer<Value: Hashable & Sendable>(
        _ name: String, _ kind: Kind, _ path: KeyPath<LayerConfiguration, Value> & Sendable,
        text: @escaping @Sendable (Value) -> String,
        isSame: (@Sendable (ModelConfiguration, ModelConfiguration) -> Bool)? = nil
    ) -> ConfigurationField {
        var field = ConfigurationField(name, kind, layer: path, of: nil, text: text, isSame: ==)
        if let isSame { field.isSame = isSame }
        return field
    }

    static func optionalOfLayer<Value: Hashable & Sendable>(
        _ name: String, _ kind: Kind, _ path: KeyPath<LayerConfiguration, Value?> & Sendable, of whole: Whole? = nil,
        text: @escaping @Sendable (Value) -> String = { "\($0)" }
    ) -> ConfigurationField {
        ConfigurationField(name, kind, layer: path, of: whole, text: { $0.map(text) ?? "none" }, isSame: ==)
    }

    static func optionalNumberOfLayer(
        _ name: String, _ path: KeyPath<LayerConfiguration, Double?> & Sendable, of whole: Whole? = nil
    ) -> ConfigurationField {
        ConfigurationField(name, .computation, layer: path, of: whole, text: { $0.map(\.plain) ?? "none" }) { a, b in
            a.map { Float($0) } == b.map { Float($0) }
        }
    }

    static func layerFlag(
        _ name: String, _ path: KeyPath<LayerConfiguration, Bool> & Sendable
    ) -> ConfigurationField {
        layer(name, .computation, path) { $0 ? "yes" : "no" }
    }

    static func optionalFlagOfLayer(
        _ name: String, _ path: KeyPath<LayerConfiguration, Bool?> & Sendable, of whole: Whole
    ) -> ConfigurationField {
        optionalOfLayer(name, .computation, path, of: whole) { $0 ? "yes" : "no" }
    }

    enum Whole: Sendable {
        case latentAttention, indexer, experts, sharedExpert, expertGroups

        func isIn(_ layer: LayerConfiguration) -> Bool {
            switch self {
            case .latentAttention: layer.latentAttention != nil
            case .indexer: layer.latentAttention?.indexer != nil
            case .experts: layer.experts != nil
            case .sharedExpert: layer.experts?.shared != nil
            case .expertGroups: layer.experts?.routing.groups != nil
            }
        }
    }
}

extension ModelConfiguration {
    /// A field that two configurations have otherwise, and what each says.
    struct Difference: Sendable {
        var field: ConfigurationField
        var own: String
        var other: String
    }

    /// Every field that another description of this model has otherwise.
    func differences(from other: ModelConfiguration) -> [Difference] {
        Self.fields.filter { !$0.isSame(self, other) }.map {
            Difference(field: $0, own: $0.text(self), other: $0.text(other))
        }
    }

    /// Whether the two describe the same model, but for the ids of special tokens.
    func isEquivalent(to other: ModelConfiguration) -> Bool {
        Self.fields.allSatisfy { $0.kind == .specialTokens || $0.isSame(self, other) }
    }
}
