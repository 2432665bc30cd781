/// Files that were not fetched, or not to the end: what there is instead of them.
enum Downloads {
    /// What browsers, the hub's programs and aria2 call a file that is not there yet.
    private static let partialEndings = [
        ".incomplete", ".part", ".crdownload", ".aria2", ".download", ".opdownload", ".!qB", ".!ut", ".filepart",
    ]
    /// aria2's file about a download: it is there as long as the download is not complete, and the file beside it has its
    /// whole size from the beginning.
    static let control = ".aria2"

    /// The same of programs that call anything so; only what is for weights is one of theirs.
    private static let temporaryEndings = [".tmp", ".temp", ".partial"]
    private static let weightEndings = [".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf"]

    static func isPartial(_ name: String) -> Bool {
        partialEndings.contains(where: name.hasSuffix)
            || temporaryEndings.contains(where: name.hasSuffix) && weightEndings.contains(where: name.contains)
    }

    /// - Parameter what: is wrong with the file.
    static func failure(_ what: String, _ path: String) -> RecastError {
        RecastError(
            .inputMissing, "\(what): the download is not complete; \(nextCommand(for: path)) fetches the rest",
            trail: [path])
    }

    /// What helps with a file that ends too early.
    static func cutShort(_ path: String) -> String {
        "the file ends too early, as one whose download is not complete; \(nextCommand(for: path)) fetches the rest"
    }

    /// What fetches a file again.
    static func nextCommand(for path: String) -> String { "hf download \(HubCache.id(in: path) ?? "ID")" }

    /// What stands in the place of a file that was not fetched, by the first bytes.
    ///
    /// - Returns: nil for anything else.
    static func failure(of bytes: [UInt8], byteCount: Int, _ path: String) -> RecastError? {
        if bytes.starts(with: "version https://git-lfs.github.com/spec/".utf8) {
            return RecastError(
                .inputMissing,
                "is a pointer of Git LFS (\(byteCount) bytes), the file itself was not fetched: git lfs pull",
                trail: [path])
        }
        if bytes.count >= 64, bytes.allSatisfy({ $0 == 0 }) {
            return failure("begins with zeros, as room for a file does", path)
        }
        guard let answer = answer(bytes, byteCount: byteCount, path) else { return nil }
        return RecastError(
            .inputMissing,
            "is \(answer): what was downloaded is the site's answer, and not the file; \(nextCommand(for: path)), after hf auth "
                + "login where the model asks for it", trail: [path])
    }

    /// What a site sends in place of a file.
    private static func answer(_ bytes: [UInt8], byteCount: Int, _ path: String) -> String? {
        let marks: [UInt8] = [0xEF, 0xBB, 0xBF, 0x20, 0x0A, 0x0D, 0x09]
        let text = String(decoding: bytes.drop(while: marks.contains).prefix(256), as: UTF8.self)
        let start = text.lowercased()
        if start.hasPrefix("<!doctype html") || start.hasPrefix("<html") || start.hasPrefix("<head") {
            return "a page of HTML"
        }
        if start.hasPrefix("<?xml") || start.hasPrefix("<error>"), start.contains("<error>") {
            return "an error in XML"
        }
        guard byteCount < 4096 else { return nil }
        if start.hasPrefix("{\"error\"") { return "an error in JSON" }
        // A sentence, in the place of weights.
        let line = bytes.prefix { $0 != 0x0A }
        let isText = bytes.allSatisfy { (0x20...0x7E).contains($0) || [0x0A, 0x0D, 0x09].contains($0) }
        let isOfWeights = ChosenWeights.isOfWeights(Path.name(path)) || path.hasSuffix(".gguf")
        guard isText, isOfWeights, line.count >= 4, line.contains(0x20), bytes.first != UInt8(ascii: "{") else {
            return nil
        }
        return "a text (\"\(String(decoding: line.prefix(60), as: UTF8.self))\")"
    }
}

// MARK: Folders

extension Downloads {
    /// A download into a folder that has begun and is not complete.
    ///
    /// - Returns: nil where there is no sign of one.
    static func failure(in folder: Folder, _ names: [String]) -> RecastError? {
        if let partial = unfinished(in: folder, names).first {
            return failure("holds \(partial)", folder.path)
        }
        return HubCache.failure(ofSnapshot: folder)
    }

    /// The names of downloads into a folder that have begun and are not complete.
    private static func unfinished(in folder: Folder, _ names: [String]) -> [String] {
        // Files in the making that programs hide are no downloads, and Recast's own among them.
        let own = names.filter { isPartial($0) && !$0.hasPrefix(".") }
        // hf download --local-dir keeps what it has not finished in a folder of its own, in folders as the model's are.
        let cache = Path.join(Path.join(".cache", "huggingface"), "download")
        guard names.contains(".cache"), folder.status(of: cache)?.isDirectory == true else { return own }
        let cached = (try? folder.names(in: cache)) ?? []
        let inner = cached.filter { folder.isDirectory(Path.join(cache, $0)) }.flatMap { name in
            ((try? folder.names(in: Path.join(cache, name))) ?? []).map { Path.join(name, $0) }
        }
        return own + (cached + inner).filter(isPartial).map { Path.join(cache, $0) }
    }

    /// What to say of half downloads beside a model that is whole.
    ///
    /// - Parameter file: the one that was named; nil where the folder was.
    static func warnings(beside file: String?, in folder: Folder) -> [String] {
        guard let names = try? folder.names() else { return [] }
        var found: [String]
        if let file {
            // What else lies there may be anything.
            found = names.filter { isPartial($0) && $0.hasPrefix(file) }
        } else {
            found = unfinished(in: folder, names)
            found += HubCache.unfinished(besideSnapshot: folder)
        }
        guard !found.isEmpty else { return [] }
        let what = found.count == 1 ? "a download that is not complete" : "downloads that are not complete"
        return [
            "\(folder.path) holds \(found.abridged), \(what), beside weights that are: these are read, and "
                + "\(nextCommand(for: folder.path)) fetches the rest"
        ]
    }
}
