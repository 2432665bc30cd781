/// The `<architecture>.*` keys of a file in the making.
struct GGUFKeys {
    let architecture: String
    var metadata: GGUFMetadata

    subscript(key: String) -> GGUFValue? {
        get { metadata[architecture + "." + key] }
        set { metadata[architecture + "." + key] = newValue }
    }

    mutating func set(_ key: String, _ value: Int) throws(RecastError) {
        guard let value = UInt32(exactly: value) else { throw .unsupported("\(value) does not fit GGUF's 32 bits") }
        self[key] = .u32(value)
    }

    mutating func set(_ key: String, _ value: Double) { self[key] = .f32(Float(value)) }
}
