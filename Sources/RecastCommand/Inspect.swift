import ArgumentParser
import Recast

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what a checkpoint holds, and where it can go.",
        discussion: """
            EXAMPLES:
              recast inspect Qwen2.5-0.5B
              recast inspect qwen.gguf --tensors
              recast inspect qwen-00001-of-00003.gguf --metadata --json
              recast inspect Qwen2.5-0.5B --report qwen.html
            """)

    @Argument(help: "A directory, a .safetensors or .gguf file, or a file of a set.")
    var checkpoint: String

    @Flag(help: "List the tensors.")
    var tensors = false

    @Flag(help: "List the metadata.")
    var metadata = false

    @Flag(help: "Read every tensor and show its CRC-32; what files say of their own bytes is compared.")
    var checksums = false

    @OptionGroup(title: "Report") var report: ReportFileOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() throws {
        let files = try Checkpoint(path: checkpoint)
        try report.check(besides: files.files)
        if checksums { try files.verifyChecksums(workers: ResourceOptions.processors) }
        let summary = try Summary(files, checksums: checksums)
        try report.showing(output, of: files.files) {
            summary.page
        } _: {
            if output.json {
                try Console.document(summary.json(tensors: tensors || checksums, metadata: metadata))
            } else {
                try Console.result(summary.text(tensors: tensors || checksums, metadata: metadata))
            }
        }
        output.notes(files.notes, warnings: summary.warnings)
    }
}

/// What there is to say about a checkpoint.
struct Summary {
    let checkpoint: Checkpoint
    let description: FormatDescription
    /// The tensors, quantized weights as one; as they are stored where the parts do not fit together.
    let weights: [NamedTensor]
    let partsProblem: RecastError?
    /// The canonical model, or why it cannot be had.
    let model: Result<Model, RecastError>
    let vocabulary: Result<Vocabulary?, RecastError>
    let reach: [ReachableTargets]
    var checksums: [UInt32] = []

    init(_ checkpoint: Checkpoint, checksums: Bool) throws {
        self.checkpoint = checkpoint
        description = checkpoint.description
        do throws(RecastError) {
            (weights, partsProblem) = (try checkpoint.weights(), nil)
        } catch { (weights, partsProblem) = (checkpoint.tensors, error) }
        do throws(RecastError) { model = .success(try Model(checkpoint)) } catch { model = .failure(error) }
        let size = (try? model.get())?.graph.configuration.vocabularySize
        do throws(RecastError) {
            vocabulary = .success(try checkpoint.vocabulary(size: size))
        } catch { vocabulary = .failure(error) }
        if case .success(let model) = model { reach = ReachableTargets.of(model) } else { reach = [] }
        guard checksums else { return }
        var reader = Reader(files: checkpoint.sources)
        for tensor in checkpoint.tensors { self.checksums.append(try tensor.tensor.checksum(using: &reader)) }
    }

    var warnings: [String] {
        let found = (try? model.get())?.warnings ?? checkpoint.warnings
        return found + (partsProblem.map { [$0.summary] } ?? [])
    }

    var parameterCount: Int {
        if description.holdsReplicas, case .success(let model) = model { return model.graph.parameterCount }
        return weights.reduce(0) { $0 + $1.tensor.elementCount }
    }
    private var tensorBytes: Int { checkpoint.tensors.reduce(0) { $0 + $1.tensor.byteCount } }
    private var fileBytes: Int { checkpoint.ownFiles.reduce(0) { $0 + $1.byteCount } }
    private var bitsPerWeight: Double { 8 * Double(tensorBytes) / Double(max(1, parameterCount)) }

    /// The types with how many tensors and numbers have them, commonest first.
    private var encodings: [(name: String, tensors: Int, elements: Int)] {
        var counts: [String: (tensors: Int, elements: Int)] = [:]
        for tensor in weights {
            counts[tensor.tensor.encodingName, default: (0, 0)].tensors += 1
            counts[tensor.tensor.encodingName, default: (0, 0)].elements += tensor.tensor.elementCount
        }
        return counts.map { ($0.key, $0.value.tensors, $0.value.elements) }
            .sorted { ($0.elements, $0.name) > ($1.elements, $1.name) }
    }

