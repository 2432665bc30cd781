/// What of a model decides which types its tensors get. Source: Specs/gguf.md §c.2 and §c.4.
struct GGUFModelTraits: Sendable, Hashable {
    /// `general.architecture`; need not be one that this library knows.
    var architecture: String
    var layerCount: Int
    /// Query heads that share a key/value head, in the first layer; 0 without attention.
    var headGroup: Int
    /// 0 where there are none.
    var expertCount: Int
    /// Whether few values serve many heads, as in Llama 2 70B.
    var hasFewValues: Bool
    /// Whether the embedding is the head too.
    var isTied: Bool
    /// Tensors of the class `value`.
    var valueCount: Int

    /// The traits of a model by its metadata, which may be a stranger's: what is missing or absurd counts as absent.
    init(_ metadata: GGUFMetadata, tensors: [NamedTensor]) {
        let architecture = metadata["general.architecture"]?.string ?? ""
        func size(_ key: String, limit: Int) -> Int? {
            let value = metadata["\(architecture).\(key)"]
            guard let size = value?.int ?? value?.ints?.first, (0...limit).contains(size) else { return nil }
            return size
        }
        let heads = size("attention.head_count", limit: 1 << 20) ?? 0
        let keyValueHeads = size("attention.head_count_kv", limit: 1 << 20) ?? heads
        self.architecture = architecture
        layerCount =
            size("block_count", limit: Self.maximumLayerCount)
            ?? min(Self.maximumLayerCount, tensors.compactMap(\.block).max() ?? -1) + 1
        headGroup = keyValueHeads == 0 ? 0 : heads / keyValueHeads
        expertCount = size("expert_count", limit: 1 << 20) ?? 0
        hasFewValues =
            switch architecture {
            case "llama": layerCount == 80 && heads != keyValueHeads
            case "qwen2", "olmo", "deci": layerCount == 80
            case "jais2": layerCount == 68
            default: false
            }
        isTied = !tensors.contains { GGUFTensorClass($0) == .output }
        valueCount = tensors.count { GGUFTensorClass($0) == .value }
    }

    private static let maximumLayerCount = 65_535
}
