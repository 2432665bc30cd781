import Recast

/// A model of a few thousand numbers that can be changed in every respect before it is written.
package struct SmallModel {
    package struct Tensor {
        package var name: String
        package var dtype: String
        package var shape: [Int]
        package var bytes: [UInt8]

        package init(name: String, dtype: String, shape: [Int], bytes: [UInt8]) {
            (self.name, self.dtype, self.shape, self.bytes) = (name, dtype, shape, bytes)
        }
    }

    /// `config.json`.
    package var configuration: JSON.Object
    package var tensors: [Tensor]
    /// Other files by name.
    package var files: [(name: String, bytes: [UInt8])] = []

    package static let layerCount = 2

    /// - Parameter family: `qwen2` or `llama`.
    package init(_ family: String = "qwen2") {
        let isQwen = family == "qwen2"
        let values: JSON = [
            "architectures": [.string(isQwen ? "Qwen2ForCausalLM" : "LlamaForCausalLM")],
            "model_type": .string(family), "hidden_act": "silu", "vocab_size": 24, "hidden_size": 32,
            "intermediate_size": 64, "num_hidden_layers": .int(Self.layerCount), "num_attention_heads": 4,
            "num_key_value_heads": 2, "max_position_embeddings": 128, "rms_norm_eps": 1e-6,
            "rope_theta": 10000.0, "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2,
            "torch_dtype": "float32",
        ]
        configuration = values.object!
        tensors = []
        add("model.embed_tokens.weight", [24, 32])
        for layer in 0..<Self.layerCount {
            let prefix = "model.layers.\(layer)."
            add(prefix + "input_layernorm.weight", [32])
            for (name, rows) in [("q", 32), ("k", 16), ("v", 16)] {
                add(prefix + "self_attn.\(name)_proj.weight", [rows, 32])
                if isQwen { add(prefix + "self_attn.\(name)_proj.bias", [rows]) }
            }
            add(prefix + "self_attn.o_proj.weight", [32, 32])
            add(prefix + "post_attention_layernorm.weight", [32])
            add(prefix + "mlp.gate_proj.weight", [64, 32])
            add(prefix + "mlp.up_proj.weight", [64, 32])
            add(prefix + "mlp.down_proj.weight", [32, 64])
        }
        add("model.norm.weight", [32])
        add("lm_head.weight", [24, 32])
    }

    /// Adds a tensor of float32 numbers that no other tensor has.
    package mutating func add(_ name: String, _ shape: [Int]) {
        var random = SeededGenerator(seed: UInt64(tensors.count + 1))
        add(name, shape, numbers: (0..<shape.reduce(1, *)).map { _ in Float.random(in: -1...1, using: &random) })
    }

    package mutating func add(_ name: String, _ shape: [Int], numbers: [Float]) {
        var bytes: [UInt8] = []
        for number in numbers { bytes.put(number.bitPattern) }
        tensors.append(Tensor(name: name, dtype: "F32", shape: shape, bytes: bytes))
    }

    package subscript(name: String) -> Tensor {
        get { tensors.first { $0.name == name }! }
        set { tensors[tensors.firstIndex { $0.name == name }!] = newValue }
    }

    package mutating func remove(_ name: String) { tensors.removeAll { $0.name == name } }

    package mutating func set(_ name: String, at index: Int, to number: Float) {
        var bytes: [UInt8] = []
        bytes.put(number.bitPattern)
        self[name].bytes.replaceSubrange(4 * index..<4 * index + 4, with: bytes)
    }

    /// Writes the checkpoint into a folder of the directory and returns its path.
    ///
    /// - Parameter shards: more than one makes an index.
    @discardableResult
    package func write(to directory: TemporaryDirectory, _ folder: String = "model", shards: Int = 1) -> String {
        directory.write(folder + "/config.json", JSON.object(configuration).serialized(.indented))
        for (name, bytes) in files { directory.write(folder + "/" + name, bytes) }
        if shards == 1 {
            directory.write(folder + "/model.safetensors", Self.file(tensors))
        } else {
            var map = JSON.Object()
            for shard in 0..<shards {
                let name = Self.shardName(shard, of: shards)
                let part = tensors.enumerated().filter { $0.offset * shards / tensors.count == shard }.map(\.element)
                for tensor in part { map[tensor.name] = .string(name) }
                directory.write(folder + "/" + name, Self.file(part))
            }
            let index: JSON = ["metadata": [:], "weight_map": .object(map)]
            directory.write(folder + "/model.safetensors.index.json", index.serialized())
        }
        return directory.file(folder)
    }

    package static func shardName(_ index: Int, of count: Int) -> String {
        "model-0000\(index + 1)-of-0000\(count).safetensors"
    }

    private static func file(_ tensors: [Tensor]) -> [UInt8] {
        SafetensorsBuilder.file(tensors.map { ($0.name, $0.dtype, $0.shape, $0.bytes) })
    }
}
