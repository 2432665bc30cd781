import Recast

/// Writes a model as the ranks of a Megatron run would: element by element, by the definition of each split, so that
/// what reads it is held against something else than itself.
package struct MegatronBuilder {
    /// A matrix, or a vector of one column.
    package struct Matrix: Sendable, Hashable {
        package var rows: Int
        package var columns: Int?
        package var values: [Float]

        package init(_ rows: Int, _ columns: Int?, _ values: [Float]) {
            (self.rows, self.columns, self.values) = (rows, columns, values)
        }

        /// - Parameters: where each element comes from.
        func picked(_ rows: [Int], _ columns: [Int]? = nil) -> Matrix {
            let width = self.columns ?? 1
            let columns = columns ?? Array(0..<width)
            return Matrix(
                rows.count, self.columns == nil ? nil : columns.count,
                rows.flatMap { row in columns.map { values[row * width + $0] } })
        }
    }

    package enum Spelling: Sendable, CaseIterable {
        case local, transformerEngine, legacy
    }

    package var layers = 2
    package var heads = 4
    package var groups = 2
    package var headDimension = 8
    package var hidden = 32
    package var feedForward = 64
    package var vocabulary = 21
    package var padded = 32
    package var isTied = false
    package var hasBias = false
    package var spelling = Spelling.local
    /// `checkpoint_version`, which says how queries, keys and values lie.
    package var version = 3.0
    package var tensorRanks = 1
    /// Layers of each stage, by virtual stage.
    package var stages: [[Int]] = [[2]]
    /// Changes the arguments of a rank, by the folder's name.
    package var changeArguments: (String, inout [String: Any?]) -> Void = { _, _ in }
    /// Changes the tensors of a rank, by the folder's name.
    package var changeTensors: (String, inout [(name: String, matrix: Matrix)]) -> Void = { _, _ in }

    package init() {}

    /// The tensors of the whole model by their names in Hugging Face's llama layout, of numbers that no two share.
    package func truth(seed: UInt64 = 1) -> [String: Matrix] {
        var random = SeededGenerator(seed: seed)
        func matrix(_ rows: Int, _ columns: Int?) -> Matrix {
            Matrix(rows, columns, (0..<rows * (columns ?? 1)).map { _ in Float.random(in: -1...1, using: &random) })
        }
        var tensors: [String: Matrix] = [:]
        tensors["model.embed_tokens.weight"] = matrix(vocabulary, hidden)
        for layer in 0..<layers {
            let prefix = "model.layers.\(layer)."
            tensors[prefix + "input_layernorm.weight"] = matrix(hidden, nil)
            for (name, count) in [("q", heads), ("k", groups), ("v", groups)] {
                tensors[prefix + "self_attn.\(name)_proj.weight"] = matrix(count * headDimension, hidden)
                if hasBias { tensors[prefix + "self_attn.\(name)_proj.bias"] = matrix(count * headDimension, nil) }
            }
            tensors[prefix + "self_attn.o_proj.weight"] = matrix(hidden, heads * headDimension)
            tensors[prefix + "post_attention_layernorm.weight"] = matrix(hidden, nil)
            tensors[prefix + "mlp.gate_proj.weight"] = matrix(feedForward, hidden)
            tensors[prefix + "mlp.up_proj.weight"] = matrix(feedForward, hidden)
            tensors[prefix + "mlp.down_proj.weight"] = matrix(hidden, feedForward)
        }
        tensors["model.norm.weight"] = matrix(hidden, nil)
        if !isTied { tensors["lm_head.weight"] = matrix(vocabulary, hidden) }
        return tensors
    }

    // MARK: Splitting

    /// The part of a rank, of elements one after the other.
    private func share(_ count: Int, _ rank: Int) -> [Int] {
        let part = count / tensorRanks
        return Array(rank * part..<(rank + 1) * part)
    }

    private func rowShare(_ matrix: Matrix, _ rank: Int) -> Matrix { matrix.picked(share(matrix.rows, rank)) }

    private func columnShare(_ matrix: Matrix, _ rank: Int) -> Matrix {
        matrix.picked(Array(0..<matrix.rows), share(matrix.columns!, rank))
    }

    /// With rows that repeat the last, as some writers pad.
    private func paddedRows(_ matrix: Matrix) -> Matrix {
        matrix.picked((0..<padded).map { min($0, matrix.rows - 1) })
    }

    /// Queries of a group, its key, its value; group by group.
    private func interleaved(_ q: Matrix, _ k: Matrix, _ v: Matrix) -> Matrix {
        var values: [Float] = []
        let width = q.columns ?? 1
        let perGroup = heads / groups * headDimension * width
        let one = headDimension * width
        for group in 0..<groups {
            values += q.values[group * perGroup..<(group + 1) * perGroup]
            values += k.values[group * one..<(group + 1) * one]
            values += v.values[group * one..<(group + 1) * one]
        }
        return Matrix((heads + 2 * groups) * headDimension, q.columns, values)
    }

    /// A rank's queries, keys and values, which lie head by head, in the order of an old version.
    private func aged(_ matrix: Matrix) -> Matrix {
        guard version < 2, groups == self.heads else { return matrix }
        let heads = heads / tensorRanks
        return matrix.picked(
            (0..<matrix.rows).map { row in
                if version < 1 {
                    // [3, heads, dimension]
                    let (part, rest) = row.quotientAndRemainder(dividingBy: heads * headDimension)
                    let (head, element) = rest.quotientAndRemainder(dividingBy: headDimension)
                    return (head * 3 + part) * headDimension + element
                }
                // [heads, dimension, 3]
                let (head, rest) = row.quotientAndRemainder(dividingBy: 3 * headDimension)
                let (element, part) = rest.quotientAndRemainder(dividingBy: 3)
                return (head * 3 + part) * headDimension + element
            })
    }

    private func above(_ a: Matrix, _ b: Matrix) -> Matrix { Matrix(a.rows + b.rows, a.columns, a.values + b.values) }

    /// The names of a layer's tensors, without the layer.
    private var names: [String: String] {
        switch spelling {
        case .local:
            [
                "norm1": "input_layernorm.weight", "norm2": "pre_mlp_layernorm.weight",
                "qkv": "self_attention.linear_qkv", "proj": "self_attention.linear_proj.weight",
                "fc1": "mlp.linear_fc1.weight", "fc2": "mlp.linear_fc2.weight",
            ]
        case .transformerEngine:
            [
                "norm1": "self_attention.linear_qkv.layer_norm_weight", "norm2": "mlp.linear_fc1.layer_norm_weight",
                "qkv": "self_attention.linear_qkv", "proj": "self_attention.linear_proj.weight",
                "fc1": "mlp.linear_fc1.weight", "fc2": "mlp.linear_fc2.weight",
            ]
        case .legacy:
            [
                "norm1": "input_norm.weight", "norm2": "post_attention_norm.weight",
                "qkv": "self_attention.query_key_value", "proj": "self_attention.dense.weight",
                "fc1": "mlp.dense_h_to_4h.weight", "fc2": "mlp.dense_4h_to_h.weight",
            ]
        }
    }

    private func layer(_ global: Int, as local: Int, _ truth: [String: Matrix], rank: Int) -> [(String, Matrix)] {
        let theirs = "model.layers.\(global)."
        let mine = (spelling == .legacy ? "language_model.encoder." : "decoder.") + "layers.\(local)."
        func tensor(_ name: String) -> Matrix { truth[theirs + name]! }
        func attention(_ part: String) -> Matrix {
            aged(
                rowShare(
                    interleaved(
                        tensor("self_attn.q_proj.\(part)"), tensor("self_attn.k_proj.\(part)"),
                        tensor("self_attn.v_proj.\(part)")), rank))
        }
        var tensors = [
            (mine + names["norm1"]!, tensor("input_layernorm.weight")),
            (mine + names["qkv"]! + ".weight", attention("weight")),
        ]
        if hasBias { tensors.append((mine + names["qkv"]! + ".bias", attention("bias"))) }
        let gateUp = above(rowShare(tensor("mlp.gate_proj.weight"), rank), rowShare(tensor("mlp.up_proj.weight"), rank))
        return tensors + [
            (mine + names["proj"]!, columnShare(tensor("self_attn.o_proj.weight"), rank)),
            (mine + names["norm2"]!, tensor("post_attention_layernorm.weight")),
            (mine + names["fc1"]!, gateUp),
            (mine + names["fc2"]!, columnShare(tensor("mlp.down_proj.weight"), rank)),
        ]
    }

    // MARK: Writing

    /// Writes all ranks.
    package func write(_ truth: [String: Matrix], to directory: TemporaryDirectory) {
        let pipeline = stages[0].count
        for rank in 0..<tensorRanks {
            var first = 0
            var chunks = Array(
                repeating: Array(repeating: [(name: String, matrix: Matrix)](), count: stages.count), count: pipeline)
            for (chunk, counts) in stages.enumerated() {
                for (stage, count) in counts.enumerated() {
                    for local in 0..<count {
                        chunks[stage][chunk] += layer(first + local, as: local, truth, rank: rank)
                            .map { (name: $0.0, matrix: $0.1) }
                    }
                    first += count
                }
            }
            let isLegacy = spelling == .legacy
            chunks[0][0].insert(
                (
                    (isLegacy ? "language_model.embedding." : "embedding.") + "word_embeddings.weight",
                    rowShare(paddedRows(truth["model.embed_tokens.weight"]!), rank)
                ), at: 0)
            let last = stages.count - 1
            chunks[pipeline - 1][last].append(
                (
                    isLegacy ? "language_model.encoder.final_norm.weight" : "decoder.final_layernorm.weight",
                    truth["model.norm.weight"]!
                ))
            if !isTied || pipeline > 1 {
                let head = truth["lm_head.weight"] ?? truth["model.embed_tokens.weight"]!
                let name =
                    !isLegacy ? "output_layer." : isTied ? "word_embeddings_for_head." : "language_model.output_layer."
                chunks[pipeline - 1][last].append((name + "weight", rowShare(paddedRows(head), rank)))
            }
            for stage in 0..<pipeline {
                let folder = "mp_rank_" + Self.digits(rank, 2) + (pipeline > 1 ? "_" + Self.digits(stage, 3) : "")
                for chunk in chunks[stage].indices { changeTensors(folder, &chunks[stage][chunk]) }
                directory.write(
                    "iter_0000007/\(folder)/model_optim_rng.pt", file(chunks[stage], folder: folder))
            }
        }
        directory.write("latest_checkpointed_iteration.txt", Array("7".utf8))
    }

    private static func digits(_ number: Int, _ count: Int) -> String {
        String(repeating: "0", count: max(0, count - String(number).count)) + String(number)
    }

    /// What `args` say in the file of a rank.
    package func arguments(_ folder: String = "") -> [String: Any?] {
        var arguments: [String: Any?] = [
            "num_layers": layers, "hidden_size": hidden, "ffn_hidden_size": feedForward,
            "num_attention_heads": heads, "group_query_attention": groups != heads,
            "num_query_groups": groups != heads ? groups : 1, "kv_channels": headDimension,
            "padded_vocab_size": padded, "tensor_model_parallel_size": tensorRanks,
            "pipeline_model_parallel_size": stages[0].count, "norm_epsilon": 1e-6, "rotary_base": 10000,
            "max_position_embeddings": 128, "normalization": "RMSNorm", "swiglu": true,
            "position_embedding_type": "rope", "untie_embeddings_and_output_weights": !isTied,
        ]
        changeArguments(folder, &arguments)
        return arguments
    }

    private func file(_ chunks: [[(name: String, matrix: Matrix)]], folder: String) -> [UInt8] {
        var pickle = PickleBuilder()
        var storages: [(String, [UInt8])] = []
        func state(_ tensors: [(name: String, matrix: Matrix)], _ pickle: inout PickleBuilder) {
            pickle.dictionary { pickle in
                for (name, matrix) in tensors {
                    pickle.value(name)
                    let key = String(storages.count)
                    pickle.tensor(
                        "FloatStorage", key: key, count: matrix.values.count,
                        shape: [matrix.rows] + (matrix.columns.map { [$0] } ?? []),
                        strides: matrix.columns.map { [$0, 1] } ?? [1])
                    var bytes: [UInt8] = []
                    for value in matrix.values { bytes.put(value.bitPattern) }
                    storages.append(("model_optim_rng/data/\(key)", bytes))
                }
            }
        }
        pickle.dictionary { pickle in
            pickle.value("args")
            pickle.global("argparse", "Namespace")
            pickle.ascii(")")
            pickle.code(0x81)
            let arguments = self.arguments(folder).sorted { $0.key < $1.key }
            pickle.dictionary { pickle in
                for (key, value) in arguments {
                    pickle.value(key)
                    pickle.value(value)
                }
            }
            pickle.ascii("b")
            pickle.value("checkpoint_version")
            pickle.value(version)
            pickle.value("iteration")
            pickle.value(7)
            for (index, chunk) in chunks.enumerated() {
                pickle.value(chunks.count > 1 ? "model\(index)" : "model")
                state(chunk, &pickle)
            }
        }
        return ZipBuilder([("model_optim_rng/data.pkl", pickle.finished)] + storages).bytes
    }
}
