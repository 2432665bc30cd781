import Foundation
import Recast
import TestSupport
import Testing

@testable import Recast

/// What is met in the place of a checkpoint is called by its name, with what helps: nothing of it is malformed.
struct UnreadKindsTests {
    /// Files of a folder, and what is said where one of them is named, or all.
    struct Case: Sendable, CustomTestStringConvertible {
        var files: [(name: String, bytes: [UInt8])]
        /// nil for the folder.
        var named: String?
        var code: RecastError.Code
        var said: [String]

        init(_ code: RecastError.Code, _ files: [(String, [UInt8])], named: String? = nil, _ said: String...) {
            (self.code, self.files, self.named, self.said) = (code, files, named, said)
        }

        var testDescription: String { (named ?? "folder of \(files.map(\.name).joined(separator: ", "))") }
    }

    private static func text(_ text: String) -> [UInt8] { Array(text.utf8) }
    private static func padded(_ magic: [UInt8], from offset: Int = 0) -> [UInt8] {
        [UInt8](repeating: 1, count: offset) + magic + [UInt8](repeating: 7, count: 600)
    }
    private static let configuration = ("config.json", text(#"{"architectures":["Qwen2ForCausalLM"]}"#))
    private static let pointer = text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:\(String(repeating: "a", count: 64))\nsize 6566680\n")
    private static func safetensors(_ names: [String]) -> [UInt8] {
        SafetensorsBuilder.file(names.map { ($0, "F32", [2], [UInt8](repeating: 1, count: 8)) })
    }
    private static func torch(_ body: (inout PickleBuilder) -> Void) -> [UInt8] {
        var pickle = PickleBuilder()
        body(&pickle)
        return ZipBuilder([("archive/data.pkl", pickle.finished)]).bytes
    }

    /// The same file by its name, and in a folder.
    private static func both(_ code: RecastError.Code, _ name: String, _ bytes: [UInt8], _ said: String...) -> [Case] {
        var file = Case(code, [(name, bytes)], named: name)
        var folder = Case(code, [configuration, (name, bytes)])
        (file.said, folder.said) = (said, said)
        return [file, folder]
    }

    private func expect(_ expected: Case) throws {
        let directory = TemporaryDirectory()
        for (name, bytes) in expected.files { directory.write("it/" + name, bytes) }
        let path = directory.file("it" + (expected.named.map { "/" + $0 } ?? ""))
        let error = #expect(throws: RecastError.self) { try Model(Checkpoint(path: path)) }
        let text = error?.description ?? ""
        #expect(error?.code == expected.code, "\(text)")
        for words in expected.said { #expect(text.contains(words), "\(words) is not in: \(text)") }
        #expect(!text.contains("--allow-unknown") && !text.contains("\n"), "\(text)")
    }

    // MARK: What was not fetched

    static let downloads: [Case] =
        both(.inputMissing, "model.safetensors", pointer, "pointer of Git LFS", "git lfs pull")
        + both(.inputMissing, "pytorch_model.bin", pointer, "pointer of Git LFS", "git lfs pull")
        + both(.inputMissing, "other.pt", pointer, "pointer of Git LFS", "git lfs pull")
        + both(.inputMissing, "model.safetensors.part", [1, 2, 3], "the download is not complete", "hf download")
        + both(.inputMissing, "model.gguf.crdownload", text("GGUF"), "the download is not complete", "hf download")
        + both(.inputMissing, "abc.incomplete", [1], "the download is not complete", "hf download")
        + both(.inputMissing, "model.safetensors.tmp", [1], "the download is not complete", "hf download")
        + both(.inputMissing, "model.bin.abc.partial", [1], "the download is not complete", "hf download")
        + both(.inputMissing, "model.safetensors", [], "is empty", "the download is not complete")
        + both(.inputMissing, "model.safetensors", text("\n<!doctype html>\n<html>"), "a page of HTML", "hf auth login")
        + both(.inputMissing, "model.safetensors", text("Entry not found"), "\"Entry not found\"", "hf download")
        + both(.inputMissing, "model.safetensors", text(#"{"error":"Invalid username"}"#), "an error in JSON")
        + both(
            .inputMissing, "model.safetensors", [UInt8](repeating: 0, count: 4096), "begins with zeros", "not complete")
        + [
            Case(.inputMissing, [("config.json", pointer), ("model.safetensors", safetensors(["a"]))], "Git LFS"),
            Case(.inputMissing, [configuration, ("model.safetensors.index.json", pointer)], "Git LFS", "git lfs pull"),
            Case(.inputMissing, [("model.gguf", pointer)], named: "model.gguf", "Git LFS", "git lfs pull"),
            Case(
                .inputMissing,
                [configuration, ("model.safetensors", safetensors(["a"])), ("model.safetensors.aria2", [1])],
                "has model.safetensors.aria2 beside it", "not complete"),
            Case(
                .inputMissing, [("m.gguf", text("GGUF")), ("m.gguf.aria2", [1])], named: "m.gguf",
                "has m.gguf.aria2 beside it"),
            Case(
                .inputMissing, [configuration, ("model-00001-of-00002.safetensors", safetensors(["a"]))],
                "model-00002-of-00002.safetensors", "hf download"),
            Case(
                .inputMissing, [configuration, (".cache/huggingface/download/x.incomplete", [1])],
                ".cache/huggingface/download/x.incomplete"),
            Case(.inputMissing, [configuration], "a config.json and no weights", "hf download"),
        ]

    @Test(arguments: downloads) func notFetched(_ expected: Case) throws { try expect(expected) }

    static let halves = [
        "model.safetensors.incomplete", "model-00001-of-00002.safetensors.part", "other.gguf.crdownload",
        "other.safetensors.aria2", "model.safetensors.tmp", "pytorch_model.bin.0f3a.tmp", "model.safetensors.partial",
        "tokenizer.json.part", ".cache/huggingface/download/x.incomplete",
        ".cache/huggingface/download/original/x.incomplete",
    ]

    /// Half a download beside a whole model is no part of it, is not copied, and is told.
    @Test(arguments: halves, [1, 3]) func halfBesideAWhole(_ half: String, _ shards: Int) throws {
        let directory = TemporaryDirectory()
        let path = SmallModel().write(to: directory, shards: shards)
        let before = try Model(Checkpoint(path: path))
        #expect(before.warnings == [])
        directory.write("model/" + half, [1, 2, 3])
        let checkpoint = try Checkpoint(path: path)
        let plan = try Planning(checkpoint, ConversionOptions(target: .huggingFace(family: nil))).plan(destination: "o")
        for warnings in [checkpoint.warnings, try Model(checkpoint).warnings, plan.warnings] {
            let own = warnings.filter { $0.contains(half) }
            #expect(own.count == 1 && own[0].contains("a download that is not complete"), "\(warnings)")
            #expect(own.first?.contains("hf download") == true)
        }
        #expect(!plan.outputs.contains { $0.name == half })
        #expect(try GraphDifference(before, Model(checkpoint)).isEqual)
        directory.write("model/b.safetensors.part", [1])
        let both = try Checkpoint(path: path).warnings
        #expect(both.count == 1 && both[0].contains("b.safetensors.part") && both[0].contains(half))
    }

    /// What only looks like one; of a file that is named, only its own.
    @Test func noHalves() throws {
        let directory = TemporaryDirectory()
        let path = SmallModel().write(to: directory)
        directory.write("model/notes.tmp", [1])
        directory.write("model/.model.safetensors.123.part", [1])
        #expect(try Checkpoint(path: path).warnings == [])
        directory.write("model/other.safetensors.part", [1])
        let file = path + "/model.safetensors"
        #expect(try Checkpoint(path: file).warnings == [])
        directory.write("model/model.safetensors.incomplete", [1])
        let warnings = try Checkpoint(path: file).warnings
        #expect(warnings.count == 1 && warnings[0].contains("model.safetensors.incomplete"))
        #expect(warnings.first?.contains("other") == false)
    }

    /// The hub's cache of a model has what is not complete beside the snapshots.
    @Test func halfBlobBesideAWhole() throws {
        let directory = TemporaryDirectory()
        SmallModel().write(to: directory, "models--a--b/snapshots/0123")
        directory.write("models--a--b/refs/main", Self.text("0123"))
        #expect(try Checkpoint(path: directory.file("models--a--b")).warnings == [])
        directory.write("models--a--b/blobs/0f.incomplete", [1])
        let warnings = try Checkpoint(path: directory.file("models--a--b")).warnings
        #expect(warnings.count == 1 && warnings[0].contains("blobs/0f.incomplete"))
        #expect(warnings.first?.contains("hf download a/b") == true)
    }

    /// Where an index names what is not there, that is an error.
    @Test func halfBesideAHalf() throws {
        let directory = TemporaryDirectory()
        let path = SmallModel().write(to: directory, shards: 3)
        directory.remove("model/model-00002-of-00003.safetensors")
        directory.write("model/model-00002-of-00003.safetensors.part", [1])
        expectRejection(["names the shard model-00002-of-00003.safetensors, which is not there"], file: "index.json") {
            _ = try Checkpoint(path: path)
        }
    }

    /// A file that ends before what its header announces contradicts itself; what helps is said.
    @Test func cutShort() throws {
        let directory = TemporaryDirectory()
        let whole = SmallModel().write(to: directory) + "/model.safetensors"
        let bytes = try #require(directory.bytes("model/model.safetensors"))
        for count in [7, 100, bytes.count / 2, bytes.count - 1] {
            directory.write("model/model.safetensors", Array(bytes[..<count]))
            expectRejection(["hf download"], file: "model.safetensors") { _ = try Checkpoint(path: whole) }
        }
        var gguf = GGUFBuilder()
        gguf.pair("general.architecture", GGUFBuilder.string("llama"))
        gguf.zeros("token_embd.weight", [32, 8])
        for count in [4, 20, 60, gguf.bytes.count - 1] {
            let path = directory.write("a.gguf", Array(gguf.bytes[..<count]))
            expectRejection(["hf download"], file: "a.gguf") { _ = try Checkpoint(path: path) }
        }
    }

    // MARK: Adapters

    private static let lora = ["q", "k"].flatMap { name in
        ["A", "B"].map { "base_model.model.model.layers.0.self_attn.\(name)_proj.lora_\($0).weight" }
    }
    private static let whole = SmallModel().tensors.map(\.name)

    static let adapters: [Case] = [
        Case(
            .unsupported,
            [
                ("adapter_model.safetensors", safetensors(lora)),
                ("adapter_config.json", text(#"{"peft_type":"LORA","base_model_name_or_path":"Qwen/Qwen2-0.5B"}"#)),
            ], "adapter of PEFT (LORA)", "Qwen/Qwen2-0.5B", "merge_and_unload"),
        Case(.unsupported, [configuration, ("adapter_model.bin", [1])], "is an adapter", "merge_and_unload"),
        Case(
            .unsupported, [("adapter_config.json", text(#"{"peft_type":"PROMPT_TUNING"}"#))], "PROMPT_TUNING",
            "no weights to merge"),
        Case(
            .unsupported,
            [
                ("adapters.safetensors", safetensors(["model.layers.0.self_attn.q_proj.lora_a"])),
                ("adapter_config.json", text(#"{"fine_tune_type":"lora","model":"x"}"#)),
            ], "adapter of MLX", "mlx_lm.fuse"),
        Case(
            .unsupported, [("adapter_model.safetensors", safetensors(lora))], named: "adapter_model.safetensors",
            "is an adapter", "lora_A", "merge_and_unload"),
        Case(
            .unsupported, [configuration, ("model.safetensors", safetensors(whole + lora))],
            "its adapter is not merged",
            "lora_A"),
        Case(
            .unsupported,
            [
                configuration,
                ("model.safetensors", safetensors(whole + ["model.layers.0.mlp.down_proj.ia3_l.default"])),
            ],
            "its adapter is not merged", "ia3_l"),
        Case(
            .unsupported,
            [
                configuration,
                ("model.safetensors", safetensors(whole.map { $0.replacing("q_proj.", with: "q_proj.base_layer.") })),
            ], "not merged", "base_layer"),
    ]

    @Test(arguments: adapters) func adapter(_ expected: Case) throws { try expect(expected) }

    /// An adapter beside a model is not part of it, which is said.
    @Test func adapterBesideAModel() throws {
        let directory = TemporaryDirectory()
        var small = SmallModel()
        small.files = [
            ("adapter_config.json", Self.text("{}")), ("adapter_model.safetensors", Self.safetensors(Self.lora)),
        ]
        let checkpoint = try Checkpoint(path: small.write(to: directory))
        #expect(checkpoint.warnings.contains { $0.contains("adapter_model.safetensors") && $0.contains("not applied") })
        #expect(checkpoint.huggingFaceFiles?.companions.contains("adapter_config.json") == false)
    }

    // MARK: Training

    static let training: [Case] = [
        Case(
            .unsupported, [("model_world_size_2_rank_0.pt", [1])], "FSDP", "python -m verl.model_merger merge",
            "--local_dir"),
        Case(
            .unsupported, [("model_world_size_2_rank_0.pt", torch { $0.dictionary { _ in } })],
            named: "model_world_size_2_rank_0.pt", "FSDP", "verl.model_merger"),
        Case(
            .unsupported,
            [("model_world_size_1_rank_0.pt", [1]), ("huggingface/model.safetensors", safetensors(["a"]))],
            "the whole model lies in", "huggingface"),
        Case(
            .unsupported, [("pytorch_model_fsdp_0/__0_0.distcp", [1]), ("pytorch_model_fsdp_0/.metadata", [1])],
            "accelerate merge-weights"),
        Case(.unsupported, [("pytorch_model_fsdp_0_rank1.bin", [1])], "FULL_STATE_DICT"),
        Case(
            .unsupported,
            [
                (
                    "x.pt",
                    torch {
                        $0.dictionary { pickle in
                            pickle.value("lm_head.weight")
                            pickle.global("torch._tensor", "_rebuild_from_type_v2")
                            pickle.ascii("(")
                            pickle.global("torch._utils", "_rebuild_wrapper_subclass")
                            pickle.global("torch.distributed.tensor", "DTensor")
                            pickle.ascii(")}tR")
                        }
                    }
                )
            ], named: "x.pt", "DTensor", "FSDP"),
        Case(.unsupported, [("__0_0.distcp", [1]), (".metadata", [1])], "DCP", "dcp_to_torch"),
        Case(.unsupported, [("step-10/__0_0.distcp", [1]), ("step-10/.metadata", [1])], "DCP", "dcp_to_torch"),
        Case(
            .unsupported,
            [
                ("latest_checkpointed_iteration.txt", text("3")), ("iter_0000003/model/.metadata", [1]),
                ("iter_0000003/meta.json", text("{}")),
            ], "DCP", "dcp_to_torch"),
        Case(.unsupported, [("zero_to_fp32.py", [1]), ("latest", text("global_step5"))], "ZeRO", "zero_to_fp32.py"),
        Case(.unsupported, [("latest", text("global_step5")), ("global_step5/x.pt", [1])], "ZeRO", "zero_to_fp32.py"),
        Case(
            .unsupported, [("zero_pp_rank_0_mp_rank_00_model_states.pt", [1])],
            named: "zero_pp_rank_0_mp_rank_00_model_states.pt", "ZeRO", "zero_to_fp32.py"),
        Case(.unsupported, [("optimizer.pt", [1]), ("scheduler.pt", [1])], "states of an optimizer"),
        Case(.unsupported, [("optimizer.bin", [1]), ("random_states_0.pkl", [1])], "states of an optimizer"),
        Case(
            .unsupported, [("x.safetensors", safetensors(["state.0.exp_avg", "state.0.exp_avg_sq"]))],
            "states of an optimizer"),
        Case(
            .unsupported,
            [
                (
                    "x.pt",
                    torch {
                        $0.dictionary { pickle in
                            for key in ["state", "param_groups"] {
                                pickle.value(key)
                                pickle.value([] as [Any?])
                            }
                        }
                    }
                )
            ], named: "x.pt", "states of an optimizer"),
    ]

    @Test(arguments: training) func stateOfTraining(_ expected: Case) throws { try expect(expected) }

    // MARK: Other formats

    static let formats: [Case] =
        both(.unsupported, "model.onnx", padded([8, 7]), "ONNX", "not read")
        + both(.unsupported, "tf_model.h5", padded([0x89] + text("HDF\r\n") + [0x1A, 0x0A]), "HDF5", "from_tf=True")
        + both(.unsupported, "model.ckpt", padded([0x89] + text("HDF\r\n") + [0x1A, 0x0A]), "HDF5")
        + both(.unsupported, "flax_model.msgpack", padded([0x81]), "Flax", "from_flax=True")
        + both(.unsupported, "model.mlmodel", padded([8, 8]), "Core ML")
        + both(.unsupported, "model.pte", padded(text("ET12"), from: 4), "ExecuTorch")
        + both(.unsupported, "rank0.engine", padded(text("ftrt")), "TensorRT")
        + both(.unsupported, "x.plan", padded(text("ptrt")), "TensorRT")
        + both(.unsupported, "m.tflite", padded(text("TFL3"), from: 4), "TensorFlow Lite")
        + both(.unsupported, "ggml-model.bin", padded(text("lmgg")), "GGML", "before GGUF")
        + both(.unsupported, "ggml-model.bin", padded(text("fmgg")), "GGMF", "before GGUF")
        + both(.unsupported, "ggml-model.bin", padded(text("tjgg")), "GGJT", "before GGUF")
        + both(.unsupported, "ggml-adapter.bin", padded(text("algg")), "GGLA", "adapter")
        + both(
            .unsupported, "model.llamafile", padded(text("MZqFpD='\n")), "llamafile", "unzip model.llamafile '*.gguf'")
        + both(.unsupported, "model.exe", padded([0x7F] + text("ELF")), "executable", "unzip")
        + both(.unsupported, "model.nemo", padded(text("ustar"), from: 257), "NeMo 1", "nemo_to_hf")
        + both(.unsupported, "model.nemo", padded([0x1F, 0x8B]), "NeMo 1")
        + both(.unsupported, "m.tar", padded(text("ustar"), from: 257), "tar archive", "tar -xf m.tar")
        + both(.unsupported, "m.tar.gz", padded([0x1F, 0x8B]), "tar archive", "tar -xf m.tar.gz")
        + both(.unsupported, "m.gguf.gz", padded([0x1F, 0x8B]), "gzip", "gunzip m.gguf.gz")
        + both(.unsupported, "m.7z", padded([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C]), "7-Zip", "7z x m.7z")
        + both(.unsupported, "m.zip", ZipBuilder([("a/config.json", [1])]).bytes, "zip archive", "unzip m.zip")
        + both(.unsupported, "m.npz", ZipBuilder([("a.npy", [1])]).bytes, "NumPy")
        + both(.unsupported, "m.keras", ZipBuilder([("model.weights.h5", [1])]).bytes, "Keras")
        + both(
            .unsupported, "model.pt",
            ZipBuilder([("m/data.pkl", [1]), ("m/constants.pkl", [1]), ("m/code/__torch__.py", [1])]).bytes,
            "TorchScript",
            "state_dict()")
        + both(.unsupported, "x.pkl", padded([0x80, 5]), "pickle", "no pickle is run")
        + [
            Case(
                .unsupported, [("model", ZipBuilder([("x.gguf", [1])]).bytes)], named: "model", "llamafile",
                "unzip model"),
            Case(
                .unsupported,
                [("m.xml", text("<?xml version=\"1.0\"?>\n<net name=\"m\">")), ("m.bin", padded([1]))], "OpenVINO"),
            Case(
                .unsupported, [("m.xml", text("<?xml version=\"1.0\"?>\n<net name=\"m\">"))], named: "m.xml", "OpenVINO"
            ),
            Case(.unsupported, [("m.xml", text("<net ")), ("m.bin", padded([1]))], named: "m.bin", "OpenVINO"),
            Case(.unsupported, [("M.mlpackage/Manifest.json", [1])], "Core ML", "M.mlpackage"),
            Case(.unsupported, [("M.mlmodelc/coremldata.bin", [1])], named: "M.mlmodelc", "Core ML"),
            Case(.unsupported, [("onnx/model.onnx", [1])], "ONNX", "onnx"),
            Case(.unsupported, [("saved_model.pb", [8, 1])], "SavedModel"),
            Case(.unsupported, [("model.ckpt-10.index", padded([1])), ("checkpoint", text("x"))], "TensorFlow"),
            Case(.unsupported, [("_CHECKPOINT_METADATA", [1]), ("d/x", [1])], "JAX (Orbax", "to_huggingface"),
            Case(.unsupported, [("100/items/manifest.ocdbt", [1])], "JAX (Orbax"),
            Case(.unsupported, [("checkpoint_10/checkpoint", [1]), ("checkpoint_10/target.a/.zarray", [1])], "T5X"),
            Case(.unsupported, [("model_config.yaml", [1]), ("model_weights/common.pt", [1])], "NeMo 1"),
            Case(
                .unsupported,
                [("metadata.json", text(#"{"sharded_backend":"zarr"}"#)), ("common.pt", [1]), ("a/.zarray", [1])],
                "zarr",
                "torch_dist"),
            Case(.unsupported, [("mlc-chat-config.json", [1]), ("params_shard_0.bin", [1])], "MLC"),
            Case(
                .unsupported,
                [("model.bin", [6, 0, 0, 0, 16, 0] + text("TransformerSpec\0") + [UInt8](repeating: 1, count: 90))],
                named: "model.bin", "CTranslate2"),
            Case(
                .unsupported,
                [
                    ("config.json", text(#"{"architecture":"QWenForCausalLM","mapping":{}}"#)),
                    ("rank0.safetensors", safetensors(["a"])),
                ],
                "TensorRT-LLM"),
            Case(
                .unsupported, [("params.json", text("{}")), ("consolidated.safetensors", safetensors(["a"]))], "Meta"),
            Case(
                .unsupported,
                [configuration, ("output.safetensors", safetensors(["a.q_weight", "a.q_scale_max"]))], "ExLlamaV2"),
            Case(
                .unsupported, [configuration, ("model.safetensors", safetensors(["a.trellis", "a.suh"]))], "ExLlamaV3"),
            Case(.unsupported, [configuration, ("model.safetensors", safetensors(["a.W_q", "a.zero"]))], "HQQ"),
            Case(
                .unsupported,
                [
                    (
                        "qmodel.pt",
                        torch {
                            $0.dictionary { pickle in
                                pickle.value("model.layers.0.self_attn.q_proj")
                                pickle.dictionary {
                                    $0.value("W_q")
                                    $0.value(1)
                                }
                            }
                        }
                    )
                ], named: "qmodel.pt", "HQQ"),
            Case(
                .unsupported,
                [
                    (
                        "m.pt",
                        torch {
                            $0.global("torch.nn.modules.linear", "Linear")
                            $0.ascii(")")
                            $0.code(0x81)
                        }
                    )
                ], named: "m.pt", "torch.nn.modules.linear.Linear", "state_dict()"),
        ]

    @Test(arguments: formats) func otherFormat(_ expected: Case) throws { try expect(expected) }

    // MARK: GGUF

    /// Files of GGUF that hold something else.
    @Test(
        arguments: [
            ("adapter", "llama", "blk.0.attn_q.weight.lora_a", "llama-export-lora"),
            (nil, "llama", "blk.0.attn_q.weight.lora_a", "llama-export-lora"),
            ("mmproj", "clip", "v.blk.0.attn_q.weight", "mmproj"), (nil, "clip", "v.blk.0.attn_q.weight", "mmproj"),
            ("imatrix", "", "blk.0.attn_q.weight.in_sum2", "quantize --importance"),
            (nil, "llama", "blk.0.attn_q.weight.in_sum2", "quantize --importance"),
            ("vocab", "llama", nil, "tokenize"), (nil, "llama", nil, "tokenize"),
            ("model", "controlvector", "direction.1", "control vector"),
        ] as [(String?, String, String?, String)])
    func filesOfGGUF(_ type: String?, _ architecture: String, _ tensor: String?, _ said: String) throws {
        var builder = GGUFBuilder()
        builder.pair("general.architecture", GGUFBuilder.string(architecture))
        if let type { builder.pair("general.type", GGUFBuilder.string(type)) }
        if let tensor { builder.zeros(tensor, [32, 8]) }
        let directory = TemporaryDirectory()
        let path = directory.write("a.gguf", builder.bytes)
        expectRejection(.unsupported, said, file: "a.gguf") { _ = try Model(Checkpoint(path: path)) }
        // Copied as it is it would be taken for a model.
        expectRejection(.unsupported, said, file: "a.gguf") {
            _ = try Planning(Checkpoint(path: path), ConversionOptions(target: .gguf)).plan(
                destination: directory.file("b.gguf"))
        }
    }

    @Test func importanceOfBeforeGGUF() throws {
        var bytes: [UInt8] = []
        bytes.put(2 as UInt32)
        bytes.put(19 as UInt32)
        bytes += Self.text("blk.0.attn_q.weight") + [1, 0, 0, 0]
        let directory = TemporaryDirectory()
        let file = directory.write("imatrix.dat", bytes)
        expectRejection(.unsupported, "quantize --importance", file: "imatrix.dat") { _ = try Checkpoint(path: file) }
    }

    /// A folder of checkpoints says which there are.
    @Test func foldersOfCheckpoints() throws {
        let directory = TemporaryDirectory()
        for step in [100, 200] { SmallModel().write(to: directory, "run/checkpoint-\(step)") }
        expectRejection(.inputMissing, ["holds no checkpoint itself", "run/checkpoint-100", "run/checkpoint-200"]) {
            _ = try Checkpoint(path: directory.file("run"))
        }
    }
}
