import TestSupport
import Testing

@testable import Recast
@testable import RecastCommand

/// What is shown of a checkpoint is the same wherever it lies.
struct InspectTests {
    private let directory = TemporaryDirectory()

    @Test(arguments: ["huggingface", "gguf", "megatron"]) func inMemory(format: String) throws {
        let source = SmallModel().write(to: directory, "source")
        let target: ConversionOptions.Target =
            switch format {
            case "huggingface": .huggingFace(family: nil)
            case "gguf": .gguf
            default: .megatron(MegatronTarget(.ranks))
            }
        let path = directory.file("model.gguf")
        let plan = try Planning(Checkpoint(path: source), ConversionOptions(target: target)).plan(destination: path)
        _ = try Conversion(plan, to: path).run()
        let memory =
            format == "gguf"
            ? MemoryPlace("model", ["model.gguf": directory.bytes("model.gguf")!]) : MemoryPlace(copying: path)
        let copy = try Checkpoint(
            memory, file: format == "gguf" ? "model.gguf" : nil, sources: FilePool(places: MemoryPlace.places))
        let onDisk = try Summary(Checkpoint(path: path), checksums: true)
        let inMemory = try Summary(copy, checksums: true)
        #expect(
            inMemory.text(tensors: true, metadata: true) == onDisk.text(tensors: true, metadata: true))
        var (a, b) = (
            inMemory.json(tensors: true, metadata: true).object!, onDisk.json(tensors: true, metadata: true).object!
        )
        #expect(a["format"]?.string == format)
        // The paths are others.
        for key in ["checkpoint", "files"] { (a[key], b[key]) = (nil, nil) }
        #expect(JSON.object(a) == JSON.object(b))
    }
}
