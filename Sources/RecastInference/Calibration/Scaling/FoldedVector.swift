import Recast

/// A norm or bias that scales were folded into, as it is kept with a finished layer.
struct FoldedVector {
    let slot: Slot
    let values: [Float]

    static func json(_ slot: Slot, _ values: [Float]) -> JSON {
        [
            "folded": .string(slot.role.rawValue), "layer": slot.layer.map(JSON.int) ?? .null,
            "part": .string(slot.part.rawValue), "bits": .array(values.map { .int(Int($0.bitPattern)) }),
        ]
    }

    init?(_ json: JSON) {
        guard let role = (json["folded"]?.string).flatMap(Role.init(rawValue:)),
            let part = (json["part"]?.string).flatMap(Slot.Part.init(rawValue:)), let bits = json["bits"]?.array
        else { return nil }
        slot = Slot(role, layer: json["layer"]?.int, part)
        values = bits.map { Float(bitPattern: UInt32(truncatingIfNeeded: $0.int ?? 0)) }
    }

    /// The numbers in the type of what they take the place of, which they were rounded to.
    func tensor(like original: LazyTensor) throws(RecastError) -> LazyTensor {
        guard values.count == original.elementCount else {
            throw RecastError(.inputOutput, "\(slot) was not kept whole; --force begins again")
        }
        let numbers = LazyTensor.vector(values).reshaped(original.shape)
        return [.f16, .bf16].contains(original.dtype) ? numbers.converted(to: original.dtype) : numbers
    }
}
