/// What a checkpoint's configuration says about its quantized weights. Source: Specs/quantization.md §a.
enum QuantizationConfiguration {
    /// A written model's weights.
    struct Draft {
        struct Module {
            /// Without `.weight`.
            var name: String
            /// nil where only the name is known.
            var slot: Slot?
            /// nil where it is plain.
            var encoding: PackedEncoding?
        }

        /// Of most of the quantized weights.
        let encoding: PackedEncoding
        /// All that are quantized.
        let modules: [Module]
        /// Modules that have the shape of quantized ones and are not.
        let plain: [Module]
        /// The type of the other weights.
        let modelType: DType
        /// Modules of which nothing is quantized, nor looked at: towers, layers for predicting further tokens.
        var untouched: [String] = []

        /// - Parameter encoding: as it was asked for.
        init(encoding: PackedEncoding, modules: [Module], plain: [Module], modelType: DType) {
            self.modules = modules
            self.plain = plain
            self.modelType = modelType
            let counts = Dictionary(grouping: modules, by: \.kind).mapValues(\.count)
            let most = counts.values.max()
            // Of equals the one that was asked for, or the first.
            let kinds = [ModuleKind(encoding)] + modules.compactMap(\.kind)
            let kind = kinds.first { counts[$0] == most } ?? kinds[0]
            self.encoding = kind == kinds[0] ? encoding : modules.first { $0.kind == kind }!.encoding!
        }

        /// Whether the groups of some weights' columns are not in order.
        var hasActOrder: Bool { modules.contains { $0.encoding?.hasActOrder == true } }

        var plainModules: [String] { plain.map(\.name) }

        /// What programs that compare the beginnings of names are to leave alone. Some have `model.` before all of them.
        var skippedModules: [String] {
            plainModules + untouched.flatMap { $0.hasPrefix("model.") ? [$0] : [$0, "model." + $0] }
        }

        /// The same for programs that compare whole names, as expressions.
        var untouchedPatterns: [String] {
            untouched.map { name in
                let own = name.hasPrefix("model.") ? String(name.dropFirst("model.".count)) : name
                return "(model\\.)?\(own.replacing(".", with: "\\."))(\\..+)?"
            }
        }
    }

    /// The configuration under its key in `config.json`, and copies of it that other readers look for.
    static func add(_ draft: Draft, to object: inout JSON.Object, files: inout [(name: String, json: JSON)]) {
        object["quantization"] = nil
        object["quantization_config"] = nil
        switch draft.encoding.format {
        case .gptq, .gptqV2:
            let value = gptq(draft)
            object["quantization_config"] = value
            files.append(("quantize_config.json", value))
        case .awq: object["quantization_config"] = awq(draft)
        case .packQuantized, .intQuantized, .floatQuantized, .mxfp4PackQuantized, .nvfp4:
            object["quantization_config"] = compressedTensors(draft)
        case .bitsandbytes, .bitsandbytesInt8: object["quantization_config"] = bitsandbytes(draft)
        case .blockFP8: object["quantization_config"] = blockFP8(draft)
        case .mlx:
            object["quantization"] = mlx(draft)
            object["quantization_config"] = mlx(draft)
        }
    }

