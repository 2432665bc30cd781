import Recast

/// Writes what `torch.distributed.checkpoint` writes, entry by entry, so that tests can lie in any of them.
package struct DistributedBuilder {
    package struct Piece {
        package var offsets: [Int]
        package var sizes: [Int]
        package var values: [Float]
        /// What the description says, where it is not the truth.
        package var file: String?
        package var place: Range<Int>?

        package init(_ offsets: [Int], _ sizes: [Int], _ values: [Float]) {
            (self.offsets, self.sizes, self.values) = (offsets, sizes, values)
        }
    }

    package var tensors: [(name: String, shape: [Int], pieces: [Piece])] = []
    /// Arguments of the run; nil for a checkpoint that has none.
    package var arguments: [String: Any?]?
    /// Whether they are in a file of their own, as before core 0.19.
    package var hasCommonFile = false
    package var backend = "torch_dist"
    /// How many pieces go into a file before the next begins.
    package var piecesPerFile = 7

    package init() {}

    private static func archive(_ pickle: PickleBuilder, _ storages: [[UInt8]] = []) -> [UInt8] {
        ZipBuilder(
            [("archive/data.pkl", pickle.finished)]
                + storages.enumerated().map { ("archive/data/\($0)", $1) }
        ).bytes
    }

    private static func object(
        _ module: String, _ name: String, _ pickle: inout PickleBuilder, _ body: (inout PickleBuilder) -> Void
    ) {
        pickle.global(module, name)
        pickle.ascii(")")
        pickle.code(0x81)
        pickle.dictionary(body)
        pickle.ascii("b")
    }

    private static func size(_ sizes: [Int], _ pickle: inout PickleBuilder) {
        pickle.global("torch", "Size")
        pickle.ascii("(")
        pickle.value(sizes.map { $0 as Any? })
        pickle.ascii("tR")
    }

    package func write(to directory: TemporaryDirectory) {
        let folder = "iter_0000007/"
        var files: [[UInt8]] = [[]]
        var count = 0
        var places: [(name: String, offsets: [Int]?, file: String, place: Range<Int>)] = []
        func add(_ name: String, _ offsets: [Int]?, _ blob: [UInt8], _ piece: Piece? = nil) {
            if count == piecesPerFile {
                files.append([])
                count = 0
            }
            count += 1
            let start = files[files.count - 1].count
            files[files.count - 1] += blob
            let place = piece?.place ?? start..<start + blob.count
            places.append((name, offsets, piece?.file ?? "__\(files.count - 1)_0.distcp", place))
        }
        for tensor in tensors {
            for piece in tensor.pieces {
                var pickle = PickleBuilder()
                var strides = [1]
                for size in piece.sizes.reversed().dropLast() { strides.insert(strides[0] * size, at: 0) }
                pickle.tensor(
                    "FloatStorage", key: "0", count: piece.values.count, shape: piece.sizes, strides: strides)
                var bytes: [UInt8] = []
                for value in piece.values { bytes.put(value.bitPattern) }
                add(tensor.name, piece.offsets, Self.archive(pickle, [bytes]), piece)
            }
        }
        var objects: [String] = []
        if let arguments {
            var pickle = PickleBuilder()
            func common(_ pickle: inout PickleBuilder) {
                pickle.dictionary { pickle in
                    pickle.value("args")
                    Self.object("argparse", "Namespace", &pickle) { pickle in
                        for (key, value) in arguments.sorted(by: { $0.key < $1.key }) {
                            pickle.value(key)
                            pickle.value(value)
                        }
                    }
                    pickle.value("checkpoint_version")
                    pickle.value(3.0)
                    pickle.value("iteration")
                    pickle.value(7)
                }
            }
            if hasCommonFile {
                common(&pickle)
                directory.write(folder + "common.pt", Self.archive(pickle))
            } else {
                pickle.ascii("](")
                common(&pickle)
                pickle.ascii("e")
                add("common_state/shard_0_1", nil, Self.archive(pickle))
                objects.append("common_state/shard_0_1")
            }
        }
        for (index, file) in files.enumerated() { directory.write(folder + "__\(index)_0.distcp", file) }
        directory.write(folder + ".metadata", description(objects, places))
        directory.write(
            folder + "metadata.json",
            Array("{\"sharded_backend\": \"\(backend)\", \"sharded_backend_version\": 1}".utf8))
        directory.write("latest_checkpointed_iteration.txt", Array("7".utf8))
    }

    private func description(
        _ objects: [String], _ places: [(name: String, offsets: [Int]?, file: String, place: Range<Int>)]
    ) -> [UInt8] {
        let module = "torch.distributed.checkpoint.metadata"
        var pickle = PickleBuilder()
        Self.object(module, "Metadata", &pickle) { pickle in
            pickle.value("state_dict_metadata")
            pickle.dictionary { pickle in
                for tensor in tensors {
                    pickle.value(tensor.name)
                    Self.object(module, "TensorStorageMetadata", &pickle) { pickle in
                        pickle.value("size")
                        Self.size(tensor.shape, &pickle)
                        pickle.value("chunks")
                        pickle.ascii("](")
                        for piece in tensor.pieces {
                            Self.object(module, "ChunkStorageMetadata", &pickle) { pickle in
                                pickle.value("offsets")
                                Self.size(piece.offsets, &pickle)
                                pickle.value("sizes")
                                Self.size(piece.sizes, &pickle)
                            }
                        }
                        pickle.ascii("e")
                    }
                }
                for name in objects {
                    pickle.value(name)
                    Self.object(module, "BytesStorageMetadata", &pickle) { _ in }
                }
            }
            pickle.value("storage_data")
            pickle.dictionary { pickle in
                for (name, offsets, file, place) in places {
                    Self.object(module, "MetadataIndex", &pickle) { pickle in
                        pickle.value("fqn")
                        pickle.value(name)
                        if let offsets {
                            pickle.value("offset")
                            Self.size(offsets, &pickle)
                        }
                    }
                    Self.object("torch.distributed.checkpoint.filesystem", "_StorageInfo", &pickle) { pickle in
                        pickle.value("relative_path")
                        pickle.value(file)
                        pickle.value("offset")
                        pickle.value(place.lowerBound)
                        pickle.value("length")
                        pickle.value(place.count)
                    }
                }
            }
        }
        return pickle.finished
    }
}
