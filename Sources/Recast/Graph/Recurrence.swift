/// A token mixer with a state of fixed size, however long the text is: a short convolution over the last tokens, and in most
/// kinds a linear recurrence behind it.
public enum Recurrence: Sendable, Hashable, Codable {
    case gatedDeltaNet(GatedDeltaNet)
    case shortConvolution(ShortConvolution)
    case mamba(Mamba)
    case mamba2(Mamba2)
}

/// The gated delta rule (Qwen3-Next, Qwen3.5): each value head has a matrix that forgets, and of which what a key finds is
/// replaced by a value.
///
/// Each key head serves `valueHeadCount / keyHeadCount` neighbouring value heads. Source: transformers 5.23,
/// `modeling_qwen3_next.py`.
public struct GatedDeltaNet: Sendable, Hashable, Codable {
    public var keyHeadCount: Int
    public var valueHeadCount: Int
    public var keyHeadDimension: Int
    public var valueHeadDimension: Int
    /// Tokens that the convolution sees, the newest included.
    public var convolutionSize: Int

    public init(
        keyHeadCount: Int, valueHeadCount: Int, keyHeadDimension: Int, valueHeadDimension: Int, convolutionSize: Int
    ) {
        self.keyHeadCount = keyHeadCount
        self.valueHeadCount = valueHeadCount
        self.keyHeadDimension = keyHeadDimension
        self.valueHeadDimension = valueHeadDimension
        self.convolutionSize = convolutionSize
    }

    /// Elements of the keys of a token, and of its queries.
    public var keyRows: Int { keyHeadCount * keyHeadDimension }
    public var valueRows: Int { valueHeadCount * valueHeadDimension }
}

/// A convolution between two gates, without a recurrence (LFM2): `out(C · convolution(B · x))`. Source: transformers 5.23,
/// `modeling_lfm2.py`.
public struct ShortConvolution: Sendable, Hashable, Codable {
    /// Elements of a token; each has a kernel of its own.
    public var channelCount: Int
    public var convolutionSize: Int

    public init(channelCount: Int, convolutionSize: Int) {
        self.channelCount = channelCount
        self.convolutionSize = convolutionSize
    }
}

/// The selective state space of Mamba 1: each channel has a state of its own. Source: transformers 5.23, `modeling_mamba.py`.
public struct Mamba: Sendable, Hashable, Codable {
    /// How the time step and the input and output of the state are normalised.
    public enum StateNorms: String, Sendable, Hashable, Codable {
        case none
        /// With weights (Jamba).
        case weighted
        /// Without (Falcon Mamba).
        case plain
    }

    /// Channels.
    public var innerSize: Int
    /// Elements of the state of a channel.
    public var stateSize: Int
    /// Elements of what time steps are made of.
    public var timeStepRank: Int
    public var convolutionSize: Int
    public var stateNorms: StateNorms
    /// Of ``StateNorms/plain``; the others have the model's.
    public var stateNormEpsilon: Double?

    public init(
        innerSize: Int, stateSize: Int, timeStepRank: Int, convolutionSize: Int, stateNorms: StateNorms = .none,
        stateNormEpsilon: Double? = nil
    ) {
        self.innerSize = innerSize
        self.stateSize = stateSize
        self.timeStepRank = timeStepRank
        self.convolutionSize = convolutionSize
        self.stateNorms = stateNorms
        self.stateNormEpsilon = stateNormEpsilon
    }
}

/// The state space of Mamba 2: channels in heads, each of which forgets at one rate. Source: transformers 5.23,
/// `modeling_mamba2.py`.
public struct Mamba2: Sendable, Hashable, Codable {
    public enum Gate: String, Sendable, Hashable, Codable {
        /// Multiplied by the gate, without a norm.
        case plain
        /// Multiplied by the gate, then normalised by groups.
        case beforeNorm
        /// Normalised by groups, then multiplied by the gate.
        case afterNorm
    }

    public var headCount: Int
    public var headDimension: Int
    /// Of heads that share the input and the output of the state.
    public var groupCount: Int
    /// Rows of the state of a head.
    public var stateSize: Int
    public var convolutionSize: Int
    public var gate: Gate
    /// Channels that are normalised together are so many-th of all.
    public var normGroupCount: Int
    /// What time steps are at least; nil for zero.
    public var minimumTimeStep: Double?
    /// What time steps are at most; nil for no limit.
    public var maximumTimeStep: Double?

    public init(
        headCount: Int, headDimension: Int, groupCount: Int, stateSize: Int, convolutionSize: Int,
        gate: Gate = .beforeNorm, normGroupCount: Int = 1, minimumTimeStep: Double? = nil,
        maximumTimeStep: Double? = nil
    ) {
        self.headCount = headCount
        self.headDimension = headDimension
        self.groupCount = groupCount
        self.stateSize = stateSize
        self.convolutionSize = convolutionSize
        self.gate = gate
        self.normGroupCount = normGroupCount
        self.minimumTimeStep = minimumTimeStep
        self.maximumTimeStep = maximumTimeStep
    }

    /// Channels.
    public var innerSize: Int { headCount * headDimension }
}

extension Recurrence {
    public var delta: GatedDeltaNet? { if case .gatedDeltaNet(let net) = self { net } else { nil } }
    public var mamba: Mamba? { if case .mamba(let mamba) = self { mamba } else { nil } }
    public var mamba2: Mamba2? { if case .mamba2(let mamba) = self { mamba } else { nil } }

