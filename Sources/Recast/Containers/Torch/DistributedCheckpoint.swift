/// What `torch.distributed.checkpoint` writes: a description of whole tensors, and where their pieces lie in files, each
/// a zip of its own as `torch.save` writes it.
///
/// Source: torch 2.13, `torch/distributed/checkpoint/metadata.py` and `filesystem.py`; Specs/megatron.md §5.
struct DistributedCheckpoint: Sendable {
    let folder: Folder
    /// By name, in the order of the description.
    let tensors: [Tensor]
    /// Values that are no tensors, each a file of `torch.save`.
    let objects: [String: Place]

    static let descriptionName = ".metadata"
    /// Dimensions of a tensor of torch, and layers and experts.
    fileprivate static let maximumDimensionCount = 64
    /// More layers and experts than any model has.
    private static let maximumTensorCount = ExpertConfiguration.maximumCount
    /// Longer ones are no names of tensors, but would be compared for each of their pieces.
    fileprivate static let maximumNameLength = 4096

    struct Tensor: Sendable {
        var name: String
        var shape: [Int]
        var pieces: [Piece]
    }

    /// A box of a tensor.
    struct Piece: Sendable {
        var offsets: [Int]
        var sizes: [Int]
        var place: Place
    }

    /// Consecutive bytes of a file.
    struct Place: Sendable, Hashable {
        var file: String
        var bytes: Range<Int>
    }

    /// - Parameter isWanted: by name; whatever else is there is not even looked for.
    /// - Throws: `malformedInput` for a description that contradicts itself or the files, `unsupported` for compressed
    ///   pieces.
    init(_ folder: Folder, where isWanted: (String) -> Bool) throws(RecastError) {
        self.folder = folder
        let source = try folder.source(of: Self.descriptionName)
        let file = source.name
        let bytes = try source.contents(limit: 1 << 30)
        let pickle = try bytes.withBytes { (bytes) throws(RecastError) in
            try PickleMachine.read(bytes, file: file, base: 0)
        }
        let description = Description(pickle: pickle, file: file)
        let places = try description.places(where: isWanted)
        (tensors, objects) = try description.entries(where: isWanted, places: places)
        try Self.checkFiles(tensors.flatMap { tensor in tensor.pieces.map(\.place) } + objects.values, in: folder)
    }

    /// All places lie in their files, and none in another.
    private static func checkFiles(_ places: [Place], in folder: Folder) throws(RecastError) {
        for (name, places) in Dictionary(grouping: places, by: \.file).sorted(by: { $0.key < $1.key }) {
            let file = folder.path(of: name)
            guard let status = folder.status(of: name), !status.isDirectory else {
                throw RecastError(.inputMissing, "is named by \(descriptionName), but not there", trail: [file])
            }
            var end = 0
            for place in places.sorted(by: { $0.bytes.lowerBound < $1.bytes.lowerBound }) {
                guard place.bytes.lowerBound >= end else {
                    throw .malformed(file, at: place.bytes.lowerBound, "two entries of \(descriptionName) overlap here")
                }
                end = place.bytes.upperBound
                guard end <= status.byteCount else {
                    throw .malformed(
                        file, at: place.bytes.lowerBound,
                        "an entry of \(place.bytes.count) bytes begins here, but the file ends at \(status.byteCount): it "
                            + "is not complete")
                }
            }
        }
    }
}

// MARK: The description

/// The pickle of `.metadata`.
private struct Description {
    let pickle: Pickle
    let file: String

    /// A tensor's piece by the name and the offset.
    struct Key: Hashable {
        var name: ByteString
        /// nil for what is no tensor.
        var offsets: [Int]?
    }

    private func failure(_ message: String) -> RecastError { .malformed(file, message) }

    private func sizes(_ value: Pickle.Value?) -> [Int]? {
        guard let elements = pickle.elements(value), elements.count <= DistributedCheckpoint.maximumDimensionCount
        else {
            return nil
        }
        let numbers = elements.compactMap { pickle.int($0) }
        return numbers.count == elements.count && numbers.allSatisfy { $0 >= 0 } ? numbers : nil
    }