    /// A source's own configuration, for its own codes: where it contradicts them, it says what they are.
    static func corrected(
        _ said: JSON.Object, by encodings: [PackedEncoding], dropsActivationScales: Bool
    ) -> JSON.Object {
        var object = said
        let formats = Set(encodings.map(\.format))
        if let format = formats.first, formats.count == 1, format == .gptq || format == .gptqV2 {
            let schemes = encodings.map(\.scheme)
            for key in ["checkpoint_format", "format"] {
                let old = object[key]?.string
                if old != format.rawValue, old != nil || format == .gptqV2 { object[key] = .string(format.rawValue) }
            }
            if Set(schemes.map(\.bits)).count == 1, object["bits"]?.int != schemes[0].bits {
                object["bits"] = .int(schemes[0].bits)
            }
        }
        // Their bytes are written under their own type, whatever they were stored as.
        if formats == [.bitsandbytes], object["bnb_4bit_quant_storage"] != nil {
            object["bnb_4bit_quant_storage"] = "uint8"
        }
        guard dropsActivationScales else { return object }
        if object["activation_scheme"] != nil { object["activation_scheme"] = "dynamic" }
        if object["kv_cache_scheme"] != nil { object["kv_cache_scheme"] = .null }
        if var groups = object["config_groups"]?.object {
            for member in groups.members {
                guard var group = member.value.object, var activations = group["input_activations"]?.object else {
                    continue
                }
                activations["dynamic"] = true
                group["input_activations"] = .object(activations)
                groups[member.key] = .object(group)
            }
            object["config_groups"] = .object(groups)
        }
        return object
    }

    /// Files of a source that describe another quantization than the output's.
    static func describesQuantization(_ name: String) -> Bool {
        ["quantize_config.json", "quant_config.json", "quantization_config.json", "hf_quant_config.json"].contains(name)
    }

    private static func gptq(_ draft: Draft) -> JSON {
        let scheme = draft.encoding.scheme
        let name: JSON = draft.encoding.format == .gptq ? "gptq" : "gptq_v2"
        // A leading `-:` leaves out what the expression matches, and `+:` says what is stored otherwise.
        var dynamic = draft.patterns(of: draft.plain.filter { $0.name != "lm_head" })
            .map { JSON.Object.Member(key: "-:^\($0)$", value: [:]) }
        dynamic += draft.untouchedPatterns.map { JSON.Object.Member(key: "-:^\($0)$", value: [:]) }
        for group in draft.exceptions {
            let own = group.kind.scheme
            let arguments: JSON = [
                "bits": .int(own.bits), "group_size": .int(own.block.columns == 0 ? -1 : own.block.columns),
                "sym": .bool(own.origin == .symmetric),
            ]
            dynamic += draft.patterns(of: group.modules).map {
                JSON.Object.Member(key: "+:^\($0)$", value: arguments)
            }
        }
        return [
            "quant_method": "gptq", "method": "gptq", "bits": .int(scheme.bits),
            "group_size": .int(scheme.block.columns == 0 ? -1 : scheme.block.columns),
            "desc_act": .bool(draft.hasActOrder),
            "sym": .bool(scheme.origin == .symmetric), "lm_head": false, "true_sequential": true,
            "static_groups": false, "checkpoint_format": name, "format": name, "pack_dtype": "int32",
            "modules_in_block_to_quantize": .null,
            "dynamic": dynamic.isEmpty ? .null : .object(JSON.Object(uniqueMembers: dynamic)),
            "meta": ["quantizer": [.string("recast:\(Version.recast)")]],
        ]
    }

    private static func awq(_ draft: Draft) -> JSON {
        let others = draft.skippedModules.filter { $0 != "lm_head" }
        return [
            "quant_method": "awq", "bits": 4, "group_size": .int(draft.encoding.scheme.block.columns),
            "zero_point": true,
            "version": "gemm", "format": "gemm",
            "modules_to_not_convert": others.isEmpty ? .null : .array(others.map(JSON.string)),
        ]
    }