    // MARK: For people

    func text(tensors: Bool, metadata: Bool) -> TerminalText {
        var rows: [[String]] = [["format", format]]
        if let archive = checkpoint.archive {
            let share = Format.fixed(100 * Double(archive.byteCount) / Double(max(1, archive.originalByteCount)), 1)
            rows.append([
                "archive",
                "\(archive.names.count) files, \(Format.bytes(archive.byteCount)) of "
                    + "\(Format.bytes(archive.originalByteCount)), \(share) %",
            ])
        }
        rows += modelRows
        rows.append(["parameters", "\(Format.count(parameterCount)) (\(parameterCount))"])
        rows.append([
            "encodings",
            encodings.map { "\($0.name) × \($0.tensors)" }.joined(separator: ", ")
                + ", \(Format.fixed(bitsPerWeight, 2)) bits per weight",
        ])
        rows.append(["tokenizer", tokenizerText])
        rows.append([
            "files", "\(checkpoint.ownFiles.count), \(Format.bytes(fileBytes))",
        ])
        for file in checkpoint.ownFiles { rows.append(["", "\(Path.name(file.path))  \(file.byteCount)"]) }
        for reach in reach {
            let outcome =
                switch reach.outcome {
                case .possible(let exactness): exactness.rawValue
                case .refused(let reason): "refused: \(reason)"
                }
            rows.append(["→ \(reach.target)", outcome])
        }
        var sections = [Format.table(rows)]
        if metadata { sections.append(Format.table(description.metadata.map { [$0.key, $0.value] })) }
        if tensors { sections.append(Format.table(tensorRows)) }
        return sections.joined(separator: "\n\n")
    }

    /// What there is to say of the model: its family, shape and computation.
    var modelRows: [[String]] {
        var rows: [[String]] = []
        switch model {
        case .success(let model):
            let c = model.graph.configuration
            rows.append(["family", c.family])
            rows.append([
                "shape",
                "\(c.layerCount) layers, hidden \(c.hiddenSize), "
                    + (c.embeddingSize.map { "embedding \($0), " } ?? "")
                    + "feed-forward \(c.feedForwardSize), \(c.headCount) heads "
                    + "(\(c.keyValueHeadCount) key/value) of \(c.headDimension), context \(c.contextLength)",
            ])
            if let latent = c.latentAttention {
                let queries = latent.queryRank.map { "queries of \($0), " } ?? ""
                rows.append([
                    "latent attention",
                    "\(queries)keys and values of \(latent.keyValueRank) and \(latent.ropeHeadDimension) numbers, "
                        + "\(latent.ropeHeadDimension) of a head's \(c.headDimension) rotary, values of "
                        + "\(latent.valueDimension)",
                ])
                if let indexer = latent.indexer {
                    let sharing = c.layers.filter(\.sharesIndexer).count
                    rows.append([
                        "indexer",
                        "\(indexer.headCount) heads of \(indexer.headDimension) pick \(indexer.pickedCount) tokens"
                            + (sharing == 0 ? "" : ", for themselves and \(sharing) layers behind"),
                    ])
                }
            }
            if let experts = c.experts {
                let denseCount = c.layers.filter { $0.feedForward == .dense }.count
                let dense = denseCount == 0 ? "" : ", none in \(denseCount) layers"
                rows.append([
                    "experts",
                    "\(experts.usedCount) of \(experts.count) for each token, feed-forward \(experts.feedForwardSize)\(dense)"
                        + (experts.latentSize.map { ", in a latent space of \($0)" } ?? ""),
                ])
                if let shared = experts.shared {
                    rows.append([
                        "shared expert",
                        "feed-forward \(shared.feedForwardSize)" + (shared.isGated ? ", with a gate" : ""),
                    ])
                }
                rows.append(["routing", experts.routing.text])
            }
            if c.layers.contains(where: \.hasRotary) {
                let part =
                    c.latentAttention == nil && c.rope.dimensions < c.headDimension
                    ? ", \(c.rope.dimensions) of \(c.headDimension) dimensions of a head" : ""
                rows.append(["rotary", "theta \(Format.plain(c.rope.theta)), \(c.rope.scaling.text)\(part)"])
            }
            rows += c.unusualComputation.map { [$0.name, $0.value] }
            rows.append(["parallel", parallel])
            for text in model.unverified { rows.append(["unverified", text]) }
            rows.append(["vocabulary", "\(c.vocabularySize)"])
            rows.append(["head", model.graph.isTied ? "tied to the embedding" : "separate"])
        case .failure(let error): rows.append(["family", "unknown: \(error.summary)"])
        }
        return rows
    }