    /// The same without what changes no shape.
    public var sizes: Recurrence {
        switch self {
        case .mamba(var mamba):
            mamba.stateNormEpsilon = nil
            return .mamba(mamba)
        case .mamba2(var mamba):
            (mamba.minimumTimeStep, mamba.maximumTimeStep) = (nil, nil)
            return .mamba2(mamba)
        case .gatedDeltaNet, .shortConvolution: return self
        }
    }

    /// What the field calls it.
    public var name: String {
        switch self {
        case .gatedDeltaNet: "gated delta net"
        case .shortConvolution: "gated short convolution"
        case .mamba: "Mamba"
        case .mamba2: "Mamba-2"
        }
    }

    /// Tokens that the convolution sees, the newest included.
    public var convolutionSize: Int {
        switch self {
        case .gatedDeltaNet(let net): net.convolutionSize
        case .shortConvolution(let convolution): convolution.convolutionSize
        case .mamba(let mamba): mamba.convolutionSize
        case .mamba2(let mamba): mamba.convolutionSize
        }
    }

    /// What goes through the convolution.
    public var channelCount: Int {
        switch self {
        case .gatedDeltaNet(let net): 2 * net.keyRows + net.valueRows
        case .shortConvolution(let convolution): convolution.channelCount
        case .mamba(let mamba): mamba.innerSize
        case .mamba2(let mamba): mamba.innerSize + 2 * mamba.groupCount * mamba.stateSize
        }
    }

    /// Rows of the projection into it: queries, keys and values; `B`, `C` and `x`; `x` and the gate; or the gate, `x`, `B`, `C` and
    /// time steps.
    public var inputRows: Int {
        switch self {
        case .gatedDeltaNet: channelCount
        case .shortConvolution(let convolution): 3 * convolution.channelCount
        case .mamba(let mamba): 2 * mamba.innerSize
        case .mamba2(let mamba): mamba.innerSize + channelCount + mamba.headCount
        }
    }

    /// Columns of the projection out of it.
    public var outputColumns: Int {
        switch self {
        case .gatedDeltaNet(let net): net.valueRows
        case .shortConvolution(let convolution): convolution.channelCount
        case .mamba(let mamba): mamba.innerSize
        case .mamba2(let mamba): mamba.innerSize
        }
    }

    /// Numbers of the state, besides what the convolution remembers.
    public var stateCount: Int {
        switch self {
        case .gatedDeltaNet(let net): net.keyHeadDimension * net.valueRows
        case .shortConvolution: 0
        case .mamba(let mamba): mamba.innerSize * mamba.stateSize
        case .mamba2(let mamba): mamba.innerSize * mamba.stateSize
        }
    }

    /// `Mamba-2: 128 heads of 64, state 128, 8 groups, convolution 4`.
    public var text: String {
        let convolution = ", convolution \(convolutionSize)"
        switch self {
        case .gatedDeltaNet(let net):
            return
                "\(name): \(net.keyHeadCount) key heads of \(net.keyHeadDimension), \(net.valueHeadCount) value heads of "
                + "\(net.valueHeadDimension)\(convolution)"
        case .shortConvolution(let own): return "\(name): \(own.channelCount) channels\(convolution)"
        case .mamba(let mamba):
            return "\(name): \(mamba.innerSize) channels, state \(mamba.stateSize), time step rank "
                + "\(mamba.timeStepRank)\(convolution), norms of the state \(mamba.stateNorms.rawValue)"
        case .mamba2(let mamba):
            let gate: [Mamba2.Gate: String] = [
                .plain: "gate without a norm", .beforeNorm: "gate before the norm", .afterNorm: "gate after the norm",
            ]
            return "\(name): \(mamba.headCount) heads of \(mamba.headDimension), state \(mamba.stateSize), "
                + "\(mamba.groupCount) groups\(convolution), \(gate[mamba.gate]!)"
                + (mamba.gate == .plain || mamba.normGroupCount == 1 ? "" : " by \(mamba.normGroupCount) groups")
        }
    }
}

extension Recurrence {
    /// The shape of one of its tensors; one that it does not have has no rows.
    func shape(of role: Role, hiddenSize: Int) -> [Int] {
        let (heads, norm) =
            switch self {
            case .gatedDeltaNet(let net): (net.valueHeadCount, net.valueHeadDimension)
            case .mamba2(let mamba): (mamba.headCount, mamba.innerSize)
            case .mamba(let mamba): (mamba.innerSize, 0)
            case .shortConvolution: (0, 0)
            }
        let (rank, state) = (mamba?.timeStepRank ?? 0, mamba?.stateSize ?? 0)
        return switch role {
        case .recurrentInput: [inputRows, hiddenSize]
        case .recurrentGate: [outputColumns, hiddenSize]
        case .recurrentBeta, .recurrentAlpha: [heads, hiddenSize]
        case .convolution: [channelCount, convolutionSize]
        case .stateProjection: [rank + 2 * state, channelCount]
        case .timeStepNorm: [rank]
        case .stateInputNorm, .stateOutputNorm: [state]
        case .timeStep: [channelCount, rank]
        case .timeStepBias, .stateSkip: [heads]
        case .stateDecay: mamba == nil ? [heads] : [channelCount, state]
        case .recurrentNorm: [norm]
        case .recurrentOutput: [hiddenSize, outputColumns]
        default: [0]
        }
    }
}

/// In which form the rates at which recurrent layers forget are stored.
public enum StateDecayForm: String, Sendable, Hashable, Codable {
    /// `ln(−A)` (Hugging Face)
    case logarithm
    /// `A` itself (GGUF)
    case plain
}
