// Tensors of one number for each layer, which GGUF has in keys.
extension Planning {
    /// Reads numbers, and writes them where the architecture has them, in the order of the layers.
    func write(
        _ numbers: [NamedTensor], of architecture: GGUFArchitecture, into metadata: inout GGUFMetadata,
        plan: inout Plan
    ) throws(RecastError) {
        var reader = Reader(files: checkpoint.sources)
        for (role, key) in architecture.keysOfNumbers.sorted(by: { $0.value < $1.value }) {
            let own = numbers.filter { $0.slots[0].role == role }.sorted { $0.slots[0].layer! < $1.slots[0].layer! }
            guard !own.isEmpty else { continue }
            var values: [Float] = []
            for tensor in own {
                let bytes = try tensor.tensor.converted(to: .f32).bytes(using: &reader)
                values.append(Float(bitPattern: bytes.withUnsafeBytes { $0.integer(at: 0, as: UInt32.self) }))
            }
            metadata[key] = .array(.f32(values))
            plan.evidence.append(
                Evidence(
                    question: "numbers that GGUF has in \(key):", answer: "read",
                    byteCount: own.reduce(0) { $0 + $1.tensor.byteCount }))
        }
    }
}
