/// What a Megatron checkpoint says about the run that wrote it: the `args` of the program, under any of their spellings.
///
/// Source: Specs/megatron.md §1.3 and §6.
package struct MegatronArguments: Sendable {
    private let pickle: Pickle
    private let values: [String: Pickle.Value]
    /// The file, for messages.
    package let file: String

    /// - Parameter arguments: an `argparse.Namespace`, or a dictionary.
    init?(_ pickle: Pickle, _ arguments: Pickle.Value?, file: String) {
        guard let items = pickle.attributes(arguments) ?? pickle.items(arguments) else { return nil }
        self.pickle = pickle
        self.file = file
        values = Dictionary(items.compactMap { key, value in pickle.string(key).map { ($0, value) } }) { $1 }
    }

    /// The first of the names that has a value.
    private func value(_ names: [String]) -> Pickle.Value? {
        names.lazy.compactMap { values[$0] }.first { $0 != .none }
    }

    func int(_ names: String...) -> Int? { pickle.int(value(names)) }
    func double(_ names: String...) -> Double? { pickle.double(value(names)) }
    func string(_ names: String...) -> String? { pickle.string(value(names)) }
    func bool(_ names: String...) -> Bool? { pickle.bool(value(names)) }

    /// All that can be shown, by name.
    package var texts: [(key: String, value: String)] {
        values.keys.sorted().compactMap { name in text(name).map { (name, $0) } }
    }

    var names: [String] { values.keys.sorted() }

    /// A value that can be written again: text, a number, a truth value or nothing; nil for all else.
    func plain(_ name: String) -> PickledValue? {
        switch values[name] {
        case .some(.none): PickledValue.none
        case .bool(let value): .bool(value)
        case .int(let value): .int(value)
        case .float(let value): .float(value)
        case .string(let value): .string(value)
        default: nil
        }
    }

    /// A value as it is shown; nil where there is none.
    func text(_ name: String) -> String? {
        switch value([name]) {
        case .bool(let value): value ? "true" : "false"
        case .int(let value): String(value)
        case .float(let value): String(value)
        case .string(let value): value
        default: nil
        }
    }
}

extension MegatronArguments {
    var tensorParallelSize: Int { int("tensor_model_parallel_size", "model_parallel_size") ?? 1 }
    var pipelineParallelSize: Int { int("pipeline_model_parallel_size") ?? 1 }
    var expertParallelSize: Int { int("expert_model_parallel_size") ?? 1 }
    var expertTensorParallelSize: Int { int("expert_tensor_parallel_size") ?? tensorParallelSize }

    /// What all ranks of one run agree on.
    static let shared = [
        "num_layers", "hidden_size", "ffn_hidden_size", "num_attention_heads", "num_query_groups", "kv_channels",
        "padded_vocab_size", "num_experts", "tensor_model_parallel_size", "pipeline_model_parallel_size",
        "virtual_pipeline_model_parallel_size", "expert_model_parallel_size", "expert_tensor_parallel_size",
    ]
}
