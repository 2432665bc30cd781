/// A format that people meet in the place of a checkpoint and that is not read: how its files are told, and what helps.
struct UnreadFormat: Sendable {
    /// What a file of it is, with an article.
    let title: String
    /// Of names, in lower case. A folder may be a file of the format.
    let endings: [String]
    /// Bytes that such a file has, and where.
    let magics: [(offset: Int, bytes: [UInt8])]
    /// What to do next.
    let advice: String

    private init(_ title: String, _ endings: [String], _ magics: [(Int, String)] = [], _ advice: String = origin) {
        (self.title, self.endings, self.advice) = (title, endings, advice)
        // Texts of the table stand for bytes, of which some are no characters.
        self.magics = magics.map { (offset: $0, bytes: $1.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }) }
    }

    private static let origin =
        "name the checkpoint that it was made from, in safetensors, PyTorch, GGUF or Megatron's format"
    private static let gguf = "name the GGUF file of the same model, or convert the original again"
    private static let save =
        "save it again with torch.save(model.state_dict(), …), or save_pretrained, where its program runs"
    private static let flax =
        "transformers (4.x) reads it with from_pretrained(DIR, from_flax=True) and writes safetensors with save_pretrained"
    private static let tensorFlow =
        "transformers (4.x) reads it with from_pretrained(DIR, from_tf=True) and writes safetensors with save_pretrained"
    private static let nemo =
        "NeMo's checkpoint converters (convert_…_nemo_to_hf.py) write safetensors; name these"
    private static let jax =
        "MaxText's to_huggingface, or the exporter of the program that wrote it, writes safetensors; name these"

    // Longer endings first, where one ends with another.
    // swift-format-ignore
    static let all: [UnreadFormat] = [
        // title                                          names                                      bytes                                        what helps
        .init("a model of ONNX",                          [".onnx", ".onnx_data", ".onnx.data"]),
        .init("a model of Core ML",                       [".mlpackage", ".mlmodelc", ".mlmodel"]),
        .init("a program of ExecuTorch",                  [".pte", ".ptd"],                          [(4, "ET1")]),
        .init("an engine of TensorRT",                    [".engine", ".plan", ".trt"],              [(0, "ftrt"), (0, "ptrt")]),
        .init("a model of TensorFlow Lite",               [".tflite"],                               [(4, "TFL3")]),
        .init("a model of LiteRT-LM",                     [".litertlm", ".task"],                    [(0, "LITERTLM")]),
        .init("a file of HDF5 (Keras or TensorFlow)",     [".h5", ".hdf5"],                          [(0, "\u{89}HDF\r\n\u{1A}\n")],              tensorFlow),
        .init("a model of Keras",                         [".keras"]),
        .init("a file of Flax's weights",                 [".msgpack"],                              [],                                          flax),
        .init("a SavedModel of TensorFlow",               ["saved_model.pb"],                        [],                                          tensorFlow),
        .init("a checkpoint of TensorFlow",               [".ckpt.index", ".ckpt.meta"],             [],                                          tensorFlow),
        .init("a file of ExLlama's weights",              [".exl2", ".exl3"]),
        .init("a program exported by PyTorch",            [".pt2"],                                  [],                                          save),
        .init("a file of GGML, before GGUF",              [],                                        [(0, "lmgg")],                               gguf),
        .init("a file of GGMF, before GGUF",              [],                                        [(0, "fmgg")],                               gguf),
        .init("a file of GGJT, before GGUF",              [],                                        [(0, "tjgg")],                               gguf),
        .init("a file of GGLA, an adapter of before GGUF",         [],                                        [(0, "algg")],                               gguf),
        .init("a file of GGML from big-endian machines",         [],                                        [(0, "ggml"), (0, "ggmf"), (0, "ggjt"), (0, "ggla")], gguf),
        .init("a llamafile, a program with a GGUF model inside", [".llamafile"],                     [(0, "MZqFpD")],                             "take the model out (unzip FILE '*.gguf'), and name that"),
        .init("an archive of NeMo 1",                     [".nemo"],                                 [],                                          nemo),
        .init("a tar archive",                            [".tar"],                                  [(257, "ustar")],                            "unpack it (tar -xf FILE), and name the folder"),
        .init("a compressed tar archive",                 [".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"], [],                             "unpack it (tar -xf FILE), and name the folder"),
        .init("compressed by gzip",                       [".gz"],                                   [(0, "\u{1F}\u{8B}")],                       "uncompress it (gunzip FILE), and name the result"),
        .init("compressed by bzip2",                      [".bz2"],                                  [(0, "BZh")],                                "uncompress it (bunzip2 FILE), and name the result"),
        .init("compressed by xz",                         [".xz"],                                   [(0, "\u{FD}7zXZ\0")],                       "uncompress it (unxz FILE), and name the result"),
        .init("compressed by zstd, and no archive of recast", [".zst"],                              [(0, "\u{28}\u{B5}\u{2F}\u{FD}")],           "uncompress it (zstd -d FILE), and name the result"),
        .init("an archive of 7-Zip",                      [".7z"],                                   [(0, "7z\u{BC}\u{AF}\u{27}\u{1C}")],         "unpack it (7z x FILE), and name the folder"),
        .init("a RAR archive",                            [".rar"],                                  [(0, "Rar!\u{1A}\u{07}")],                   "unpack it (unrar x FILE), and name the folder"),
        .init("a zip archive",                            [".zip"],                                  [],                                          "unpack it (unzip FILE), and name the folder"),
        .init("an array of NumPy",                        [".npy", ".npz"],                          [(0, "\u{93}NUMPY")],                        "mlx_lm and its like write safetensors; name these"),
        // A pickle of the long integer 0x1950a86a20f9469cfc6c.
        .init("torch.save's format before PyTorch 1.6",   [],                                        [(0, "\u{80}\u{02}\u{8A}\u{0A}\u{6C}\u{FC}\u{9C}\u{46}\u{F9}\u{20}\u{6A}\u{A8}\u{50}\u{19}")], "torch.save(torch.load(FILE), FILE) of a newer one converts it"),
        .init("a pickle",                                 [".pkl", ".pickle"],                       [(0, "\u{80}\u{02}"), (0, "\u{80}\u{03}"), (0, "\u{80}\u{04}"), (0, "\u{80}\u{05}")], "no pickle is run; " + save),
        .init("an executable",                            [".exe"],                                  [(0, "\u{7F}ELF"), (0, "MZ")],               "where it is a llamafile: unzip FILE '*.gguf', and name the model"),
    ]

    /// The format of a file that begins so.
    static func of(_ beginning: [UInt8]) -> UnreadFormat? {
        all.first { format in
            format.magics.contains { magic in beginning.dropFirst(magic.offset).starts(with: magic.bytes) }
        }
    }

    /// The format of a file that is called so.
    static func named(_ name: String) -> UnreadFormat? {
        let name = name.lowercased()
        // Shards of TensorFlow's checkpoints are numbered behind the ending.
        if name.contains(".ckpt-") || name.contains(".data-00000-of-") { return named("model.ckpt.index") }
        let fitting = all.flatMap { format in format.endings.filter(name.hasSuffix).map { (format, $0.utf8.count) } }
        return fitting.max { $0.1 < $1.1 }?.0
    }

    /// Of a file, named in the trail, or of one in a folder.
    func refusal(_ path: String, holding name: String? = nil) -> RecastError {
        let what = name.map { "holds \($0), \(title)," } ?? "is \(title),"
        // FILE and DIR stand for where it is.
        let file = name ?? Path.name(path)
        let folder = name == nil ? Path.directory(path) : path
        let advice = advice.replacing("FILE", with: file).replacing("DIR", with: folder)
        return RecastError(.unsupported, "\(what) which is not read: \(advice)", trail: [path])
    }
}
