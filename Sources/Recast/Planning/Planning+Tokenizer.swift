extension Planning {
    /// Adds a `tokenizer.json` where the tokenizer's files are none that transformers reads by itself.
    ///
    /// The files travel as they are, too. Where one cannot be read, that is a warning: the copy is complete without.
    ///
    /// - Parameter configuration: `config.json`, which says how many tokens there are.
    func addTokenizerJSON(configuration: JSON.Object, to plan: inout Plan) throws(RecastError) {
        let folder = try tokenizerFolder()
        let companions =
            if let folder { try folder.names().map { Companion(name: $0, content: .file(folder)) } } else {
                try checkpoint.content.companionFiles()
            }
        let written = Set(plan.outputs.map(\.name))
        let files = companions.filter { GGUFCompanions.isTokenizerFile($0.name) && written.contains($0.name) }
        guard files.contains(where: { TokenizerFiles.areTokenizers([$0.name]) }) else { return }
        var reason: RecastError
        do throws(RecastError) {
            let reader = try TokenizerFiles(
                names: files.map(\.name), model: .object(configuration),
                path: { folder?.path(of: $0) ?? Path.join(checkpoint.path, $0) },
                contents: { (name) throws(RecastError) in
                    switch files.first(where: { $0.name == name })?.content {
                    case .bytes(let bytes)?: bytes
                    case .file(let folder)?: try folder.contents(of: name)
                    case nil: []
                    }
                })
            guard let name = try reader.foreignFile() else { return }
            guard let vocabulary = try reader.vocabulary(size: nil, preTokenizer: nil) else { return }
            plan.warnings += vocabulary.remarks
            for (file, json) in try vocabulary.huggingFaceFiles() where !written.contains(file) {
                plan.outputs.append(OutputFile(name: file, bytes: json.serialized(.indented) + [UInt8(ascii: "\n")]))
            }
            plan.notes.append("tokenizer.json is made from \(name)")
            return
        } catch {
            reason = error
        }
        if reason.code == .interrupted { throw reason }
        plan.warnings.append("no tokenizer.json is made, which transformers would read: \(reason.message)")
    }
}
