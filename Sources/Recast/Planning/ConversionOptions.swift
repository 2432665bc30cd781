/// What a conversion is asked to do.
public struct ConversionOptions: Sendable {
    public enum Target: Sendable, Hashable {
        /// `family` nil: the model's own.
        case huggingFace(family: String?)
        case gguf
        case megatron(MegatronTarget)
    }

    public enum FurtherLayers: String, Sendable, Hashable, CaseIterable { case drop, keep }

    public var target: Target
    /// The type of the weights; nil keeps what they have.
    public var dtype: DType?
    /// A file type of GGUF targets, with its choice for each tensor.
    package var encoding: GGUFFileType?
    /// An encoding of Hugging Face targets.
    public var packing: Packing?
    /// What else is asked of that encoding.
    public var quantization = QuantizationOptions()
    public var maximumShardSize: Int?
    /// A directory to take the tokenizer from.
    public var tokenizer: String?
    public var preTokenizer: String?
    /// Whether tensors that nobody knows are left out instead of refused.
    public var allowsUnknown = false
    /// Whether a target that computes something else with the same tensors is written, too.
    public var allowsInexact = false
    /// What becomes of layers for predicting further tokens (MTP), where that is said.
    public var furtherLayers: FurtherLayers?
    /// A `config.json`, or a directory with one, that describes the model of a Megatron checkpoint.
    public var huggingFaceConfiguration: String?
    /// How many tokens the vocabulary of a Megatron checkpoint has without its padding.
    public var vocabularySize: Int?
    /// Whether, where ranks of a Megatron checkpoint have different tensors that should be the same, the first is taken.
    public var allowsRankMismatch = false
    /// What was not asked for but taken by default, in the caller's words; said where the target is refused.
    public var defaults: [String] = []
    /// Weights whose codes a calibration has chosen, in the encodings that they are planned to have.
    package var calibrated: CalibratedWeights?
    /// Whether weights are, or are to be, chosen by a calibration.
    public var isCalibrated = false
    /// How many threads look at the source while it is planned.
    public var workers = 1

    public init(target: Target) { self.target = target }
}
