/// A format of checkpoints, which knows all there is to know of it: how it is recognised, opened, lifted, described and
/// checked. A value is a checkpoint that was opened. Nobody else asks which format a checkpoint is of.
///
/// What has a default is for formats that have more to say than others.
protocol CheckpointFormat: Sendable {
    // MARK: Opening

    /// - Throws: what is wrong with a candidate that is clearly meant to be of the format.
    static func recognition(of candidate: CheckpointCandidate) throws(RecastError) -> Recognition

    /// - Parameter candidate: one that was recognised.
    init(opening candidate: CheckpointCandidate, files: inout FileList) throws(RecastError)

    /// In the order of the source.
    var tensors: [NamedTensor] { get }
    var warnings: [String] { get }

    // MARK: What the model is

    /// - Parameter checkpoint: this one.
    func lifted(from checkpoint: Checkpoint, _ options: Model.Options) throws(RecastError) -> Model

    /// What it calls its architecture, where that is no family here; nil where it is one, or says nothing.
    var unknownArchitecture: String? { get }

    /// Whether the user may say from outside what the model is like.
    static var takesDescription: Bool { get }

    /// Weights that are stored in several parts, as the format says that they are; nil where there are none.
    func quantizedModules(of checkpoint: Checkpoint) throws(RecastError) -> QuantizedModules.Outcome?

    /// What it says of its quantization, and under which key of `config.json`; nil for a file of its own.
    var quantizationConfiguration: (key: String?, object: JSON.Object)? { get }

    /// What Megatron's programs wrote, of which a target of theirs keeps what a graph does not say.
    var megatron: MegatronFiles? { get }

    // MARK: What belongs to the model

    /// What the model is called.
    var name: String { get }

    /// - Parameter size: rows of the embedding.
    func vocabulary(preTokenizer: String?, size: Int?) throws(RecastError) -> Vocabulary?

    /// The tokenizer inside the weights' file; nil where files do not hold tokenizers.
    ///
    /// - Parameter preTokenizer: a GGUF name to use in place of what the file says.
    func embeddedTokenizer(preTokenizer: String?) throws(RecastError) -> EmbeddedTokenizer?

    /// `generation_config.json`; nil where there is none.
    func generationConfiguration() throws(RecastError) -> JSON?

    /// How many tokens a tokenizer inside the weights' file has; nil where there is none.
    var tokenCount: Int? { get }

    /// Where tokenizer files are that a conversion has taken along; nil where there are none, or they are companions.
    func tokenizerFolder() throws(RecastError) -> Folder?

    /// Whether checkpoints of the format have a tokenizer among their companions, or inside.
    static var holdsTokenizer: Bool { get }

    /// `config.json` for what is read of tokenizer files; nil where there is none.
    var tokenizerConfiguration: JSON? { get }

    /// Small files that go along to a folder of another format, but `config.json`.
    func companionFiles() throws(RecastError) -> [Companion]

    /// What lies beside it and never goes along.
    var ignored: [String] { get }

    /// What the header of a safetensors file is to say.
    var headerMetadata: [(key: String, value: String)] { get }

    /// Keys and tensors that a GGUF file of it is to have as they are; nil where it is lifted first.
    var gguf: GGUFSet? { get }

    /// What lies beside it that a GGUF file has keys for.
    var huggingFace: HuggingFaceFiles? { get }

    // MARK: For people

    var description: FormatDescription { get }

    // MARK: What is written

    /// The tensors that a single file holds, in no order; nil for what is no file of the format, or whose tensors are not
    /// named in it.
    static func storedTensors(in source: any ByteSource) throws(RecastError) -> [NamedTensor]?

    /// Endings of files that hold such tensors for certain.
    static var tensorFileSuffixes: [String] { get }

    /// The files of the set that a file is one of, or itself; nil for what is no file of the format.
    static func fileSet(of name: String, in folder: Folder) throws(RecastError) -> [String]?

    /// Whether a finished destination is what was planned, beyond the headers of its files.
    ///
    /// - Throws: `inputOutput` where it is not.
    func verify(_ plan: Plan, path: String) throws(RecastError)

    /// What a directory of such a checkpoint holds, so that one can be replaced and nothing else is.
    static var directoryContents: DirectoryContents { get }
}

extension CheckpointFormat {
    var unknownArchitecture: String? { nil }
    static var takesDescription: Bool { false }
    func quantizedModules(of checkpoint: Checkpoint) throws(RecastError) -> QuantizedModules.Outcome? { nil }
    var quantizationConfiguration: (key: String?, object: JSON.Object)? { nil }
    var megatron: MegatronFiles? { nil }
    func embeddedTokenizer(preTokenizer: String?) throws(RecastError) -> EmbeddedTokenizer? { nil }
    func generationConfiguration() throws(RecastError) -> JSON? { nil }
    var tokenCount: Int? { nil }
    func tokenizerFolder() throws(RecastError) -> Folder? { nil }
    static var holdsTokenizer: Bool { true }
    var tokenizerConfiguration: JSON? { nil }
    var ignored: [String] { [] }
    var headerMetadata: [(key: String, value: String)] { [] }
    var gguf: GGUFSet? { nil }
    var huggingFace: HuggingFaceFiles? { nil }
    static func storedTensors(in source: any ByteSource) throws(RecastError) -> [NamedTensor]? { nil }
    static var tensorFileSuffixes: [String] { [] }
    static func fileSet(of name: String, in folder: Folder) throws(RecastError) -> [String]? { nil }
    func verify(_ plan: Plan, path: String) throws(RecastError) {}
}

/// A small file that belongs to a model.
struct Companion {
    enum Content {
        /// A file of that name there.
        case file(Folder)
        case bytes([UInt8])
    }

    var name: String
    var content: Content
}

/// What `inspect` shows of a checkpoint that only its format knows.
package struct FormatDescription: Sendable {
    /// The format for programs.
    package var name: String
    /// The format for people, with what there are several kinds of.
    package var title: String
    package var metadata: [(key: String, value: String)]
    /// How many ranks share it.
    package var sizes = MegatronFiles.ParallelSizes()
    /// Whether some numbers are stored several times, so that stored elements are no parameters.
    package var holdsReplicas = false
}

/// Names in a directory that is a checkpoint.
struct DirectoryContents {
    /// What only a checkpoint has.
    var suffixes: [String] = []
    var names: Set<String> = []
    /// What others have, too.
    var companions: Set<String> = []
    /// Folders that belong to it.
    var isFolder: @Sendable (String) -> Bool = { _ in false }
}
