// Which layers attend and which are recurrent.
extension HuggingFaceConfiguration {
    /// Reads the kind of each layer from a list, and makes those of a kind recurrent.
    ///
    /// - Parameters:
    ///   - keys: of the list, of which the first that is there counts.
    ///   - kinds: the words that are known, and whether each stands for a recurrent layer.
    ///   - usual: what is meant where there is no list.
    /// - Throws: `malformedInput` for a list that does not say of each layer which it is.
    func readRecurrentLayers(
        _ recurrence: Recurrence, into configuration: inout ModelConfiguration, keys: [String] = ["layer_types"],
        kinds: KeyValuePairs<String, Bool> = ["linear_attention": true, "full_attention": false], usual: (Int) -> Bool
    ) throws(RecastError) {
        let count = configuration.layerCount
        var isRecurrent = (0..<count).map(usual)
        if let (key, list) = keys.lazy.compactMap({ key in object[key].flatMap { $0.isNull ? nil : (key, $0) } }).first
        {
            let words = list.array?.map { $0.string ?? "" } ?? []
            let known = words.map { word in kinds.first { $0.key == word }?.value }
            guard words.count == count, !known.contains(nil) else {
                let names = kinds.map(\.key).joined(separator: " or ")
                throw failure("\"\(key)\" does not say of each of \(count) layers whether it is \(names)")
            }
            isRecurrent = known.map { $0! }
        }
        for layer in 0..<count where isRecurrent[layer] { configuration.layers[layer].mixer = .recurrent(recurrence) }
    }

    /// A size of a recurrent layer, or what its absence means; within what memory can hold.
    func stateSize(_ key: String, default usual: Int) throws(RecastError) -> Int {
        try optionalSize(key, limit: 1 << 20) ?? usual
    }

    /// Tokens that the convolution of a recurrent layer sees.
    func convolutionSize(_ key: String, default usual: Int) throws(RecastError) -> Int {
        try optionalSize(key, limit: 1 << 10) ?? usual
    }
}

extension ModelConfiguration {
    /// The words of ``HuggingFaceConfiguration/readRecurrentLayers(_:into:keys:kinds:usual:)``, for a list of layers.
    ///
    /// - Parameter further: layers behind the model's own, which attend.
    func layerKinds(
        recurrent: String = "linear_attention", attention: String = "full_attention", adding further: Int = 0
    ) -> JSON {
        let own = layers.map { JSON.string($0.recurrence == nil ? attention : recurrent) }
        return .array(own + Array(repeating: .string(attention), count: further))
    }
}
