/// What a tensor does in the model, whatever a family calls it.
public enum Role: String, Sendable, Hashable, Codable, CaseIterable {
    case tokenEmbedding
    case attentionNorm
    case query
    case key
    case value
    /// Of each query head, before it turns.
    case queryNorm
    /// Of each key head, before it turns.
    case keyNorm
    case attentionOutput
    case feedForwardNorm
    /// What picks experts.
    case router
    case gate
    case up
    case down
    case outputNorm
    case outputHead

    /// Whether there is one for each layer.
    public var isPerLayer: Bool {
        switch self {
        case .tokenEmbedding, .outputNorm, .outputHead: false
        default: true
        }
    }

    /// Whether it is the weight of a linear layer of a block: what the packed encodings quantize.
    public var isLinear: Bool {
        switch self {
        case .query, .key, .value, .attentionOutput, .gate, .up, .down: true
        case .tokenEmbedding, .attentionNorm, .queryNorm, .keyNorm, .feedForwardNorm, .router, .outputNorm, .outputHead:
            false
        }
    }

    /// Whether it is the weight of a norm: a vector, kept in float32 by GGUF.
    public var isNorm: Bool { isHeadNorm || self == .attentionNorm || self == .feedForwardNorm || self == .outputNorm }

    /// Whether it is of the feed-forward part of a layer, but for the norm before it.
    public var isFeedForward: Bool { self == .router || self == .gate || self == .up || self == .down }

    /// Whether it normalises heads, which only some models do.
    public var isHeadNorm: Bool { self == .queryNorm || self == .keyNorm }
}

/// The place of one tensor in the canonical graph.
public struct Slot: Sendable, Hashable, Codable {
    public enum Part: String, Sendable, Hashable, Codable {
        case weight
        case bias
    }

    public var role: Role
    public var layer: Int?
    public var expert: Int?
    public var part: Part

    public init(_ role: Role, layer: Int? = nil, expert: Int? = nil, _ part: Part = .weight) {
        self.role = role
        self.layer = layer
        self.expert = expert
        self.part = part
    }
}

extension Slot: CustomStringConvertible {
    /// `layers.3.query.bias`, `outputNorm.weight`.
    public var description: String {
        var names: [String] = []
        if let layer { names.append("layers.\(layer)") }
        names.append(role.rawValue)
        if let expert { names.append("experts.\(expert)") }
        names.append(part.rawValue)
        return names.joined(separator: ".")
    }
}
