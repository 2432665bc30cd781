// Which method the weights of a checkpoint were quantized with: by what its configuration says, or, where that says nothing,
// by the tensors that lie beside weights.

extension QuantizedModules {
    /// What a configuration says, and the words of the method.
    ///
    /// - Returns: nil where nothing is quantized.
    /// - Throws: `unsupported` for methods that are not read, `malformedInput` where weights are quantized that nothing is said of.
    static func said(
        by configuration: JSON.Object, of tensors: [NamedTensor], file: String
    ) throws(RecastError) -> (Method, JSON.Object)? {
        if let mlx = configuration["quantization"]?.object, tensors.contains(where: { $0.name.hasSuffix(".scales") }) {
            return (.mlx, mlx)
        }
        let traces = Traces(of: tensors)
        guard let found = configuration["quantization_config"]?.object else {
            // bitsandbytes' tensors say all there is to know themselves.
            if traces?.method == .bitsandbytes { return (.bitsandbytes, JSON.Object()) }
            guard let traces else { return nil }
            throw .malformed(
                file,
                "its weights look quantized with \(traces.title) (\(traces.tensor)), but config.json has no "
                    + "quantization_config that says so: put back what the original has")
        }
        if let name = found["quant_method"]?.string {
            if let method = Method(name, found) { return (method, found) }
            throw RecastError(
                .unsupported, "weights quantized with the method \"\(name)\" cannot be read", trail: [file])
        }
        guard let traces else { return nil }
        // The keys of the method's own file, pasted without its name.
        if [.gptq, .awq].contains(traces.method), (found["bits"] ?? found["w_bit"]) != nil {
            let isAWQ = found["zero_point"] != nil || found["w_bit"] != nil || found["version"] != nil
            return (isAWQ ? .awq : .gptq, found)
        }
        if traces.method == .mlx || traces.method == .bitsandbytes { return (traces.method, found) }
        throw .malformed(
            file,
            "its weights look quantized with \(traces.title) (\(traces.tensor)), but quantization_config has no quant_method"
        )
    }

    /// What tensors beside weights tell of a method.
    private struct Traces {
        var method: Method
        var title: String
        /// One of them.
        var tensor: String

        init?(of tensors: [NamedTensor]) {
            let names = Set(tensors.map(\.name))
            for (suffix, beside, method, title) in Self.table {
                let found = tensors.first {
                    $0.name.hasSuffix(suffix) && names.contains($0.name.dropLast(suffix.count) + beside)
                }
                guard let found else { continue }
                (self.method, self.title, tensor) = (method, title, found.name)
                return
            }
            return nil
        }

        // swift-format-ignore
        private static let table: [(suffix: String, beside: String, method: Method, title: String)] = [
            (".qzeros",           ".qweight",       .gptq,              "GPTQ or AWQ"),
            (".weight_packed",    ".weight_scale",  .compressedTensors, "compressed-tensors"),
            (".weight_scale_2",   ".weight_scale",  .modelOpt,          "ModelOpt's NVFP4"),
            (".weight_scale_inv", ".weight",        .fp8,               "FP8 in squares"),
            (".weight_scale",     ".weight",        .fp8,               "FP8 or compressed-tensors"),
            (".weight.absmax",    ".weight",        .bitsandbytes,      "bitsandbytes"),
            (".SCB",              ".weight",        .bitsandbytes,      "bitsandbytes' LLM.int8"),
            (".biases",           ".scales",        .mlx,               "MLX"),
            ("_blocks",           "_scales",        .mxfp4,             "gpt-oss' MXFP4"),
        ]
    }

    /// Layouts of the method that are not read are named before any tensor is looked at.
    func checkFormat() throws(RecastError) {
        switch method {
        case .gptq:
            // GPTQModel stores codes of other widths, and 3-bit ones under the name of gptq_p, in planes.
            let layout = configuration["checkpoint_format"]?.string ?? configuration["format"]?.string ?? "gptq"
            guard ["gptq", "gptq_v2", "gptq_marlin"].contains(layout.lowercased()) else {
                throw .unsupported("the GPTQ layout \"\(layout)\" cannot be read; gptq and gptq_v2 can")
            }
        case .awq:
            let version = configuration["version"]?.string ?? configuration["format"]?.string ?? "gemm"
            guard version.lowercased() == "gemm" else {
                throw .unsupported("the AWQ layout \"\(version)\" cannot be read; GEMM can")
            }
        case .compressedTensors:
            let sparsity = configuration["sparsity_config"]?["format"]?.string
            let own = (configuration["config_groups"]?.object?.members ?? []).compactMap { $0.value["format"]?.string }
            for format in [configuration["format"]?.string, sparsity].compactMap(\.self) + own
            where !Self.compressedFormats.contains(format) {
                throw .unsupported("\"\(format)\" of compressed-tensors cannot be read")
            }
        case .modelOpt:
            let algorithm = configuration["quant_algo"]?.string ?? ""
            let read = [
                "FP8", "NVFP4", "W4A16_NVFP4", "W4A8_NVFP4_FP8", "FP8_PER_CHANNEL_PER_TOKEN", "FP8_PB_WO",
                "FP8_PB_REAL",
                "MIXED_PRECISION",
            ]
            guard read.contains(algorithm.uppercased()) else {
                throw .unsupported(
                    "ModelOpt's \"\(algorithm)\" cannot be read; \(read.dropLast().joined(separator: ", ")) can")
            }
        case .bitsandbytes, .fp8, .mlx, .mxfp4: break
        }
    }

    private static let compressedFormats = [
        "dense", "pack-quantized", "int-quantized", "naive-quantized", "float-quantized", "mxfp4-pack-quantized",
        "nvfp4-pack-quantized", "mixed-precision",
    ]
}
