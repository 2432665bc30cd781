import Recast
import TestSupport
import Testing

/// What `config.json` may not say, and what it may say in more than one way.
struct ConfigurationRejectionTests {
    private func lifted(_ change: (inout SmallModel) -> Void) throws -> Model {
        let directory = TemporaryDirectory()
        var model = SmallModel()
        change(&model)
        return try Model(Checkpoint(path: model.write(to: directory)))
    }

    private func set(_ key: String, _ value: JSON?) throws -> Model { try lifted { $0.configuration[key] = value } }

    static let sizes = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"]

    @Test(arguments: sizes)
    func missingSize(_ key: String) {
        for value: JSON? in [nil, .null] {
            expectRejection(["\"\(key)\" is missing"], file: "config.json") { _ = try set(key, value) }
        }
    }

    @Test(arguments: sizes + ["num_key_value_heads", "head_dim", "max_position_embeddings"])
    func badSize(_ key: String) {
        let bad: [JSON] = [
            "32", 0, -4, 32.5, [32], true, .int(.max), .int(1 << 40), [:], "",
        ]
        for value in bad {
            expectRejection(["\"\(key)\" is \(value.text()), not an integer"], file: "config.json") {
                _ = try set(key, value)
            }
        }
        for text in ["1e300", "1e999", "99999999999999999999999", "-1e5"] {
            let value = try! JSON(parsing: Array(text.utf8), file: "")
            expectRejection(["\"\(key)\" is \(text)"], file: "config.json") { _ = try set(key, value) }
        }
    }

    /// Sizes whose product is beyond all numbers must not get as far as being multiplied.
    @Test func hugeSizes() {
        expectRejection("", file: "config.json") {
            _ = try lifted {
                for key in Self.sizes + ["head_dim"] { $0.configuration[key] = .int(1 << 31) }
            }
        }
        expectRejection("has the shape [32, 32], the configuration says [140737488355328, 32]") {
            _ = try lifted {
                $0.configuration["num_attention_heads"] = .int(1 << 31)
                $0.configuration["head_dim"] = .int(1 << 16)
            }
        }
    }

    @Test func wholeNumbersMayHaveAFraction() throws {
        let model = try lifted { model in
            for key in Self.sizes { model.configuration[key] = .double(Double(model.configuration[key]!.int!)) }
        }
        #expect(model.graph.configuration.hiddenSize == 32)
        #expect(try set("num_key_value_heads", 2.0).graph.configuration.keyValueHeadCount == 2)
    }

    static let contradictions: [(String, JSON, String)] = [
        ("num_key_value_heads", 3, "num_attention_heads 4 is not a multiple of num_key_value_heads 3"),
        ("head_dim", 7, "heads of 7 elements cannot be rotated in pairs"),
        ("num_attention_heads", 6, "hidden_size 32 is not a multiple of num_attention_heads 6"),
        ("rms_norm_eps", "1e-6", "\"rms_norm_eps\" is \"1e-6\", not a number"),
        ("rms_norm_eps", 0.0, "rms_norm_eps 0.0 is not a small positive number"),
        ("rms_norm_eps", -1e-6, "not a small positive number"), ("rms_norm_eps", 5, "not a small positive number"),
        ("rope_theta", 0, "\"rope_theta\" is 0.0"), ("rope_theta", "1e6", "\"rope_theta\" is \"1e6\", not a number"),
        ("hidden_act", 5, "\"hidden_act\" is 5, not a string"),
        ("tie_word_embeddings", "false", "\"tie_word_embeddings\" is \"false\", not true or false"),
        ("tie_word_embeddings", 0, "not true or false"), ("use_sliding_window", "no", "not true or false"),
        ("rope_scaling", "linear", "\"rope_scaling\" is \"linear\", not an object"),
        ("rope_parameters", [1], "\"rope_parameters\" is [1], not an object"),
        ("rope_scaling", ["type": 5, "factor": 2], "\"type\" is 5, not a string"),
        ("rope_scaling", ["type": "linear"], "needs a positive \"factor\""),
        ("rope_scaling", ["type": "linear", "factor": -2], "needs a positive \"factor\""),
        ("rope_scaling", ["rope_type": "llama3", "factor": 8], "needs a positive \"low_freq_factor\""),
        (
            "rope_scaling",
            [
                "rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 2,
                "original_max_position_embeddings": 64,
            ], "contradicts itself"
        ),
        (
            "rope_scaling",
            [
                "rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
                "original_max_position_embeddings": 1e300,
            ], "contradicts itself"
        ),
    ]

