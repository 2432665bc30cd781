import Foundation
import Recast

/// A checkpoint of the golden corpus, opened by the few lines that tests of the pass need.
struct ReferenceCheckpoint {
    let graph: Graph
    let files: FilePool

    /// Where the golden files are; tests that need them are skipped where they are not.
    static let golden = ProcessInfo.processInfo.environment["RECAST_GOLDEN"] ?? "/work/shared/golden"

    static var hasGolden: Bool { FileManager.default.fileExists(atPath: golden + "/families") }

    /// The tiny model of the repository, or its original beside the golden files.
    static let tinyModel: String = {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        let fixture = root.appendingPathComponent("Fixtures/qwen2-tiny").path
        return FileManager.default.fileExists(atPath: fixture) ? fixture : golden + "/../models/qwen2-tiny"
    }()

    static var hasTinyModel: Bool { FileManager.default.fileExists(atPath: tinyModel + "/model.safetensors") }

    init(_ directory: String) throws {
        let config = try JSON(parsing: FileSource.contents(of: directory + "/config.json"), file: "config.json")
        let names = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
            .filter { $0.hasPrefix("model") && $0.hasSuffix(".safetensors") }
        var files: [SourceFile] = []
        var tensors: [String: LazyTensor] = [:]
        for name in names {
            let file = try TensorFile(directory + "/" + name, id: FileID(files.count))
            files.append(file.source)
            tensors.merge(file.tensors) { first, _ in first }
        }
        self.files = FilePool(files)
        var graph = Graph(configuration: Self.configuration(config))
        for (name, tensor) in tensors { graph[Self.slot(name)] = tensor }
        if config["tie_word_embeddings"]?.bool == true { graph[Slot(.outputHead)] = nil }
        self.graph = graph
    }

    private static func configuration(_ config: JSON) -> ModelConfiguration {
        let heads = config["num_attention_heads"]!.int!
        let hidden = config["hidden_size"]!.int!
        let dimension = config["head_dim"]?.int ?? hidden / heads
        let rope = config["rope_parameters"]
        var scaling = Rope.Scaling.none
        switch rope?["rope_type"]?.string {
        case "linear": scaling = .linear(factor: rope!["factor"]!.double!)
        case "llama3":
            scaling = .llama3(
                factor: rope!["factor"]!.double!, lowFrequencyFactor: rope!["low_freq_factor"]!.double!,
                highFrequencyFactor: rope!["high_freq_factor"]!.double!,
                originalContext: rope!["original_max_position_embeddings"]!.int!)
        default: break
        }
        let theta = (rope?["rope_theta"] ?? config["rope_theta"])!.double!
        var configuration = ModelConfiguration(
            family: config["model_type"]!.string!, vocabularySize: config["vocab_size"]!.int!, hiddenSize: hidden,
            feedForwardSize: config["intermediate_size"]!.int!, layerCount: config["num_hidden_layers"]!.int!,
            headCount: heads, keyValueHeadCount: config["num_key_value_heads"]!.int!, headDimension: dimension,
            contextLength: config["max_position_embeddings"]!.int!, normEpsilon: config["rms_norm_eps"]!.double!,
            activation: config["hidden_act"]!.string!, rope: Rope(theta: theta, dimensions: dimension, scaling: scaling)
        )
        configuration.eosTokens = [config["eos_token_id"]!.int!]
        return configuration
    }

    private static func slot(_ name: String) -> Slot {
        let parts = name.split(separator: ".").map(String.init)
        let part: Slot.Part = parts.last == "bias" ? .bias : .weight
        let roles: [String: Role] = [
            "embed_tokens": .tokenEmbedding, "lm_head": .outputHead, "norm": .outputNorm,
            "input_layernorm": .attentionNorm,
            "post_attention_layernorm": .feedForwardNorm, "q_proj": .query, "k_proj": .key, "v_proj": .value,
            "o_proj": .attentionOutput, "gate_proj": .gate, "up_proj": .up, "down_proj": .down,
        ]
        return Slot(roles[parts[parts.count - 2]]!, layer: parts.count > 3 ? Int(parts[2]) : nil, part)
    }
}

/// The tensors of one safetensors file.
struct TensorFile {
    let source: SourceFile
    private(set) var tensors: [String: LazyTensor] = [:]

    init(_ path: String, id: FileID = FileID(0)) throws {
        let file = try FileSource(path: path)
        source = SourceFile(path: path, byteCount: file.byteCount, modified: file.modified)
        let length = try Int(file.bytes(0..<8).withUnsafeBytes { $0.integer(at: 0, as: UInt64.self) })
        let header = try JSON(parsing: file.bytes(8..<8 + length), file: path)
        for member in header.object!.members where member.key != "__metadata__" {
            tensors[member.key] = LazyTensor.stored(
                DType(named: member.value["dtype"]!.string!)!, member.value["shape"]!.array!.map { $0.int! }, in: id,
                at: 8 + length + member.value["data_offsets"]!.array![0].int!)
        }
    }

    /// All elements of a tensor, by their bytes.
    func elements<Element: BitwiseCopyable>(_ name: String, as: Element.Type) throws -> [Element] {
        var reader = Reader(files: FilePool([source]))
        return try tensors[name]!.bytes(using: &reader).withUnsafeBytes { Array($0.bindMemory(to: Element.self)) }
    }
}

/// Token ids and the logits of each position, computed by transformers.
struct ReferenceLogits {
    let tokens: [[Int32]]
    /// `[texts][tokens][vocabulary]`
    let logits: [[[Float]]]

    init(_ directory: String) throws {
        let file = try TensorFile(directory + "/reference.safetensors")
        let shape = file.tensors["logits"]!.shape
        let ids = try file.elements("input_ids", as: Int64.self).map { Int32($0) }
        let values = try file.elements("logits", as: Float.self)
        tokens = (0..<shape[0]).map { Array(ids[$0 * shape[1]..<($0 + 1) * shape[1]]) }
        logits = (0..<shape[0]).map { text in
            (0..<shape[1]).map { token in
                let first = (text * shape[1] + token) * shape[2]
                return Array(values[first..<first + shape[2]])
            }
        }
    }
}

/// The largest difference of two sets of logits.
func distance(_ a: [[[Float]]], _ b: [[[Float]]]) -> Float {
    zip(a.joined().joined(), b.joined().joined()).reduce(0) { max($0, abs($1.0 - $1.1)) }
}