    var format: String { description.title + (checkpoint.archive == nil ? "" : ", archived") }

    private var sizes: MegatronFiles.ParallelSizes { description.sizes }

    private var parallel: String {
        var parts = ["tp \(sizes.tensor)", "pp \(sizes.pipeline)"]
        if sizes.virtualPipeline > 1 { parts.append("vpp \(sizes.virtualPipeline)") }
        if sizes.expert > 1 { parts.append("ep \(sizes.expert)") }
        if sizes.expertTensor != sizes.tensor { parts.append("etp \(sizes.expertTensor)") }
        return parts.joined(separator: ", ")
    }

    var tokenizerText: String {
        switch vocabulary {
        case .success(nil): "none"
        case .success(let vocabulary?):
            switch vocabulary.model {
            case .byteLevelBPE:
                "byte-level BPE, \(vocabulary.tokens.count) tokens, \(vocabulary.merges.count) merges, pre-tokenizer "
                    + (vocabulary.preTokenizerName ?? "without a GGUF name")
            case .sentencePieceBPE: "SentencePiece BPE, \(vocabulary.tokens.count) tokens"
            case .unigram: "SentencePiece unigram, \(vocabulary.tokens.count) tokens"
            }
        case .failure(let error): "unreadable: \(error.summary)"
        }
    }

    private var tensorRows: [[String]] {
        checkpoint.tensors.enumerated().map { index, tensor in
            let shape = tensor.tensor.shape.map(String.init).joined(separator: "×")
            let checksum = checksums.isEmpty ? [] : [Format.hexadecimal(checksums[index])]
            return [tensor.name, shape, tensor.tensor.dtype.name] + checksum
        }
    }

    // MARK: For programs