    @Test(arguments: contradictions.indices)
    func contradiction(_ index: Int) {
        let (key, value, message) = Self.contradictions[index]
        expectRejection(message, file: "config.json") { _ = try set(key, value) }
    }

    @Test func family() {
        expectRejection(
            .unsupported, ["unknown architecture Qwen2ForCausalLN", "those of the family qwen2"], file: "config.json"
        ) {
            _ = try set("architectures", ["Qwen2ForCausalLN"])
        }
        expectRejection(.unsupported, ["unknown architecture MysteryModel", "known are"]) {
            _ = try set("architectures", ["MysteryModel"])
        }
        expectRejection("neither \"architectures\" nor \"model_type\"", file: "config.json") {
            _ = try lifted {
                $0.configuration["architectures"] = []
                $0.configuration["model_type"] = nil
            }
        }
    }

    @Test func configurationAsAWhole() {
        let directory = TemporaryDirectory()
        let path = SmallModel().write(to: directory)
        for (text, message) in [
            ("[]", "not a JSON object"), ("{", "end of JSON"), (#"{"a":1,"a":2}"#, "duplicate key"),
        ] {
            directory.write("model/config.json", Array(text.utf8))
            expectRejection(message, file: "config.json", at: -1) { _ = try Model(Checkpoint(path: path)) }
        }
        directory.remove("model/config.json")
        expectRejection(.inputMissing, "not found: a checkpoint of tensors alone", file: "config.json") {
            _ = try Model(Checkpoint(path: path))
        }
    }

    // MARK: Rotary position

    private static let llama3: JSON = [
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    ]

    /// The dialects of transformers 4 and 5, and which of them wins: keys, theta, linear factor (1 for none).
    static let dialects: [(JSON, Double, Double)] = [
        ([:], 10000, 1),
        (["rope_theta": 5000], 5000, 1),
        (["rope_theta": 5000, "rope_scaling": .null], 5000, 1),
        (["rope_theta": 5000, "rope_scaling": ["type": "linear", "factor": 2]], 5000, 2),
        (["rope_theta": 5000, "rope_scaling": ["rope_type": "linear", "factor": 2]], 5000, 2),
        (["rope_parameters": ["rope_type": "linear", "factor": 2, "rope_theta": 7000]], 7000, 2),
        (["rope_parameters": ["rope_type": "default", "rope_theta": 7000]], 7000, 1),
        // The object's own theta is nearer than the one outside.
        (["rope_theta": 5000, "rope_parameters": ["rope_type": "default", "rope_theta": 7000]], 7000, 1),
        (["rope_theta": 5000, "rope_parameters": ["rope_type": "linear", "factor": 2]], 5000, 2),
        // A `rope_scaling` that is there wins over `rope_parameters`; one that is null or empty is not there.
        (
            [
                "rope_theta": 5000, "rope_scaling": ["type": "linear", "factor": 3],
                "rope_parameters": ["rope_type": "linear", "factor": 2, "rope_theta": 7000],
            ], 5000, 3
        ),
        (
            [
                "rope_scaling": ["type": "linear", "factor": 3, "rope_theta": 6000],
                "rope_parameters": ["rope_type": "linear", "factor": 2, "rope_theta": 7000],
            ], 6000, 3
        ),
        (
            ["rope_scaling": .null, "rope_parameters": ["rope_type": "linear", "factor": 2, "rope_theta": 7000]], 7000,
            2
        ),
        (["rope_scaling": [:], "rope_parameters": ["rope_type": "linear", "factor": 2, "rope_theta": 7000]], 7000, 2),
        // `rope_type` is the newer name of `type`.
        (["rope_scaling": ["type": "dynamic", "rope_type": "linear", "factor": 4]], 10000, 4),
    ]

    @Test(arguments: dialects.indices)
    func dialect(_ index: Int) throws {
        let (keys, theta, factor) = Self.dialects[index]
        let rope = try lifted { model in
            model.configuration["rope_theta"] = nil
            for member in keys.object!.members { model.configuration[member.key] = member.value }
        }.graph.configuration.rope
        #expect(rope.theta == theta)
        #expect(rope.scaling == (factor == 1 ? .none : .linear(factor: factor)))
    }

    @Test func otherScalings() throws {
        let scaling = try set("rope_scaling", Self.llama3).graph.configuration.rope.scaling
        #expect(scaling == .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64))
        let long = try set("rope_scaling", ["type": "su"]).graph.configuration.rope.scaling
        #expect(long == .other("longrope"))
    }
}
