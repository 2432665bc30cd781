import TestSupport
import Testing

@testable import Recast

/// Ranks that the tests split themselves, put together again.
struct MegatronTests {
    /// The numbers of every tensor by its name in llama layout.
    private func numbers(of model: Model) throws -> [String: MegatronBuilder.Matrix] {
        var reader = Reader(files: FilePool(model.files))
        var found: [String: MegatronBuilder.Matrix] = [:]
        for entry in model.graph.entries {
            let row = Family.llama.table.row(of: entry.slot)!
            let bytes = try entry.tensor.bytes(using: &reader)
            let values = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            found[row.name(layer: entry.slot.layer, entry.slot.part)] = MegatronBuilder.Matrix(
                entry.tensor.shape[0], entry.tensor.shape.count > 1 ? entry.tensor.shape[1] : nil, values)
        }
        return found
    }

    private func read(
        _ builder: MegatronBuilder, _ truth: [String: MegatronBuilder.Matrix], allowsRankMismatch: Bool = false
    ) throws -> (model: Model, numbers: [String: MegatronBuilder.Matrix]) {
        let directory = TemporaryDirectory()
        builder.write(truth, to: directory)
        var options = Model.Options()
        options.vocabularySize = builder.vocabulary
        options.allowsRankMismatch = allowsRankMismatch
        let model = try Model(Checkpoint(path: directory.path), options: options)
        return (model, try numbers(of: model))
    }

