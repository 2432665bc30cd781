@testable import Recast
@testable import RecastInference
@testable import RecastTensors

/// Whatever a checkpoint is, the commands get values or errors from it.
public enum Examination {
    /// Opens it, lists its tensors, reads windows of some, and asks where it can go.
    ///
    /// - Parameter input: what is fuzzed. Where the checkpoint can go is asked of one input in eight, as it takes longer than
    ///   reading it.
    public static func checkpoint(_ path: String, of input: [UInt8]) {
        guard let checkpoint = try? Checkpoint(path: path) else { return }
        read(checkpoint.tensors, files: checkpoint.files)
        if let weights = try? checkpoint.weights(), weights.count != checkpoint.tensors.count {
            read(weights, files: checkpoint.files)
        }
        var size: Int?
        if let model = try? Model(checkpoint) {
            size = model.graph.configuration.vocabularySize
            if input.reduce(0, &+) % 8 == 0 { _ = ReachableTargets.of(model) }
        }
        if let vocabulary = try? checkpoint.vocabulary(size: size) { tokenize(vocabulary) }
    }

    /// Reads the first and the last window of some tensors.
    public static func read(_ tensors: [NamedTensor], files: [SourceFile]) {
        var reader = Reader(files: FilePool(files))
        for tensor in tensors.prefix(24).map(\.tensor) where tensor.byteCount > 0 {
            let (rows, block) = (tensor.rowCount, tensor.dtype.blockElements)
            // At most so many elements, in whole blocks.
            let width = min(tensor.columnCount, 4096 / block * block)
            let end = tensor.columnCount
            for window in [
                Window(rows: 0..<min(rows, 2), columns: 0..<width),
                Window(batch: tensor.batchCount - 1, rows: rows - 1..<rows, columns: end - width..<end),
            ] {
                _ = tensor.runs(window, limit: 64)
                // As aligned as the buffers of the library.
                let buffer = UnsafeMutableRawBufferPointer.allocate(
                    byteCount: tensor.byteCount(of: window), alignment: 64)
                defer { buffer.deallocate() }
                try? tensor.read(window, into: buffer, using: &reader)
            }
        }
    }

    /// A text of several alphabets, spaces, and special tokens.
    private static let text = "In the  beginning <s>1234</s> é漢👩‍💻\t\n <|im_end|>ab aab▁b"

    /// What is made of a vocabulary takes texts apart and puts them together.
    public static func tokenize(_ vocabulary: Vocabulary) {
        guard let tokenizer = try? Tokenizer(vocabulary) else { return }
        for special in [false, true] {
            guard let ids = try? tokenizer.encode(text, parsingSpecial: special, addingSpecial: special) else {
                continue
            }
            _ = tokenizer.decode(ids)
        }
        _ = tokenizer.decode([-1, 0, 1, Int32(clamping: vocabulary.tokens.count), .max])
        // And written for the other containers.
        _ = try? vocabulary.huggingFaceFiles()
        var metadata = GGUFMetadata()
        _ = try? vocabulary.write(into: &metadata, preTokenizer: nil)
    }

    /// The tokenizer files of a folder.
    public static func tokenizer(in path: String, configuration: JSON? = nil) {
        guard let vocabulary = try? Checkpoint.vocabulary(in: Folder(directory: path), configuration: configuration)
        else {
            return
        }
        tokenize(vocabulary)
    }
}