    /// Where everything lies.
    func places(where isWanted: (String) -> Bool) throws(RecastError) -> [Key: DistributedCheckpoint.Place] {
        guard let items = pickle.items(pickle.attribute(pickle.root, "storage_data")) else {
            throw failure("has no storage_data: it describes no checkpoint")
        }
        var places: [Key: DistributedCheckpoint.Place] = [:]
        for (key, value) in items {
            guard let name = pickle.string(pickle.attribute(key, "fqn")) else {
                throw failure("an entry of storage_data has no name")
            }
            guard name.utf8.count <= DistributedCheckpoint.maximumNameLength else {
                throw failure("a name of \(name.utf8.count) bytes")
            }
            guard isWanted(name) else { continue }
            guard let path = pickle.string(pickle.attribute(value, "relative_path")),
                let offset = pickle.int(pickle.attribute(value, "offset")),
                let length = pickle.int(pickle.attribute(value, "length")), offset >= 0, length > 0,
                let end = offset.adding(checked: length)
            else { throw failure("\(name): its place is not that of bytes in a file") }
            guard !path.isEmpty, path != ".", path != "..", !path.utf8.contains(where: { $0 == 0 || $0 == 0x2F }) else {
                throw failure("\(name): \"\(path)\" is not the name of a file in this directory")
            }
            if let transforms = pickle.elements(pickle.attribute(value, "transform_descriptors")), !transforms.isEmpty {
                throw RecastError(.unsupported, "\(name) is compressed, which cannot be read", trail: [file])
            }
            let offsets = pickle.attribute(key, "offset").flatMap { $0 == .none ? nil : $0 }
            let place = DistributedCheckpoint.Place(file: path, bytes: offset..<end)
            let entry = Key(name: ByteString(name), offsets: offsets.flatMap { sizes($0) })
            guard places.updateValue(place, forKey: entry) == nil else {
                throw failure("\(name) has two places for the same piece")
            }
        }
        return places
    }

    func entries(
        where isWanted: (String) -> Bool, places: [Key: DistributedCheckpoint.Place]
    ) throws(RecastError) -> ([DistributedCheckpoint.Tensor], [String: DistributedCheckpoint.Place]) {
        guard let items = pickle.items(pickle.attribute(pickle.root, "state_dict_metadata")) else {
            throw failure("has no state_dict_metadata: it describes no checkpoint")
        }
        var tensors: [DistributedCheckpoint.Tensor] = []
        var objects: [String: DistributedCheckpoint.Place] = [:]
        var names: Set<ByteString> = []
        for (key, value) in items {
            guard let name = pickle.string(key) else { throw failure("a name is no string") }
            guard name.utf8.count <= DistributedCheckpoint.maximumNameLength else {
                throw failure("a name of \(name.utf8.count) bytes")
            }
            guard isWanted(name) else { continue }
            guard names.insert(ByteString(name)).inserted else { throw failure("\(name) is there twice") }
            if let chunks = pickle.elements(pickle.attribute(value, "chunks")) {
                guard let shape = sizes(pickle.attribute(value, "size")) else {
                    throw failure("\(name) has no size")
                }
                var pieces: [DistributedCheckpoint.Piece] = []
                for chunk in chunks {
                    guard let offsets = sizes(pickle.attribute(chunk, "offsets")),
                        let sizes = sizes(pickle.attribute(chunk, "sizes")), offsets.count == shape.count,
                        sizes.count == shape.count, sizes.allSatisfy({ $0 > 0 }),
                        shape.indices.allSatisfy({ (offsets[$0].adding(checked: sizes[$0]) ?? .max) <= shape[$0] })
                    else { throw failure("\(name): a piece lies outside of its shape \(shape)") }
                    guard let place = places[Key(name: ByteString(name), offsets: offsets)] else {
                        throw failure("\(name): the piece at \(offsets) has no place in a file")
                    }
                    pieces.append(DistributedCheckpoint.Piece(offsets: offsets, sizes: sizes, place: place))
                }
                tensors.append(DistributedCheckpoint.Tensor(name: name, shape: shape, pieces: pieces))
            } else {
                guard let place = places[Key(name: ByteString(name), offsets: nil)] else {
                    throw failure("\(name) has no place in a file")
                }
                objects[name] = place
            }
        }
        return (tensors, objects)
    }
}

// MARK: Tensors from pieces

extension DistributedCheckpoint {
    /// The archive of a piece, or of a value that is no tensor.
    func archive(_ place: Place, files: inout OpenFiles) throws(RecastError) -> TorchArchive {
        let source = try files.source(of: place.file, in: folder)
        files.budget.grow(by: place.bytes.count)
        let archive = try TorchArchive(source, as: files.list.add(source), in: place.bytes)
        files.list.checksums += archive.checksums
        return archive
    }

    /// Files that stay open while headers are read, as thousands of pieces lie in a few of them.
    struct OpenFiles {
        var list: FileList
        /// What the tensors may ask for that have not been looked at.
        var budget = StorageBudget()
        private var sources: [String: any ByteSource] = [:]
        /// Far fewer than a process may have.
        private static let maximumCount = 64

        init(_ list: FileList) { self.list = list }

        fileprivate mutating func source(of name: String, in folder: Folder) throws(RecastError) -> any ByteSource {
            if let source = sources[name] { return source }
            if sources.count == Self.maximumCount { sources = [:] }
            let source = try folder.source(of: name)
            sources[name] = source
            return source
        }
    }