    func json(tensors: Bool, metadata: Bool) -> JSON {
        var object = JSON.Object([
            ("checkpoint", .string(checkpoint.path)), ("format", .string(description.name)),
            ("parameters", .int(parameterCount)), ("bytes", .int(fileBytes)),
            ("bits_per_weight", .double(bitsPerWeight)),
            (
                "encodings",
                .array(
                    encodings.map {
                        ["name": .string($0.name), "tensors": .int($0.tensors), "elements": .int($0.elements)]
                    })
            ),
            (
                "files",
                .array(checkpoint.ownFiles.map { ["path": .string($0.path), "bytes": .int($0.byteCount)] })
            ),
        ])
        if case .success(let model) = model {
            let c = model.graph.configuration
            object["family"] = .string(c.family)
            object["configuration"] = [
                "vocab_size": .int(c.vocabularySize), "hidden_size": .int(c.hiddenSize),
                "embedding_size": .int(c.embeddingSize ?? c.hiddenSize),
                "intermediate_size": .int(c.feedForwardSize), "num_hidden_layers": .int(c.layerCount),
                "num_attention_heads": .int(c.headCount), "num_key_value_heads": .int(c.keyValueHeadCount),
                "head_dim": .int(c.headDimension), "max_position_embeddings": .int(c.contextLength),
                "rms_norm_eps": .double(c.normEpsilon), "rope_theta": .double(c.rope.theta),
                "rope_scaling": .string(c.rope.scaling.text), "tie_word_embeddings": .bool(model.graph.isTied),
            ]
            // Everything that is computed, by the same names as in messages.
            object["computation"] = .object(
                JSON.Object(
                    ModelConfiguration.fields.filter { $0.kind == .computation }
                        .map { ($0.name, .string($0.text(c))) }))
            if !model.unverified.isEmpty { object["unverified"] = .strings(model.unverified) }
            if let experts = c.experts {
                object["experts"] = [
                    "num_experts": .int(experts.count), "num_experts_per_tok": .int(experts.usedCount),
                    "moe_intermediate_size": .int(experts.feedForwardSize),
                    "moe_latent_size": experts.latentSize.map(JSON.int) ?? .null,
                    "norm_topk_prob": .bool(experts.normalizesWeights),
                    "mlp_only_layers": .array(c.layers.indices.filter { !c.hasExperts(inLayer: $0) }.map(JSON.int)),
                    "shared_expert_intermediate_size": experts.shared.map { .int($0.feedForwardSize) } ?? .null,
                    "routing": .string(experts.routing.text),
                ]
            }
            if let latent = c.latentAttention {
                object["latent_attention"] = [
                    "q_lora_rank": latent.queryRank.map(JSON.int) ?? .null,
                    "kv_lora_rank": .int(latent.keyValueRank), "qk_nope_head_dim": .int(latent.nopeHeadDimension),
                    "qk_rope_head_dim": .int(latent.ropeHeadDimension), "v_head_dim": .int(latent.valueDimension),
                ]
                if let indexer = latent.indexer {
                    object["indexer"] = [
                        "index_n_heads": .int(indexer.headCount), "index_head_dim": .int(indexer.headDimension),
                        "index_topk": .int(indexer.pickedCount),
                        "sharing_layers": .array(
                            c.layers.indices.filter { c.layers[$0].sharesIndexer }.map(JSON.int)),
                    ]
                }
            }
        } else if case .failure(let error) = model {
            object["family"] = .null
            object["problem"] = .string(error.description)
        }
        if let archive = checkpoint.archive {
            object["archive"] = [
                "bytes": .int(archive.byteCount), "original_bytes": .int(archive.originalByteCount),
                "ratio": .double(Double(archive.byteCount) / Double(max(1, archive.originalByteCount))),
                "name": .string(archive.name), "files": .strings(archive.names),
            ]
        }
        object["parallel"] = [
            "tp": .int(sizes.tensor), "pp": .int(sizes.pipeline), "vpp": .int(sizes.virtualPipeline),
            "ep": .int(sizes.expert), "etp": .int(sizes.expertTensor),
        ]
        if case .success(let vocabulary?) = vocabulary {
            object["tokenizer"] = [
                "model": .string(vocabulary.model.rawValue), "tokens": .int(vocabulary.tokens.count),
                "merges": .int(vocabulary.merges.count), "pre_tokenizer": .optional(vocabulary.preTokenizerName),
            ]
        } else {
            object["tokenizer"] = .null
        }
        object["targets"] = .array(
            reach.map { reach in
                switch reach.outcome {
                case .possible(let exactness):
                    ["target": .string(reach.target), "exactness": .string(exactness.rawValue)]
                case .refused(let reason):
                    ["target": .string(reach.target), "exactness": "refused", "reason": .string(reason)]
                }
            })
        if metadata {
            object["metadata"] = .object(
                JSON.Object(uniqueMembers: description.metadata.map { .init(key: $0.key, value: .string($0.value)) }))
        }
        if tensors {
            object["tensors"] = .array(
                checkpoint.tensors.enumerated().map { index, tensor in
                    var entry = JSON.Object([
                        ("name", .string(tensor.name)), ("dtype", .string(tensor.tensor.dtype.name)),
                        ("shape", .array(tensor.tensor.shape.map(JSON.int))), ("bytes", .int(tensor.tensor.byteCount)),
                    ])
                    if !checksums.isEmpty { entry["crc32"] = .string(Format.hexadecimal(checksums[index])) }
                    return .object(entry)
                })
        }
        return .object(object)
    }
}