    /// Each file says which rank wrote it: by folder, first by tensor, then by stage.
    @Test(arguments: [
        ([0, 1, 2, 3], true), ([0, 0, 0, 0], true), ([8, 9, 24, 25], true), ([0, 0, 2, 3], false),
        ([1, 0, 2, 3], false),
        ([0, 1, 3, 2], false), ([2, 3, 0, 1], false),
    ])
    func filesOfOtherRanks(_ ranks: [Int], _ areRight: Bool) throws {
        var builder = MegatronBuilder()
        (builder.tensorRanks, builder.stages) = (2, [[1, 1]])
        builder.changeArguments = { folder, arguments in
            let folders = ["mp_rank_00_000", "mp_rank_01_000", "mp_rank_00_001", "mp_rank_01_001"]
            arguments["rank"] = ranks[folders.firstIndex(of: folder)!]
        }
        let truth = builder.truth()
        if areRight {
            let (model, numbers) = try read(builder, truth)
            #expect(numbers == truth && model.warnings.isEmpty)
        } else {
            expectRejection(["says that it is rank", "--allow-rank-mismatch"]) { _ = try read(builder, truth) }
            let (model, numbers) = try read(builder, truth, allowsRankMismatch: true)
            #expect(
                numbers == truth && model.warnings.contains { $0.contains("the names of the folders are believed") })
        }
    }

    /// A folder that was copied under another rank's name, where a converter wrote the same args into all.
    @Test(arguments: [
        (2, [[2]], "mp_rank_00", "mp_rank_01"), (4, [[2]], "mp_rank_01", "mp_rank_03"),
        (1, [[1, 1]], "mp_rank_00_000", "mp_rank_00_001"), (2, [[1, 1]], "mp_rank_01_000", "mp_rank_00_000"),
    ])
    func copiedRanks(_ tensorRanks: Int, _ stages: [[Int]], _ from: String, _ to: String) throws {
        for rank in [nil, 0] {
            var builder = MegatronBuilder()
            (builder.tensorRanks, builder.stages) = (tensorRanks, stages)
            builder.changeArguments = { _, arguments in if let rank { arguments["rank"] = rank } }
            let directory = TemporaryDirectory()
            builder.write(builder.truth(), to: directory)
            _ = try Model(Checkpoint(path: directory.path))
            let file = "model_optim_rng.pt"
            directory.write("iter_0000007/\(to)/\(file)", directory.bytes("iter_0000007/\(from)/\(file)")!)
            expectRejection(["the very weights of", from, to, "copied under another rank's name"]) {
                _ = try Model(Checkpoint(path: directory.path))
            }
        }
    }

    /// Tensor-parallel ranks are numbered first: who wrote a file shows where it belongs.
    @Test(arguments: [[0, 2], [1, 3], [2, 4], [4, 8]]) func ranksOfOtherTensors(_ ranks: [Int]) {
        var builder = MegatronBuilder()
        builder.tensorRanks = 2
        builder.changeArguments = { folder, arguments in arguments["rank"] = ranks[folder == "mp_rank_00" ? 0 : 1] }
        let wrong = ranks[0] % 2 != 0 ? "mp_rank_00" : "mp_rank_01"
        expectRejection(["\(wrong) says that it is rank", "tensor rank", "copied under another rank's name"]) {
            _ = try read(builder, builder.truth())
        }
    }

    // MARK: Laws

    @Test(arguments: MegatronBuilder.Spelling.allCases, [1, 2, 4]) func spellings(
        spelling: MegatronBuilder.Spelling, tensorRanks: Int
    ) throws {
        for (isTied, hasBias) in [(false, false), (true, false), (false, true), (true, true)] {
            for stages in [[[2]], [[1, 1]], [[0, 2]]] {
                var builder = MegatronBuilder()
                builder.spelling = spelling
                builder.tensorRanks = tensorRanks
                (builder.isTied, builder.hasBias, builder.stages) = (isTied, hasBias, stages)
                let truth = builder.truth()
                let (model, numbers) = try read(builder, truth)
                #expect(numbers == truth)
                #expect(model.graph.isTied == isTied)
                #expect(model.unverified.isEmpty == (spelling != .transformerEngine))
                #expect(model.graph.configuration.family == (hasBias ? "qwen2" : "llama"))
            }
        }
    }

    /// Random shapes, up to 16 tensor-parallel ranks, more of them than key-value heads, uneven and virtual stages.
    @Test(arguments: 0..<24 as Range<UInt64>) func randomLayouts(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var builder = MegatronBuilder()
        builder.heads = 16
        // Rows of queries, keys and values must divide, too.
        repeat {
            builder.tensorRanks = [1, 2, 4, 8, 16].randomElement(using: &random)!
            builder.headDimension = [4, 8].randomElement(using: &random)!
            builder.groups = [1, 2, 4].randomElement(using: &random)!
        } while !((16 + 2 * builder.groups) * builder.headDimension).isMultiple(of: builder.tensorRanks)
        builder.hidden = 8 * Int.random(in: 1...5, using: &random)
        builder.feedForward = builder.tensorRanks * Int.random(in: 1...5, using: &random)
        builder.vocabulary = Int.random(in: 5...60, using: &random)
        builder.padded = (builder.vocabulary + builder.tensorRanks - 1) / builder.tensorRanks * builder.tensorRanks
        builder.isTied = Bool.random(using: &random)
        builder.hasBias = Bool.random(using: &random)
        builder.spelling = MegatronBuilder.Spelling.allCases.randomElement(using: &random)!
        let pipeline = Int.random(in: 1...4, using: &random)
        builder.stages = (0..<(pipeline == 1 ? 1 : Int.random(in: 1...3, using: &random))).map { _ in
            (0..<pipeline).map { _ in Int.random(in: 0...2, using: &random) }
        }
        builder.stages[0][0] += 1
        builder.layers = builder.stages.joined().reduce(0, +)
        let truth = builder.truth(seed: seed)
        #expect(try read(builder, truth).numbers == truth)
    }

    /// Queries, keys and values in the orders of checkpoint versions 0 and 1.
    @Test(arguments: [0.0, 1.0], [1, 2, 4]) func oldVersions(version: Double, tensorRanks: Int) throws {
        for hasBias in [false, true] {
            var builder = MegatronBuilder()
            builder.spelling = .legacy
            builder.groups = builder.heads
            (builder.version, builder.tensorRanks, builder.hasBias) = (version, tensorRanks, hasBias)
            let truth = builder.truth()
            let (model, numbers) = try read(builder, truth)
            #expect(numbers == truth)
            #expect(model.unverified.contains { $0.contains("checkpoint_version") })
        }
        var grouped = MegatronBuilder()
        grouped.version = version
        #expect(refusal(grouped).contains("checkpoint_version"))
        grouped.groups = grouped.heads
        grouped.changeArguments = { _, arguments in arguments["kv_channels"] = Int.max }
        #expect(refusal(grouped).contains("checkpoint_version"))
    }

    /// Experts of which a rank stores all as one tensor, transposed.
    @Test func groupedExperts() throws {
        let (experts, size) = (3, 5)
        var builder = MegatronBuilder()
        builder.layers = 1
        builder.stages = [[1]]
        let hidden = builder.hidden
        func value(_ expert: Int, _ row: Int, _ column: Int) -> Float { Float(expert * 10000 + row * 100 + column) }
        builder.changeArguments = { _, arguments in
            arguments["num_experts"] = experts
            arguments["moe_router_topk"] = 2
            arguments["moe_ffn_hidden_size"] = size
        }
        builder.changeTensors = { _, tensors in
            tensors.removeAll { $0.name.contains("linear_fc") }
            let layer = "decoder.layers.0.mlp."
            tensors.append(
                (layer + "router.weight", .init(experts, hidden, Array(repeating: 1, count: experts * hidden))))
            // [experts][hidden][gate and up], and [experts][size][hidden].
            let first = (0..<experts).flatMap { expert in
                (0..<hidden).flatMap { column in (0..<2 * size).map { value(expert, $0, column) } }
            }
            let second = (0..<experts).flatMap { expert in
                (0..<size).flatMap { column in (0..<hidden).map { value(expert, $0, column) } }
            }
            tensors.append((layer + "experts.weight1", .init(hidden, experts * 2 * size, first)))
            tensors.append((layer + "experts.weight2", .init(experts * size, hidden, second)))
        }
        let directory = TemporaryDirectory()
        builder.write(builder.truth(), to: directory)
        let model = try Model(Checkpoint(path: directory.path))
        #expect(model.graph.configuration.family == "mixtral")
        #expect(model.unverified.contains { $0.contains("weight1") })
        var reader = Reader(files: FilePool(model.files))
        func numbers(_ role: Role, _ expert: Int) throws -> [Float] {
            let tensor = try #require(model.graph[Slot(role, layer: 0, expert: expert)])
            return try tensor.bytes(using: &reader).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        }
        for expert in 0..<experts {
            func rows(_ range: Range<Int>, _ width: Int) -> [Float] {
                range.flatMap { row in (0..<width).map { value(expert, row, $0) } }
            }
            #expect(try numbers(.gate, expert) == rows(0..<size, hidden))
            #expect(try numbers(.up, expert) == rows(size..<2 * size, hidden))
            #expect(try numbers(.down, expert) == rows(0..<hidden, size))
        }
        builder.changeArguments = { _, arguments in
            (arguments["num_experts"], arguments["moe_router_topk"], arguments["moe_ffn_hidden_size"]) = (4, 2, size)
        }
        #expect(refusal(builder).contains("is not that of the experts"))
        // Sizes whose product is beyond 64 bits, or that would take long to list.
        for (key, value) in [("num_experts", Int.max), ("hidden_size", Int.max), ("num_experts", 1 << 21)] {
            builder.changeArguments = { _, arguments in
                (arguments["num_experts"], arguments["moe_router_topk"]) = (experts, 2)
                arguments[key] = value
            }
            #expect(refusal(builder) != "nothing was refused", "\(key) \(value)")
        }
    }

    /// Norm weights that are stored less one.
    @Test func zeroCenteredNorms() throws {
        var builder = MegatronBuilder()
        builder.changeArguments = { _, arguments in arguments["apply_layernorm_1p"] = true }
        let truth = builder.truth()
        let (_, numbers) = try read(builder, truth)
        for (name, matrix) in truth {
            let expected = name.hasSuffix("norm.weight") ? matrix.values.map { $0 + 1 } : matrix.values
            #expect(numbers[name]?.values == expected, "\(name)")
        }
    }

    // MARK: Bad input

    private func refusal(_ builder: MegatronBuilder, after change: (TemporaryDirectory) -> Void = { _ in }) -> String {
        let directory = TemporaryDirectory()
        builder.write(builder.truth(), to: directory)
        change(directory)
        do {
            _ = try Model(Checkpoint(path: directory.path))
            return "nothing was refused"
        } catch { return "\(error)" }
    }

    private var split: MegatronBuilder {
        var builder = MegatronBuilder()
        builder.tensorRanks = 2
        builder.stages = [[1, 1]]
        return builder
    }

    @Test func missingRank() {
        let text = refusal(split) { $0.remove("iter_0000007/mp_rank_01_001") }
        #expect(text.contains("tensor rank 1 of stage 1"), "\(text)")
        #expect(refusal(split) { $0.remove("iter_0000007") }.contains("iter_0000007"))
        #expect(
            refusal(split) { $0.remove("iter_0000007/mp_rank_01_001/model_optim_rng.pt") }.contains("mp_rank_01_001"))
    }

    @Test func rankOfAnotherRun() {
        for (key, value) in [("num_layers", 3), ("padded_vocab_size", 64), ("tensor_model_parallel_size", 4)] {
            var builder = split
            builder.changeArguments = { folder, arguments in
                if folder == "mp_rank_01_000" { arguments[key] = value }
            }
            let text = refusal(builder)
            #expect(text.contains("another run") && text.contains(key) && text.contains("mp_rank_01_000"), "\(text)")
        }
    }

    @Test func ranksThatDiffer() throws {
        var builder = split
        builder.changeTensors = { folder, tensors in
            guard folder == "mp_rank_01_000" else { return }
            let index = tensors.firstIndex { $0.name.hasSuffix("input_layernorm.weight") }!
            tensors[index].matrix.values[3] += 0.5
        }
        let text = refusal(builder)
        for part in ["mp_rank_00_000", "mp_rank_01_000", "0.5", "input_layernorm", "--allow-rank-mismatch"] {
            #expect(text.contains(part), "\(text)")
        }
        let truth = builder.truth()
        let (model, numbers) = try read(builder, truth, allowsRankMismatch: true)
        #expect(numbers == truth)
        #expect(model.warnings.contains { $0.contains("input_layernorm") })
    }

    @Test func tensorsThatDoNotFit() {
        func changed(_ change: @escaping (String, inout [(name: String, matrix: MegatronBuilder.Matrix)]) -> Void)
            -> String
        {
            var builder = split
            builder.changeTensors = change
            return refusal(builder)
        }
        // In one rank only.
        let lone = changed { folder, tensors in if folder == "mp_rank_01_001" { tensors.removeFirst() } }
        #expect(lone.contains("is in mp_rank_00_001, but not in mp_rank_01_001"), "\(lone)")
        // Everywhere the same, but nowhere known.
        let unknown = changed { _, tensors in tensors.append(("decoder.layers.0.mlp.extra.weight", tensors[0].matrix)) }
        #expect(unknown.contains("unknown") && unknown.contains("mlp.extra"), "\(unknown)")
        // Of another shape in one rank.
        let shape = changed { folder, tensors in
            if folder == "mp_rank_01_000" { tensors[1].matrix = .init(1, nil, [1]) }
        }
        #expect(shape.contains("[1] in mp_rank_01_000"), "\(shape)")
        // A layer that is left out.
        let gap = changed { _, tensors in
            for index in tensors.indices {
                tensors[index].name = tensors[index].name.replacing("layers.0", with: "layers.1")
            }
        }
        #expect(gap.contains("none with the number 0"), "\(gap)")
    }

    @Test func contradictions() throws {
        func told(_ key: String, _ value: Any?) -> String {
            var builder = split
            builder.changeArguments = { _, arguments in arguments[key] = value }
            return refusal(builder)
        }
        #expect(told("num_layers", 5).contains("has 2 layers"))
        #expect(told("hidden_size", 64).contains("input_layernorm.weight"))
        #expect(told("normalization", "LayerNorm").contains("input_layernorm.bias is missing"))
        #expect(told("normalization", "BatchNorm").contains("BatchNorm"))
        #expect(told("swiglu", false).contains("no gate, though linear_fc1 has more rows"))
        #expect(told("position_embedding_type", "alibi").contains("alibi"))
        #expect(told("position_embedding_type", "learned_absolute").contains("embedding.position_embeddings.weight"))
        #expect(told("rotary_percent", 1.5).contains("rotary_percent"))
        #expect(told("rotary_percent", 0.0).contains("rotary_percent"))
        #expect(told("rotary_interleaved", true).contains("neighbours"))
        #expect(told("num_attention_heads", nil).contains("num_attention_heads"))
        #expect(told("num_experts", 4).contains("moe_router_topk"))
        #expect(told("rotary_base", -1).contains("rotary_base"))
        #expect(told("pipeline_model_parallel_size", 1).contains("does not fit"))
        #expect(told("tensor_model_parallel_size", 1 << 40).contains("parallel size"))

        let directory = TemporaryDirectory()
        split.write(split.truth(), to: directory)
        var options = Model.Options()
        options.vocabularySize = 33
        #expect(throws: RecastError.self) { try Model(Checkpoint(path: directory.path), options: options) }
    }

    /// What args say of experts and of latent attention, where they say what cannot be.
    @Test func contradictionsOfParts() throws {
        let experts: [String: Any?] = ["num_experts": 4, "moe_router_topk": 2]
        let latent: [String: Any?] = [
            "multi_latent_attention": true, "q_lora_rank": 8, "kv_lora_rank": 8, "qk_head_dim": 4,
            "qk_pos_emb_head_dim": 2, "v_head_dim": 4, "rope_type": "yarn", "rotary_scaling_factor": 40.0,
        ]
        func told(_ parts: [String: Any?], _ key: String, _ value: Any?, also: [String: Any?] = [:]) -> String {
            var builder = split
            builder.changeArguments = { _, arguments in
                for (key, value) in parts { arguments[key] = value }
                for (key, value) in also { arguments[key] = value }
                arguments[key] = value
            }
            return refusal(builder)
        }
        #expect(told(experts, "moe_router_score_function", "tanh").contains("tanh"))
        #expect(told(experts, "moe_router_group_topk", 3, also: ["moe_router_num_groups": 2]).contains("3 of 2 groups"))
        #expect(told(experts, "moe_router_group_topk", 1, also: ["moe_router_num_groups": 3]).contains("of 3 groups"))
        #expect(told(experts, "moe_router_topk_scaling_factor", -1.0).contains("moe_router_topk_scaling_factor"))
        #expect(
            told(experts, "moe_shared_expert_intermediate_size", -8).contains("moe_shared_expert_intermediate_size"))
        #expect(told(latent, "kv_lora_rank", nil).contains("kv_lora_rank is missing"))
        #expect(told(latent, "qk_pos_emb_head_dim", 3).contains("pairs"))
        #expect(told(latent, "v_head_dim", 1 << 40).contains("v_head_dim"))
        #expect(told(latent, "q_lora_rank", -1).contains("q_lora_rank"))
        #expect(told(latent, "rope_type", "longrope").contains("longrope"))
        #expect(told(latent, "rotary_scaling_factor", 0.0).contains("rotary_scaling_factor"))
        #expect(told(latent, "mscale", Double.nan).contains("not finite"))
        #expect(told(latent, "original_max_position_embeddings", -1).contains("original_max_position_embeddings"))
        // Nothing wrong with the args, but tensors of another kind.
        #expect(told(latent, "mscale", 1.0).contains("linear_q_down_proj"))

        let directory = TemporaryDirectory()
        var builder = split
        builder.changeArguments = { _, arguments in for (key, value) in latent { arguments[key] = value } }
        builder.write(builder.truth(), to: directory)
        let files = try #require(Checkpoint(path: directory.path).content.megatron)
        #expect(files.arguments?.defaults.contains { $0.value.contains("yarn") && $0.value.contains("4096") } == true)
    }

    /// A default that is taken for what the args do not say is said, unless something else says it.
    @Test func defaults() throws {
        var builder = MegatronBuilder()
        builder.changeArguments = { _, arguments in
            for key in ["rotary_base", "norm_epsilon", "max_position_embeddings"] { arguments[key] = nil as Any? }
        }
        let directory = TemporaryDirectory()
        builder.write(builder.truth(), to: directory)
        var options = Model.Options()
        options.vocabularySize = builder.vocabulary
        let model = try Model(Checkpoint(path: directory.path), options: options)
        for text in ["rotary base", "10000", "norm epsilon", "1e-05", "context length", "2048"] {
            #expect(model.warnings.contains { $0.contains(text) }, "\(text)")
        }
        #expect(try read(MegatronBuilder(), builder.truth()).model.warnings.isEmpty)
    }

    /// What Hugging Face's configuration says is believed, and the difference is said.
    @Test func foreignConfiguration() throws {
        let directory = TemporaryDirectory()
        split.write(split.truth(), to: directory)
        var configuration = SmallModel("llama").configuration
        configuration["vocab_size"] = 21
        configuration["rope_theta"] = 500000.0
        var options = Model.Options()
        options.huggingFaceConfiguration = directory.write("config.json", JSON.object(configuration).serialized())
        let model = try Model(Checkpoint(path: directory.path), options: options)
        #expect(model.graph.configuration.rope.theta == 500_000)
        #expect(model.graph.configuration.vocabularySize == 21)
        #expect(model.warnings.contains { $0.contains("500000") && $0.contains("10000") })

        configuration["num_attention_heads"] = 8
        configuration["head_dim"] = 8
        directory.write("config.json", JSON.object(configuration).serialized())
        #expect(throws: RecastError.self) { try Model(Checkpoint(path: directory.path), options: options) }
    }

    /// Damaged files are refused, whatever is damaged, and never read past.
    @Test func damagedFiles() throws {
        let directory = TemporaryDirectory()
        var builder = MegatronBuilder()
        builder.layers = 1
        builder.stages = [[1]]
        builder.write(builder.truth(), to: directory)
        let name = "iter_0000007/mp_rank_00/model_optim_rng.pt"
        let whole = try FileSource.contents(of: directory.file(name))
        var random = SeededGenerator(seed: 5)
        for round in 0..<400 {
            var bytes = whole
            if round.isMultiple(of: 8) {
                bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
            } else {
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    // The pickle and the directory, where something can be said.
                    let limit = 4000
                    let place =
                        Bool.random(using: &random)
                        ? Int.random(in: 0..<limit, using: &random)
                        : bytes.count - 1 - Int.random(in: 0..<limit, using: &random)
                    bytes[place] = UInt8.random(in: 0...255, using: &random)
                }
            }
            directory.write(name, bytes)
            _ = try? Model(Checkpoint(path: directory.path))
        }
    }
}