    /// The tensors of which a stored one consists, by their places along its leading axes.
    ///
    /// - Parameter leadingAxes: axes that count tensors; what is left of the shape is that of one.
    /// - Throws: `malformedInput` where the pieces do not cover all of it just once.
    func tensors(
        of tensor: Tensor, leadingAxes: Int, files: inout OpenFiles
    ) throws(RecastError) -> [LazyTensor] {
        let inner = Array(tensor.shape.dropFirst(leadingAxes))
        guard tensor.shape.count >= leadingAxes, (1...2).contains(inner.count), tensor.shape.allSatisfy({ $0 > 0 })
        else { throw failure(tensor, "its shape \(tensor.shape) is not that of such a tensor") }
        guard let count = tensor.shape.prefix(leadingAxes).product(), count <= Self.maximumTensorCount else {
            throw failure(tensor, "its shape \(tensor.shape) stands for too many tensors")
        }
        var cells: [Int: [Cell]] = [:]
        var dtype: DType?
        for piece in tensor.pieces {
            let whole = try contents(of: piece, tensor, files: &files)
            guard dtype == nil || dtype == whole.dtype else { throw failure(tensor, "its pieces have several types") }
            dtype = whole.dtype
            let counted = Array(piece.sizes.prefix(leadingAxes))
            let count = counted.reduce(1, *)
            let shape = Array(piece.sizes.dropFirst(leadingAxes))
            guard count == 1 || files.budget.takePieces(count) else {
                throw RecastError(
                    .unsupported, "its shape \(tensor.shape) stands for more tensors than its bytes account for",
                    trail: [folder.path(of: Self.descriptionName), tensor.name])
            }
            for index in 0..<count {
                let part =
                    shape.count == 1
                    ? whole.reshaped([count, shape[0]]).rows(index..<index + 1).reshaped(shape)
                    : whole.reshaped([count] + shape).matrix(index)
                let place = Self.flat(index, counted, offsets: piece.offsets, in: tensor.shape)
                let first = Array(piece.offsets.dropFirst(leadingAxes))
                cells[place, default: []].append(
                    Cell(
                        rows: first[0]..<first[0] + shape[0],
                        columns: shape.count > 1 ? first[1]..<first[1] + shape[1] : 0..<1, tensor: part))
            }
        }
        guard count == cells.count else { throw failure(tensor, "its pieces do not cover it") }
        var tensors: [LazyTensor] = []
        for index in 0..<count {
            guard let whole = Self.composed(cells[index] ?? [], shape: inner) else {
                throw failure(tensor, "its pieces do not cover it, or overlap")
            }
            tensors.append(whole)
        }
        return tensors
    }

    private func failure(_ tensor: Tensor, _ message: String) -> RecastError {
        RecastError(.malformedInput, message, trail: [folder.path(of: Self.descriptionName), tensor.name])
    }

    private func contents(
        of piece: Piece, _ tensor: Tensor, files: inout OpenFiles
    ) throws(RecastError) -> LazyTensor {
        let archive = try archive(piece.place, files: &files)
        guard let whole = try archive.tensor(archive.pickle.root, budget: &files.budget) else {
            throw failure(tensor, "the piece at \(piece.offsets) is no tensor")
        }
        guard whole.shape == piece.sizes else {
            throw failure(tensor, "the piece at \(piece.offsets) is \(whole.shape), not \(piece.sizes)")
        }
        return whole
    }

    /// The place among all tensors of one of a piece's.
    private static func flat(_ index: Int, _ sizes: [Int], offsets: [Int], in shape: [Int]) -> Int {
        var (rest, place, step) = (index, 0, 1)
        for axis in sizes.indices.reversed() {
            place += (offsets[axis] + rest % sizes[axis]) * step
            rest /= sizes[axis]
            step *= shape[axis]
        }
        return place
    }

    /// A rectangle of a matrix, or some elements of a vector.
    private struct Cell {
        var rows: Range<Int>
        var columns: Range<Int>
        var tensor: LazyTensor
    }

    /// The matrix made of cells that lie in bands; nil where they do not cover it just once.
    private static func composed(_ cells: [Cell], shape: [Int]) -> LazyTensor? {
        let width = shape.count > 1 ? shape[1] : 1
        var bands: [LazyTensor] = []
        var bottom = 0
        for (rows, band) in Dictionary(grouping: cells, by: \.rows).sorted(by: { $0.key.lowerBound < $1.key.lowerBound }
        ) {
            guard rows.lowerBound == bottom else { return nil }
            bottom = rows.upperBound
            let ordered = band.sorted { $0.columns.lowerBound < $1.columns.lowerBound }
            var right = 0
            for cell in ordered {
                guard cell.columns.lowerBound == right else { return nil }
                right = cell.columns.upperBound
            }
            guard right == width else { return nil }
            bands.append(shape.count > 1 ? .concatenatedColumns(ordered.map(\.tensor)) : ordered[0].tensor)
        }
        return bottom == shape[0] ? .concatenatedRows(bands) : nil
    }
}
