import Foundation

@testable import Recast

/// Where test data lies.
package enum Fixtures {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// The trained model of the repository.
    package static let tinyModel = root + "/Fixtures/qwen2-tiny"

    /// Small models of sentencepiece, and ids that it gives.
    package static let tokenizers = root + "/Fixtures/tokenizers"

    /// Chat templates, and what transformers and jinja2 make of them (`Tests/Interop/make_templates.py`).
    package static let templates = root + "/Fixtures/templates"

    /// Small random models of families, with logits of transformers and tensors of llama.cpp (`Tests/Interop/make_families.py`).
    package static func smallFamily(_ name: String) -> String { root + "/Fixtures/families/" + name }

    /// The family of one, which may be there in several kinds: `exaone4-windows`.
    package static func family(ofSmall name: String) -> String { String(name.prefix { $0 != "-" }) }

    package static let smallFamilies: [String] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root + "/Fixtures/families")) ?? []
        return names.filter { FileManager.default.fileExists(atPath: smallFamily($0) + "/config.json") }.sorted()
    }()

    /// Which types the specification's script gives to the tensors of invented models.
    package static let ggufMix = root + "/Fixtures/gguf-mix.tsv"

    /// The folder of independent reference data; nil where `RECAST_GOLDEN` is not set.
    package static let golden: String? = {
        guard let path = ProcessInfo.processInfo.environment["RECAST_GOLDEN"], !path.isEmpty else { return nil }
        return path.hasPrefix("/") ? path : root + "/" + path
    }()

    package static var hasGolden: Bool { golden != nil }

    package static func golden(_ path: String) -> String { golden! + "/" + path }

    /// Families that llama.cpp computes otherwise, as GGUF has no key for what is different: another attention scale than the
    /// usual, rotary in other layers, another way to weigh experts.
    package static let inexactInGGUF: Set<String> = [
        "gemma2", "smollm3", "phimoe", "exaone4-windows", "gpt_oss", "falcon_mamba",
    ]

    /// Those of ``smallFamilies`` that llama.cpp has no architecture for, with part of the reason.
    package static let withoutGGUF = [
        "opt": "llama.cpp has no architecture for opt", "opt-projected": "llama.cpp has no architecture for opt",
        "gptj": "llama.cpp has no architecture for gptj",
        "codegen": "llama.cpp has no architecture for codegen",
        "falcon-alibi": "position encoding: ALiBi in this falcon, rotary in llama.cpp's falcon",
    ]

    /// Those of ``smallFamilies`` that go to GGUF.
    package static let inGGUF = smallFamilies.filter { withoutGGUF[$0] == nil }

    /// Families of ``smallFamilies`` that the llama layout can say.
    package static let isLlama: Set<String> = ["arcee"]

    /// The values of a file with one in each line.
    package static func lines(_ path: String) throws -> [JSON] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            try JSON(parsing: Array($0.utf8), file: path)
        }
    }

    /// The lines of a reference table, split at tabs, without comments.
    package static func table(_ path: String) throws -> [[String]] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
            .filter { !$0.hasPrefix("#") }
            .map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
    }
}

/// A directory that goes away with the last reference.
package final class TemporaryDirectory: Sendable {
    package let path: String

    /// - Parameter inMemory: on a file system in memory, where there is one, for what is synchronised thousands of times.
    package init(inMemory: Bool = false) {
        let memory = "/dev/shm"
        let place = inMemory && FileManager.default.isWritableFile(atPath: memory) ? memory : NSTemporaryDirectory()
        var template = Array((place + "/recast-test-XXXXXX").utf8CString)
        path = String(cString: mkdtemp(&template))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    package func file(_ name: String) -> String { path + "/" + name }

    /// Writes a file and returns its path.
    @discardableResult
    package func write(_ name: String, _ bytes: [UInt8]) -> String {
        let path = file(name)
        try! FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        _ = FileManager.default.createFile(atPath: path, contents: Data(bytes))
        return path
    }

    package func remove(_ name: String) { try? FileManager.default.removeItem(atPath: file(name)) }

    /// A file's bytes; nil where there is none.
    package func bytes(_ name: String) -> [UInt8]? {
        FileManager.default.contents(atPath: file(name)).map { [UInt8]($0) }
    }

    /// The names in the directory, sorted.
    package var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }
}

extension Checkpoint {
    /// What a GGUF checkpoint holds; nil for others.
    package var ggufSet: GGUFSet? { content as? GGUFSet }

    /// What a Hugging Face checkpoint holds; nil for others.
    package var huggingFaceFiles: HuggingFaceFiles? { content as? HuggingFaceFiles }
}

extension Fixtures {
    /// The bytes of every tensor of a checkpoint, by name, type and shape.
    package static func contents(_ path: String) throws -> [String: [UInt8]] { try contents(Checkpoint(path: path)) }

    package static func contents(_ checkpoint: Checkpoint) throws -> [String: [UInt8]] {
        var reader = Reader(files: checkpoint.sources)
        var contents: [String: [UInt8]] = [:]
        for tensor in checkpoint.tensors {
            contents["\(tensor.name) \(tensor.tensor.dtype) \(tensor.tensor.shape)"] = try tensor.tensor.bytes(
                using: &reader)
        }
        return contents
    }
}
