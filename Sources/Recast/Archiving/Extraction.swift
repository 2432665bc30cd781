/// Restores the files of an archive, byte for byte: a plan that only moves bytes, each frame of which is checked on its way.
public struct Extraction: Sendable {
    /// Carries it out.
    public var conversion: Conversion

    /// - Parameter destination: the file, where one file was packed by its name; else the directory to make.
    /// - Throws: `malformedInput` where the checksums of the archive contradict each other.
    public init(_ archive: Archive, to destination: String) throws(RecastError) {
        try archive.checkChecksums()
        let isFile = archive.main != nil && archive.members.count == 1
        var plan = Plan(sources: [], form: isFile ? .file : .directory)
        for (output, member) in archive.members.enumerated() {
            plan.sources.append(try archive.source(of: member.name).file)
            plan.outputs.append(
                OutputFile(name: isFile ? Path.name(destination) : member.name, byteCount: member.byteCount))
            for piece in member.pieces {
                let source: LazyTensor =
                    piece.entry == nil
                    ? .zeros(.u8, [piece.byteCount])
                    : .stored(.u8, [piece.byteCount], in: FileID(output), at: piece.offset)
                plan.transfers.append(
                    Transfer(
                        bytesOf: piece.entry?.name ?? member.name, source, output: output, offset: piece.offset))
            }
        }
        conversion = Conversion(plan, to: destination)
        // The files may be of any kind, and their bytes have been checked.
        conversion.verification = .none
    }
}
