extension ConversionOptions {
    /// Sets what `--encoding` asks for.
    ///
    /// - Parameter choices: what an encoding of Hugging Face targets leaves open.
    /// - Throws: `usage` for unknown names and for choices that the encoding does not have.
    public mutating func encode(
        as name: String, _ choices: Packing.Choices = Packing.Choices()
    ) throws(RecastError) {
        switch try EncodingName(name) {
        case .fileType(let type):
            guard choices == Packing.Choices() else {
                throw .usage(
                    "\(type.name) leaves no choice of blocks, their columns (--act-order), symmetry or method: those are for encodings of Hugging Face "
                        + "targets")
            }
            encoding = type
        case .packing(let name): packing = try Packing.named(name, choices)
        }
    }

    /// Sets the file type, or the encoding, that most lines of a recipe are of.
    ///
    /// - Parameter choices: what an encoding of Hugging Face targets leaves open.
    /// - Throws: `usage` for choices that the encoding does not have.
    package mutating func encode(by recipe: Recipe, _ choices: Packing.Choices) throws(RecastError) {
        switch recipe.commonest {
        case .packing(let commonest): packing = try Packing.named(commonest.name, choices)
        default: try encode(as: recipe.fileType.name, choices)
        }
    }
}
