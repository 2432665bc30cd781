import Foundation
import Recast

/// A checkpoint of the golden corpus, ready to run.
struct ReferenceCheckpoint {
    let graph: Graph
    let files: FilePool

    init(_ path: String) throws {
        let model = try Model(Checkpoint(path: path))
        graph = model.graph
        files = FilePool(model.files)
    }
}

/// Token ids and the logits of each position, computed by transformers.
struct ReferenceLogits {
    let tokens: [[Int32]]
    /// `[texts][tokens][vocabulary]`
    let logits: [[[Float]]]

    init(_ directory: String, ids: String = "input_ids", logits: String = "logits") throws {
        var files = FileList()
        let file = try SafetensorsFile(path: directory + "/reference.safetensors", files: &files)
        var reader = Reader(files: FilePool(files.files))
        let tensors = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0.tensor) })
        let shape = tensors[logits]!.shape
        let ids = try tensors[ids]!.bytes(using: &reader).withUnsafeBytes {
            $0.bindMemory(to: Int64.self).map { Int32($0) }
        }
        let values = try tensors[logits]!.bytes(using: &reader).withUnsafeBytes {
            Array($0.bindMemory(to: Float.self))
        }
        tokens = (0..<shape[0]).map { Array(ids[$0 * shape[1]..<($0 + 1) * shape[1]]) }
        self.logits = (0..<shape[0]).map { text in
            (0..<shape[1]).map { token in
                let first = (text * shape[1] + token) * shape[2]
                return Array(values[first..<first + shape[2]])
            }
        }
    }
}

/// The largest difference of two sets of logits.
func distance(_ a: [[[Float]]], _ b: [[[Float]]]) -> Float {
    zip(a.joined().joined(), b.joined().joined()).reduce(0) { max($0, abs($1.0 - $1.1)) }
}
