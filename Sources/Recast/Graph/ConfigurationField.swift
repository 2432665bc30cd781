/// A field of a model's configuration, by the name it has among those who build such models.
///
/// ``ModelConfiguration/fields`` is the one list of what two configurations are compared by: when a target is adapted to, when
/// what was written is read again, by `diff`, by Megatron's args against a `config.json`.
public struct ConfigurationField: Sendable {
    public enum Kind: Sendable, Hashable {
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

    public let name: String
    public let kind: Kind
    /// Where it stands in ``ModelConfiguration``.
    let path: any PartialKeyPath<ModelConfiguration> & Sendable
    /// What it is for people: `8`, `RMSNorm`, `none`.
    public let text: @Sendable (ModelConfiguration) -> String
    let isSame: @Sendable (ModelConfiguration, ModelConfiguration) -> Bool

    init<Value: Equatable & Sendable>(
        _ name: String, _ kind: Kind, _ path: KeyPath<ModelConfiguration, Value> & Sendable,
        text: @escaping @Sendable (Value) -> String = { "\($0)" },
        isSame: (@Sendable (ModelConfiguration, ModelConfiguration) -> Bool)? = nil
    ) {
        self.name = name
        self.kind = kind
        self.path = path
        self.text = { text($0[keyPath: path]) }
        self.isSame = isSame ?? { $0[keyPath: path] == $1[keyPath: path] }
    }

    /// A field that may be missing; where all that it belongs to is missing in one of two models, that is said once, by the
    /// field that stands for all.
    static func optional<Value: Equatable & Sendable>(
        _ name: String, _ kind: Kind, _ path: KeyPath<ModelConfiguration, Value?> & Sendable, of whole: Whole? = nil,
        text: @escaping @Sendable (Value) -> String = { "\($0)" }
    ) -> ConfigurationField {
        ConfigurationField(name, kind, path, text: { $0.map(text) ?? "none" }) { a, b in
            if let whole, !whole.isIn(a) || !whole.isIn(b) { return true }
            return a[keyPath: path] == b[keyPath: path]
        }
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
        _ name: String, _ path: KeyPath<ModelConfiguration, Double?> & Sendable, of whole: Whole? = nil
    ) -> ConfigurationField {
        ConfigurationField(name, .computation, path, text: { $0.map(\.plain) ?? "none" }) { a, b in
            if let whole, !whole.isIn(a) || !whole.isIn(b) { return true }
            return a[keyPath: path].map { Float($0) } == b[keyPath: path].map { Float($0) }
        }
    }

    /// What a model has or has not.
    static func flag(
        _ name: String, _ path: KeyPath<ModelConfiguration, Bool> & Sendable
    ) -> ConfigurationField {
        ConfigurationField(name, .computation, path, text: { $0 ? "yes" : "no" })
    }

    static func optionalFlag(
        _ name: String, _ path: KeyPath<ModelConfiguration, Bool?> & Sendable, of whole: Whole
    ) -> ConfigurationField {
        optional(name, .computation, path, of: whole) { $0 ? "yes" : "no" }
    }

    enum Whole: Sendable {
        case latentAttention, experts, sharedExpert, expertGroups, slidingWindow

        func isIn(_ configuration: ModelConfiguration) -> Bool {
            switch self {
            case .latentAttention: configuration.latentAttention != nil
            case .experts: configuration.experts != nil
            case .sharedExpert: configuration.experts?.shared != nil
            case .expertGroups: configuration.experts?.routing.groups != nil
            case .slidingWindow: configuration.slidingWindow != nil
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