    private static func compressedTensors(_ draft: Draft) -> JSON {
        let groups = draft.groups
        let format =
            Set(groups.map(\.kind.format.rawValue)).count == 1 ? groups[0].kind.format.rawValue : "mixed-precision"
        return [
            "quant_method": "compressed-tensors", "format": .string(format),
            // A head that shares the embedding has no weight of its own to say that it is plain.
            "quantization_status": "compressed",
            "ignore": .array(
                (draft.plainModules + ["lm_head"] + draft.untouchedPatterns.map { "re:^\($0)$" }).unique.map(
                    JSON.string)),
            "kv_cache_scheme": .null, "global_compression_ratio": .null,
            "config_groups": .object(
                JSON.Object(
                    uniqueMembers: groups.enumerated().map { index, group in
                        // The name of a class would take modules that vLLM has fused, whatever other groups say of them.
                        let targets =
                            groups.count == 1 ? ["Linear"] : draft.targets(of: group.modules)
                        var member: JSON.Object = JSON.Object(uniqueMembers: [
                            JSON.Object.Member(key: "targets", value: .array(targets.map(JSON.string))),
                            JSON.Object.Member(key: "input_activations", value: .null),
                            JSON.Object.Member(key: "output_activations", value: .null),
                            JSON.Object.Member(key: "weights", value: .object(weightArguments(group.kind))),
                        ])
                        if groups.count > 1 { member["format"] = .string(group.kind.format.rawValue) }
                        return JSON.Object.Member(key: "group_\(index)", value: .object(member))
                    })),
        ]
    }

    private static func weightArguments(_ kind: Draft.ModuleKind) -> JSON.Object {
        let scheme = kind.scheme
        var weights = JSON.Object()
        weights["num_bits"] = .int(scheme.bits)
        if case .table = scheme.grid { weights["type"] = "float" } else { weights["type"] = "int" }
        weights["symmetric"] = .bool(scheme.origin == .symmetric)
        switch scheme.block {
        case .tensor: weights["strategy"] = "tensor"
        case .channel: weights["strategy"] = "channel"
        default:
            weights["strategy"] = "group"
            weights["group_size"] = .int(scheme.block.columns)
        }
        weights["dynamic"] = false
        weights["observer"] = "minmax"
        if kind.format == .mxfp4PackQuantized { weights["scale_dtype"] = "torch.uint8" }
        return weights
    }

    private static func bitsandbytes(_ draft: Draft) -> JSON {
        let type = draft.modelType.torchName
        let isInt8 = draft.encoding.format == .bitsandbytesInt8
        return [
            "quant_method": "bitsandbytes", "load_in_4bit": .bool(!isInt8), "load_in_8bit": .bool(isInt8),
            "_load_in_4bit": .bool(!isInt8), "_load_in_8bit": .bool(isInt8),
            "bnb_4bit_quant_type": .string(isInt8 ? "fp4" : draft.encoding.levelTableName),
            "bnb_4bit_use_double_quant": .bool(draft.encoding.isDoubleQuantized),
            "bnb_4bit_compute_dtype": .string(type), "bnb_4bit_quant_storage": "uint8",
            "llm_int8_enable_fp32_cpu_offload": false, "llm_int8_has_fp16_weight": false,
            "llm_int8_skip_modules": .array((draft.skippedModules + ["lm_head"]).unique.map(JSON.string)),
            "llm_int8_threshold": 6.0,
        ]
    }

    private static func blockFP8(_ draft: Draft) -> JSON {
        [
            "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128],
            "modules_to_not_convert": .array((draft.skippedModules + ["lm_head"]).unique.map(JSON.string)),
        ]
    }

    /// Modules without scales are plain ones: the reader looks for them in the file. Those that are stored otherwise than most
    /// are named.
    private static func mlx(_ draft: Draft) -> JSON {
        func arguments(_ scheme: Scheme) -> JSON.Object {
            var arguments = JSON.Object()
            arguments["group_size"] = .int(scheme.block.columns)
            arguments["bits"] = .int(scheme.bits)
            arguments["mode"] = "affine"
            return arguments
        }
        var object = arguments(draft.encoding.scheme)
        for group in draft.exceptions {
            for name in group.modules.map({ MLXNames.module($0.name) }).unique {
                object[name] = .object(arguments(group.kind.scheme))
            }
        }
        return .object(object)
    }
}

extension PackedEncoding {
    var levelTableName: String { if case .table(let book) = scheme.grid { book.rawValue } else { "" } }
}

extension [String] {
    var unique: [String] {
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}
