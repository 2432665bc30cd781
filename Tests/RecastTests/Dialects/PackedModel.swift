import TestSupport

@testable import Recast

/// A small quantized checkpoint whose stored tensors and configuration can be changed before it is read.
struct PackedModel {
    var tensors: [SmallModel.Tensor]
    var configuration: JSON.Object
    let directory = TemporaryDirectory()

    /// - Parameter packing: how the weights of the model are stored.
    init(_ packing: Packing, source model: SmallModel = SmallModel("llama")) throws {
        let source = model.write(to: directory, "source")
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.packing = packing
        let path = directory.file("packed")
        _ = try Conversion(try Planning(Checkpoint(path: source), options).plan(destination: path), to: path).run()
        var files = FileList()
        let file = try SafetensorsFile(path: path + "/model.safetensors", files: &files)
        var reader = Reader(files: FilePool(files.files))
        tensors = []
        for tensor in file.tensors {
            tensors.append(
                SmallModel.Tensor(
                    name: tensor.name, dtype: tensor.tensor.dtype.name, shape: tensor.tensor.shape,
                    bytes: try tensor.tensor.bytes(using: &reader)))
        }
        configuration = try JSON(parsing: directory.bytes("packed/config.json")!, file: "config.json").object!
    }

    /// - Parameter name: of an encoding; of groups of 32, where it has groups.
    init(_ name: String, isSymmetric: Bool? = nil, per: Packing.Choices.Granularity? = nil) throws {
        var choices = Packing.Choices()
        choices.isSymmetric = isSymmetric
        choices.per = per
        if per == nil, (try? Packing.named(name, choices.grouped)) != nil { choices = choices.grouped }
        try self.init(try Packing.named(name, choices)!)
    }

    subscript(name: String) -> SmallModel.Tensor {
        get { tensors.first { $0.name == name }! }
        set { tensors[tensors.firstIndex { $0.name == name }!] = newValue }
    }

    mutating func remove(_ name: String) { tensors.removeAll { $0.name == name } }

    mutating func replace(_ name: String, _ dtype: String, _ shape: [Int], _ bytes: [UInt8]) {
        tensors[tensors.firstIndex { $0.name == name }!] = SmallModel.Tensor(
            name: name, dtype: dtype, shape: shape, bytes: bytes)
    }

    /// Changes the configuration of the quantization.
    mutating func configure(_ key: String, _ value: JSON?, under section: String = "quantization_config") {
        var object = configuration[section]?.object ?? JSON.Object()
        object[key] = value
        configuration[section] = .object(object)
    }

    var file: [UInt8] { SafetensorsBuilder.file(tensors.map { ($0.name, $0.dtype, $0.shape, $0.bytes) }) }

    @discardableResult
    func write(_ folder: String = "changed") -> String {
        directory.write(folder + "/config.json", JSON.object(configuration).serialized(.indented))
        directory.write(folder + "/model.safetensors", file)
        return directory.file(folder)
    }

    /// Reads the checkpoint and writes its numbers as float32.
    @discardableResult
    func decoded(from folder: String? = nil) throws -> Plan {
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.dtype = .f32
        let path = directory.file("decoded")
        let plan = try Planning(Checkpoint(path: folder ?? write()), options).plan(destination: path)
        var conversion = Conversion(plan, to: path)
        conversion.replaces = true
        _ = try conversion.run()
        return plan
    }
}

extension Packing.Choices {
    fileprivate var grouped: Packing.Choices {
        var choices = self
        choices.groupSize = 32
        return choices
    }
}
